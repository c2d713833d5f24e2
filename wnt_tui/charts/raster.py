"""The rasteriser: a line through points as dots, any number of points reduced to the columns at hand.

The whole polyline is reduced exactly: in each dot column it covers one vertical stretch, from the smallest to
the largest of the points in it and of its values at the column's edges. So extremes survive any reduction, and
the cost after one pass over the points is that of the columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

Dash = Literal["solid", "dashed", "dotted", "dashdot", "long", "sparse"]

# Dots on and off along the line.
DASHES: dict[Dash, tuple[int, ...]] = {
    "solid": (1,),
    "dashed": (1, 1, 1, 1, 0, 0),
    "dotted": (1, 0),
    "dashdot": (1, 1, 1, 1, 0, 1, 0),
    "long": (1, 1, 1, 1, 1, 1, 1, 0, 0, 0),
    "sparse": (1, 0, 0, 0),
}

# Bits of the eight dots of a braille cell, by row and column.
_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], dtype=np.uint32)
_BRAILLE = 0x2800


@dataclass(frozen=True, slots=True)
class Spans:
    """What a polyline covers: per column one stretch of rows, 0 at the top.

    Attributes:
        low: First row, shape (columns,); above ``high`` where there is nothing. May lie outside the raster.
        high: Last row, shape (columns,).
        start: Row at which the line enters the column, from where its length is counted.
        isolated: Columns with a point that no line joins to another, shape (columns,).
    """

    low: NDArray[np.int64]
    high: NDArray[np.int64]
    start: NDArray[np.int64]
    isolated: Mask


def spans(x: Array, y: Array, columns: int, rows: int) -> Spans:
    """Reduce a polyline to one stretch of rows a column.

    Args:
        x: Fractions of the width, ascending, finite; may lie outside [0, 1].
        y: Fractions of the height, upwards; NaN is a gap.
        columns: Dot columns.
        rows: Dot rows.

    Returns:
        The stretches.
    """
    nothing_low, nothing_high = 1 << 40, -(1 << 40)
    low = np.full(columns, nothing_low, dtype=np.int64)
    high = np.full(columns, nothing_high, dtype=np.int64)
    start = np.zeros(columns, dtype=np.int64)
    if x.size == 0 or columns == 0 or rows == 0:
        return Spans(low, high, start, np.zeros(columns, dtype=bool))
    px = x * (columns - 1)
    # Far outside is as good as just outside, and does not overflow.
    py = np.clip(1.0 - y, -4.0, 5.0) * (rows - 1)

    edges = np.arange(columns + 1, dtype=np.float64) - 0.5
    at = _interpolate(px, py, edges)
    edge_valid = np.isfinite(at)
    edge_rows = _round(np.where(edge_valid, at, 0.0))
    left, right = edge_rows[:-1], edge_rows[1:]
    has_left, has_right = edge_valid[:-1], edge_valid[1:]

    keep = np.isfinite(py) & (px >= -0.5) & (px < columns - 0.5)
    column = np.clip(_round(px[keep]), 0, columns - 1)
    row = _round(py[keep])
    has_point = np.zeros(columns, dtype=bool)
    last_row = left.copy()
    if column.size:
        firsts = np.flatnonzero(np.r_[True, column[1:] != column[:-1]])
        occupied = column[firsts]
        has_point[occupied] = True
        low[occupied] = np.minimum.reduceat(row, firsts)
        high[occupied] = np.maximum.reduceat(row, firsts)
        start[occupied] = row[firsts]
        last_row[occupied] = row[np.r_[firsts[1:] - 1, column.size - 1]]

    low = np.where(has_left, np.minimum(low, left), low)
    high = np.where(has_left, np.maximum(high, left), high)
    start = np.where(has_left, left, start)
    # The next column draws the shared edge; ending one short of it keeps steep lines one dot thin.
    begun = has_left | has_point
    end = np.where(begun, right - np.sign(right - last_row), right)
    low = np.where(has_right, np.minimum(low, end), low)
    high = np.where(has_right, np.maximum(high, end), high)
    start = np.where(begun, start, end)
    return Spans(low, high, start, has_point & ~has_left & ~has_right)


def dots(stretch: Spans, rows: int, dash: Dash = "solid") -> Mask:
    """The dots of a reduced polyline.

    Args:
        stretch: What it covers.
        rows: Dot rows.
        dash: Its pattern, counted along the line.

    Returns:
        Dots, shape (rows, columns).
    """
    grid = np.arange(rows)[:, None]
    mask: Mask = (grid >= stretch.low) & (grid <= stretch.high)
    if dash == "solid":
        return mask
    pattern = np.array(DASHES[dash], dtype=bool)
    length = np.where(stretch.low <= stretch.high, stretch.high - stretch.low + 1, 1)
    before = np.cumsum(length) - length
    phase = (before + np.abs(grid - stretch.start)) % pattern.size
    dashed: Mask = mask & pattern[phase]
    return dashed


def braille(mask: Mask) -> NDArray[np.uint32]:
    """Braille characters of a dot raster.

    Args:
        mask: Dots, shape (4·rows, 2·columns).

    Returns:
        Code points, shape (rows, columns); a space where no dot is set.
    """
    height, width = mask.shape[0] // 4, mask.shape[1] // 2
    cells = mask.reshape(height, 4, width, 2).transpose(0, 2, 1, 3)
    bits = (cells * _BITS).sum(axis=(2, 3), dtype=np.uint32)
    return np.where(bits == 0, np.uint32(32), bits + np.uint32(_BRAILLE)).astype(np.uint32)


def dash_sample(dash: Dash, cells: int) -> str:
    """A dash pattern as braille, for a legend.

    Args:
        dash: The pattern.
        cells: Its length in cells.

    Returns:
        Braille characters.
    """
    pattern = np.array(DASHES[dash], dtype=bool)
    mask = np.zeros((4, 2 * cells), dtype=bool)
    mask[1] = pattern[np.arange(2 * cells) % pattern.size]
    return "".join(chr(code) for code in braille(mask)[0])


def _interpolate(x: Array, y: Array, at: Array) -> Array:
    """Return values of the polyline, NaN outside it and in its gaps."""
    index = np.searchsorted(x, at, side="right") - 1
    inside = (index >= 0) & (index < x.size - 1)
    index = np.clip(index, 0, max(x.size - 2, 0))
    following = np.minimum(index + 1, x.size - 1)
    with np.errstate(all="ignore"):
        part = (at - x[index]) / (x[following] - x[index])
        values = y[index] + part * (y[following] - y[index])
    return np.where(inside, values, np.nan)


def _round(values: Array) -> NDArray[np.int64]:
    return np.floor(values + 0.5).astype(np.int64)
