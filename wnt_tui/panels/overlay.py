"""Several sessions in one panel: the lines that matter most of each, told apart by letter, colour, marker and dash.

A panel names its main lines for one session (:meth:`Panel.compared`); here they are drawn for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from textual.strip import Strip

from engine.catalogue import Kind
from engine.catalogue.certainty import Sign
from engine.catalogue.numerals import MISSING, significant
from wnt_tui.charts.lines import LineChart, Reference, Series, draw_lines
from wnt_tui.charts.raster import Dash
from wnt_tui.session.snapshot import PanelView
from wnt_tui.theme.themes import Palette

LETTERS = "ABCDEF"
"""Names of the sessions that are compared; there are no more than these."""

# By line and session. Two lines each of up to three sessions all differ; more sessions show their first line only.
_DASHES: tuple[tuple[Dash, ...], ...] = (
    ("solid", "dashed", "long", "dashdot", "dotted", "sparse"),
    ("dotted", "dashdot", "sparse"),
)
_SUFFIX: dict[Kind, str] = {"exact": "", "upper": "", "lower": "", "estimate": " est", "heuristic": " heur"}
_SIGN: dict[Kind, str] = {"exact": "", "upper": "≤ ", "lower": "≥ ", "estimate": "", "heuristic": ""}

Axis = Literal["step", "layer"]
Lines = Callable[[PanelView], Sequence["MainLine"]]


@dataclass(frozen=True, slots=True)
class MainLine:
    """A line of a panel that is worth comparing.

    Attributes:
        series: The line, named without the session's letter.
        kind: How its values are to be read.
        remark: What is to be said of it, for example that it belongs to an earlier step; may be empty.
        bound: What is certain at the cursor of a value that is not resolved, a sign and a number; None where it is.
    """

    series: Series
    kind: Kind = "exact"
    remark: str = ""
    bound: tuple[Sign, float] | None = None

    def value(self, place: float) -> tuple[float, bool]:
        """Its value at a place of the axis.

        Args:
            place: A step, or a layer.

        Returns:
            The value, NaN where there is none, and whether it is only known to be at least this.
        """
        series = self.series
        found = np.flatnonzero(series.x == place)
        least = bool(series.bounds is not None and found.size and series.bounds[found[0]])
        if series.here is not None:
            return series.here, least
        return (float(series.y[found[0]]) if found.size else float("nan")), least


def sessions_of(view: PanelView) -> list[PanelView]:
    """The same view of each session that is compared, the one that the cursor belongs to first."""
    return [replace(view, snapshot=snapshot, others=()) for snapshot in (view.snapshot, *view.others)]


def draw_compared(
    lines: Lines,
    view: PanelView,
    palette: Palette,
    *,
    axis: Axis,
    references: tuple[Reference, ...] = (),
    message: str = "no data yet",
) -> list[Strip]:
    """Draw the main lines of all sessions.

    Args:
        lines: A panel's main lines for one session.
        view: What is shown.
        palette: Styles and glyphs.
        axis: What the horizontal axis counts.
        references: Horizontal lines.
        message: What to say where there is nothing to draw.

    Returns:
        ``view.height`` strips, each ``view.width`` cells wide.
    """
    views = sessions_of(view)
    drawn: list[Series] = []
    notes: list[tuple[str, str]] = []
    for place, one in enumerate(views):
        found = lines(one)
        for number, line in enumerate(found[: 2 if len(views) <= len(_DASHES[1]) else 1]):
            dash = _DASHES[number][place]
            name = f"{LETTERS[place]} {line.series.name}"
            drawn.append(replace(line.series, name=name, color=place, dash=dash, optional=False))
            if line.remark and not number:
                notes.append((f"{LETTERS[place]} {line.remark}", "warn"))
        if axis == "step" and place and one.snapshot.rows and one.snapshot.last_step < view.cursor:
            notes.append((f"{LETTERS[place]} ends at step {one.snapshot.last_step}", "dim"))
    deepest = max(one.snapshot.config.depth for one in views) - 1
    chart = LineChart(
        # The first session's lines are drawn last, over the others.
        series=tuple(reversed(drawn)),
        first=view.first if axis == "step" else 0,
        last=view.last if axis == "step" else deepest,
        log=view.log,
        cursor=view.cursor if axis == "step" else view.layer,
        x_name=axis,
        references=references,
        notes=tuple(notes),
        message=message,
        legend_rows=3,
    )
    return draw_lines(chart, view.width, view.height, palette)


def compared_parts(lines: Lines, view: PanelView, *, axis: Axis) -> list[str]:
    """The values of all sessions at the cursor: ``train A 0.312 B 0.298``.

    Args:
        lines: A panel's main lines for one session.
        view: What is shown.
        axis: What the horizontal axis counts.

    Returns:
        A text a line, the most important first.
    """
    place = float(view.cursor if axis == "step" else view.layer)
    found = [list(lines(one)) for one in sessions_of(view)]
    parts = [] if axis == "step" else [f"layer {view.layer}"]
    for number in range(max((len(each) for each in found), default=0)):
        texts: list[str] = []
        name, suffix = "", ""
        for letter, each in zip(LETTERS, found, strict=False):
            if number >= len(each):
                continue
            line = each[number]
            name = line.series.name
            value, least = line.value(place)
            sign, mark = ("≥ ", "") if least else (_SIGN[line.kind], _SUFFIX[line.kind])
            if line.bound is not None:
                sign, value, mark = f"{line.bound[0]} ", line.bound[1], ""
            texts.append(f"{letter} {MISSING if np.isnan(value) else sign + significant(value)}")
            suffix = suffix or ("" if np.isnan(value) else mark)
        parts.append(f"{name} {' '.join(texts)}{suffix}")
    return parts
