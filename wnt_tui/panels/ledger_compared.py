"""Panel 9 for several sessions: in which options they differ, how they ended, and whether their inequalities hold."""

from __future__ import annotations

from dataclasses import fields

from textual.strip import Strip

from engine.catalogue.numerals import MISSING, significant
from engine.config import RunConfig, option_flag
from engine.session.text import plain_text
from wnt_tui.charts.canvas import Canvas
from wnt_tui.charts.number_format import seconds
from wnt_tui.panels.checks import checks, counted
from wnt_tui.panels.overlay import LETTERS, sessions_of
from wnt_tui.session.snapshot import PanelView, Snapshot
from wnt_tui.theme.themes import Palette
from wnt_tui.theme.wording import short_number

_NAME_WIDTH = 12
_CELL_WIDTH = 9


def differences(snapshots: list[Snapshot]) -> list[tuple[str, list[str]]]:
    """The options in which sessions differ, each with its value in every session, in the configuration's order."""
    found = []
    for spec in fields(RunConfig):
        values = [getattr(snapshot.config, spec.name) for snapshot in snapshots]
        if any(value != values[0] for value in values):
            found.append((option_flag(spec.name)[2:], [_shown(value) for value in values]))
    return found


def draw_ledger(view: PanelView, palette: Palette) -> list[Strip]:
    """The table of sessions: ``view.height`` strips of ``view.width`` cells."""
    canvas, cut = Canvas(view.width, view.height, palette), palette.glyphs.cut
    views = sessions_of(view)
    snapshots = [one.snapshot for one in views]
    differing = differences(snapshots)
    rows = [
        *differing,
        ("newest step", [str(snapshot.last_step) if snapshot.rows else MISSING for snapshot in snapshots]),
        ("state", [snapshot.engine.state for snapshot in snapshots]),
        ("checks", [(counted(checks(one)) or [MISSING])[0] for one in views]),
        ("violations", [str(sum(event.kind == "violation" for event in each.events)) for each in snapshots]),
        ("accuracy", [significant(snapshot.value("accuracy", view.cursor), 3) for snapshot in snapshots]),
        ("data", [snapshot.data_name for snapshot in snapshots]),
        ("measuring", [seconds(snapshot.value("measure_seconds", view.cursor)) for snapshot in snapshots]),
    ]
    width = max(_CELL_WIDTH, (view.width - _NAME_WIDTH) // len(views))
    columns = [_NAME_WIDTH + place * width for place in range(len(views))]
    for place, column in enumerate(columns):
        marker = palette.glyphs.markers[place % len(palette.glyphs.markers)]
        canvas.put(column, 0, f"{LETTERS[place]} {marker}", palette.series_style(place))
    if not differing and view.height > 1:
        canvas.put(0, 0, cut("same options", _NAME_WIDTH), palette.dim)
    for row, (name, cells) in enumerate(rows, start=1):
        canvas.put(0, row, cut(name, _NAME_WIDTH - 1), palette.label)
        style = palette.strong if row <= len(differing) else palette.text
        for column, cell in zip(columns, cells, strict=True):
            canvas.put(column, row, cut(cell, min(width - 1, view.width - column)), style)
    return canvas.to_strips()


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return short_number(value)
    if isinstance(value, tuple):
        return ", ".join(map(plain_text, value)) or "none"
    return plain_text(value) or "default"
