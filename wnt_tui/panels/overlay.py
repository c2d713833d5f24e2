"""Several sessions in one panel: the lines that matter most of each, distinct by letter, colour, marker and dash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Literal, NamedTuple

from engine.catalogue.numerals import MISSING
from wnt_tui.charts.lines import Series
from wnt_tui.charts.number_format import HEURISTIC
from wnt_tui.charts.raster import Dash
from wnt_tui.panels.words import Note
from wnt_tui.session.snapshot import PanelView

LETTERS = "ABCDEF"
"""Names of the sessions that are compared; there are no more than these."""

DASHES: tuple[tuple[Dash, ...], ...] = (
    ("solid", "dashed", "long", "dashdot", "dotted", "sparse"),
    ("dotted", "dashdot", "sparse"),
)
"""By line and session. Two lines each of up to three sessions all differ; more sessions show their first line only."""

Axis = Literal["step", "layer"]
"""What the horizontal axis of a panel counts."""


class MainLine(NamedTuple):
    """A line of one session that is compared, its value at the cursor as text, and a remark; both may be empty."""

    series: Series
    text: str
    remark: str = ""


def sessions_of(view: PanelView) -> list[PanelView]:
    """The same view of each session that is compared, the one that the cursor belongs to first."""
    return [replace(view, snapshot=snapshot, others=()) for snapshot in (view.snapshot, *view.others)]


def overlaid(
    views: Sequence[PanelView], found: Sequence[Sequence[MainLine]], axis: Axis
) -> tuple[list[Series], list[Note]]:
    """The main lines of all sessions as one chart has them.

    Args:
        views: A view of each session.
        found: Main lines of each, the most important first.
        axis: What the horizontal axis counts.

    Returns:
        Series, of which the first session's are drawn last, over the others, and notes.
    """
    series: list[Series] = []
    notes: list[Note] = []
    for place, (one, lines) in enumerate(zip(views, found, strict=True)):
        letter = LETTERS[place]
        for line, dashes in zip(lines, DASHES if len(views) <= len(DASHES[1]) else DASHES[:1], strict=False):
            named = f"{letter} {line.series.name}"
            series.append(replace(line.series, name=named, color=place, dash=dashes[place], optional=False))
        notes += [(f"{letter} {line.remark}", "warn") for line in lines[:1] if line.remark]
        if axis == "step" and place and one.snapshot.rows and one.snapshot.last_step < one.cursor:
            notes.append((f"{letter} ends at step {one.snapshot.last_step}", "dim"))
    return series[::-1], notes


def compared_values(found: Sequence[Sequence[MainLine]]) -> list[str]:
    """The values of all sessions at the cursor, a text a line: ``train A 0.312 B 0.298``."""
    parts = []
    for lines in zip_longest(*found):
        shown = [(letter, line) for letter, line in zip(LETTERS, lines, strict=False) if line is not None]
        text = " ".join(f"{letter} {line.text or MISSING}" for letter, line in shown)
        # The word once, at the end.
        text = text.replace(HEURISTIC, "") + HEURISTIC * (HEURISTIC in text)
        parts.append(f"{shown[-1][1].series.name} {text}")
    return parts
