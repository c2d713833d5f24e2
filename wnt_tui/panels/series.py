"""Series out of a snapshot: a metric against the step or the layer, as few points as the chart needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.catalogue.certainty import UNCERTAIN, resolved
from engine.session.rows import LayerBlocks
from wnt_tui.charts.lines import Series
from wnt_tui.charts.raster import Dash
from wnt_tui.panels.moment import Moment
from wnt_tui.panels.reduction import STRETCHES_A_CELL, derived, reduced, window
from wnt_tui.session.snapshot import PanelView, Snapshot

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Line:
    """A metric as a panel draws it.

    Attributes:
        metric: Its name in the catalogue.
        label: Its name in the legend.
        color: Its number in the palette: colour and marker.
        dash: Its pattern.
        optional: Whether the axis need not reach it.
    """

    metric: str
    label: str
    color: int = 0
    dash: Dash = "solid"
    optional: bool = False


def step_series(view: PanelView, line: Line) -> Series:
    """A step metric against the step, in the window and one neighbour on either side; of many rows whole stretches."""
    # Rows that --every leaves out are no points: they must not break the line. A row that should have been measured and
    # has no value is a gap.
    snapshot, rows = view.snapshot, rows_in_view(view)
    column = _drawn(snapshot, line.metric)
    x, y = np.empty(0), np.empty(0)
    if rows.start < rows.stop:
        low, high = (float(snapshot.step[row]) for row in (rows.start, rows.stop - 1))
        points = _points(snapshot, slice(0, snapshot.rows), column)
        x, y = window(column, *points, low, high, STRETCHES_A_CELL * max(view.width, 1))
    return _series(view, line, rows, column[rows], x, y)


def row_series(view: PanelView, rows: slice, values: Array, line: Line) -> Series:
    """Values of some rows against the step, without those that ``--every`` leaves out; see :func:`step_series`."""
    x, y = reduced(*_points(view.snapshot, rows, values), STRETCHES_A_CELL * max(view.width, 1))
    return _series(view, line, rows, values, x, y)


def rows_in_view(view: PanelView) -> slice:
    """The rows of the window and one measured neighbour beyond either edge, which lets a line run to it."""
    step, every = view.snapshot.step, view.snapshot.config.every
    low = max(int(np.searchsorted(step, view.first)) - every, 0)
    high = int(np.searchsorted(step, view.last, side="right")) + every
    return slice(low, min(high, view.snapshot.rows))


def layer_series(now: Moment, line: Line) -> Series:
    """A layer metric against the layer."""
    x, y = np.arange(float(now.config.depth)), now.by_layer(line.metric)
    bounds = now.bounded_below() if line.metric == "log10_cond" else None
    return Series(line.label, x, y, line.color, line.dash, points=True, bounds=bounds)


def band_series(band: LayerBlocks, layer: int, line: Line, here: float | None = None) -> Series:
    """One layer of a metric against the step, through both extremes of every block of steps that has a finite value."""
    if not 0 <= layer < band.low.shape[1]:
        return Series(line.label, np.empty(0), np.empty(0), line.color, line.dash)
    known = np.isfinite(band.low[:, layer]) & np.isfinite(band.high[:, layer])
    low, high = band.low[known, layer], band.high[known, layer]
    # Both extremes of a block at its first step: the rasteriser draws the stretch between them. A falling line
    # meets the higher one first, so that a bound that sinks below 0 inside a block is drawn down to there.
    falls = np.diff(high, prepend=high[:1]) < 0
    x = np.repeat(band.first[known].astype(np.float64), 2)
    y = np.column_stack([np.where(falls, high, low), np.where(falls, low, high)]).ravel()
    return Series(line.label, x, y, line.color, line.dash, here=here)


def _series(view: PanelView, line: Line, rows: slice, values: Array, x: Array, y: Array) -> Series:
    here = None
    if x.size < values.size:
        # Reduced, it may not hold the value at the cursor any more.
        index = view.snapshot.index_of(view.cursor) - rows.start
        known = 0 <= index < values.size and int(view.snapshot.step[rows][index]) == view.cursor
        here = float(values[index]) if known else float("nan")
    return Series(line.label, x, y, line.color, line.dash, optional=line.optional, here=here)


def _drawn(snapshot: Snapshot, name: str) -> Array:
    """A step metric, NaN where not even its sign is certain: a line of rounding errors would look like a finding."""
    column = snapshot.column(name)
    if name not in UNCERTAIN or UNCERTAIN[name].sign != "±":
        return column
    known = resolved(name, snapshot.columns, snapshot.config.examples)
    return derived(column, ("resolved", name), lambda: np.where(known, column, np.nan))


def _points(snapshot: Snapshot, rows: slice, values: Array) -> tuple[Array, Array]:
    """The rows that were to be measured, as points."""
    steps, every = snapshot.step, snapshot.config.every
    # All series of a session share these.
    x = derived(steps, "abscissas", lambda: steps.astype(np.float64))[rows]
    if every == 1:
        return x, values
    finite = np.isfinite(values)
    # What is not there was to be there at a measured row, or, if it is about a transition, right after it.
    keep = finite | ((steps[rows] % every == 0) & ~np.append(finite[1:], False))
    return x[keep], values[keep]
