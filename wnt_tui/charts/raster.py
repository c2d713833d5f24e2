"""The rasteriser: a line through points as dots, any number of points reduced to the columns at hand.

The whole polyline is reduced exactly: in each dot column it covers one vertical stretch, from the smallest to
the largest of the points in it and of its values at the column's edges. So extremes survive any reduction, and
the cost after one pass over the points is that of the columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
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
_PATTERNS = {dash: np.array(pattern, dtype=bool) for dash, pattern in DASHES.items()}

# Bits of the eight dots of a braille cell, by row and column.
_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BRAILLE = 0x2800


@dataclass(frozen=True, slots=True)
class Spans:
    """What polylines cover: per line and column one stretch of rows, 0 at the top.

    Attributes:
        low: First row, shape (lines, columns); above ``high`` where there is nothing. May lie outside the raster.
        high: Last row, same shape.
        start: Row at which the line enters the column, from where its length is counted, same shape.
        isolated: Columns with a point that nothing joins to another, same shape.
    """

    low: NDArray[np.int64]
    high: NDArray[np.int64]
    start: NDArray[np.int64]
    isolated: Mask


def spans(lines: Sequence[tuple[Array, Array]], columns: int, rows: int) -> Spans:
    """Reduce polylines to one stretch of rows a column.

    All lines of a chart at once: what numpy costs a call, and not the few dots, is the time this takes.

    Args:
        lines: Of each line the fractions of the width, ascending and finite, which may lie outside [0, 1], and the
            fractions of the height, upwards, in which NaN is a gap.
        columns: Dot columns.
        rows: Dot rows.

    Returns:
        The stretches.
    """
    shape = (len(lines), columns)
    low = np.full(shape, 1 << 40, dtype=np.int64)
    high = np.full(shape, -(1 << 40), dtype=np.int64)
    start = np.zeros(shape, dtype=np.int64)
    has_point = np.zeros(shape, dtype=bool)
    x = np.concatenate([line[0] for line in lines]) if lines else np.empty(0)
    if x.size == 0 or columns == 0 or rows == 0:
        return Spans(low, high, start, has_point)
    px = x * (columns - 1)
    # Far outside is as good as just outside, and does not overflow.
    py = (1.0 - np.concatenate([line[1] for line in lines])).clip(-4.0, 5.0) * (rows - 1)
    sizes = [line[0].size for line in lines]
    begins = np.cumsum([0, *sizes[:-1]])

    at = _interpolate(px, py, np.arange(columns + 1, dtype=np.float64) - 0.5, sizes, begins)
    edge_valid = np.isfinite(at)
    edge_rows = _round(np.where(edge_valid, at, 0.0))
    left, right = edge_rows[:, :-1], edge_rows[:, 1:]
    has_left, has_right = edge_valid[:, :-1], edge_valid[:, 1:]

    keep = np.isfinite(py) & (px >= -0.5) & (px < columns - 0.5)
    # Counted on from line to line, so that the points of a column stand together.
    column = (_round(px[keep]).clip(0, columns - 1)) + np.repeat(np.arange(len(lines)) * columns, sizes)[keep]
    row = _round(py[keep])
    last_row = left.copy()
    if column.size:
        begun = np.empty(column.size, dtype=bool)
        begun[0] = True
        np.not_equal(column[1:], column[:-1], out=begun[1:])
        firsts = begun.nonzero()[0]
        occupied = column[firsts]
        has_point.reshape(-1)[occupied] = True
        low.reshape(-1)[occupied] = np.minimum.reduceat(row, firsts)
        high.reshape(-1)[occupied] = np.maximum.reduceat(row, firsts)
        start.reshape(-1)[occupied] = row[firsts]
        last_row.reshape(-1)[occupied] = row[np.append(firsts[1:], column.size) - 1]

    np.minimum(low, left, out=low, where=has_left)
    np.maximum(high, left, out=high, where=has_left)
    np.copyto(start, left, where=has_left)
    # The next column draws the shared edge; ending one short of it keeps steep lines one dot thin.
    touched = has_left | has_point
    end = right.copy()
    np.subtract(right, np.sign(right - last_row), out=end, where=touched)
    np.minimum(low, end, out=low, where=has_right)
    np.maximum(high, end, out=high, where=has_right)
    start = np.where(touched, start, end)
    return Spans(low, high, start, has_point & ~has_left & ~has_right)


def dots(stretch: Spans, rows: int, dashes: Sequence[Dash]) -> Mask:
    """The dots of reduced polylines.

    Args:
        stretch: What they cover.
        rows: Dot rows.
        dashes: Pattern of each, counted along the line.

    Returns:
        Dots, shape (lines, rows, columns).
    """
    grid = np.arange(rows)[:, None]
    low, high = stretch.low[:, None, :], stretch.high[:, None, :]
    mask: Mask = (grid >= low) & (grid <= high)
    broken = [line for line, dash in enumerate(dashes) if dash != "solid"]
    if not broken:
        return mask
    length = np.where(stretch.low <= stretch.high, stretch.high - stretch.low + 1, 1)
    before = length.cumsum(axis=1) - length
    for line in broken:
        pattern = _PATTERNS[dashes[line]]
        phase = (before[line] + np.abs(grid - stretch.start[line])) % pattern.size
        mask[line] &= pattern[phase]
    return mask


def braille(mask: Mask) -> NDArray[np.uint32]:
    """Braille code points of dots, shape (4·rows, 2·columns) to (rows, columns); a space where no dot is set."""
    bits = np.zeros((mask.shape[0] // 4, mask.shape[1] // 2), dtype=np.uint8)
    for down, pair in enumerate(_BITS):
        for across, bit in enumerate(pair):
            bits |= mask[down::4, across::2] * np.uint8(bit)
    return np.where(bits == 0, np.uint32(32), bits + np.uint32(_BRAILLE))


def cells_of(mask: Mask) -> Mask:
    """Whether a braille cell has a dot, shape (…, rows, columns), of dots of shape (…, 4·rows, 2·columns)."""
    across = mask[..., ::2] | mask[..., 1::2]
    touched: Mask = across[..., ::4, :] | across[..., 1::4, :] | across[..., 2::4, :] | across[..., 3::4, :]
    return touched


@lru_cache
def dash_sample(dash: Dash, cells: int) -> str:
    """A dash pattern as so many braille characters, for a legend."""
    pattern = _PATTERNS[dash]
    mask = np.zeros((4, 2 * cells), dtype=bool)
    mask[1] = pattern[np.arange(2 * cells) % pattern.size]
    return "".join(chr(code) for code in braille(mask)[0])


def _interpolate(x: Array, y: Array, at: Array, sizes: Sequence[int], begins: NDArray[np.int64]) -> Array:
    """Values of polylines that lie one after the other in x and y, NaN outside each and in its gaps."""
    parts = [
        x[begin : begin + size].searchsorted(at, side="right") - 1 for begin, size in zip(begins, sizes, strict=True)
    ]
    index = np.stack(parts)
    lasts = np.array(sizes)[:, None] - 1
    inside = (index >= 0) & (index < lasts)
    # Within the line, or in the next one where it does not matter; a line without points has no place of its own.
    index = np.minimum(index.clip(0, np.maximum(lasts - 1, 0)) + begins[:, None], x.size - 1)
    following = np.minimum(index + 1, x.size - 1)
    with np.errstate(all="ignore"):
        start, low = x[index], y[index]
        part = (at - start) / (x[following] - start)
        values = low + part * (y[following] - low)
    return np.where(inside, values, np.nan)


def _round(values: Array) -> NDArray[np.int64]:
    return np.floor(values + 0.5).astype(np.int64)
