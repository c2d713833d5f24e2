"""Long series as few points that draw the same line: what a chart costs must not grow with the run.

A stretch of steps much narrower than a dot is replaced by its first, smallest, largest and last value (the "M4"
aggregation of Jugel et al., VLDB 2014): extremes survive, and a line enters and leaves every stretch where it did.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from engine.session.recent import Recent
from wnt_tui.session.snapshot import Snapshot

Array = NDArray[np.float64]
Value = TypeVar("Value")

STRETCHES_A_CELL = 8
"""Most stretches to a cell of the chart, which is two dots wide: a quarter of a dot each, or half a dot."""

# Of one source. The windows and steps that were looked at before are soon worth less than their memory.
_DERIVED_KEPT = 16

# Shorter stretches are soon made for the one window, and all of them would take as much memory as the series.
_SHORTEST_KEPT = 32

# By identity, for as long as the source lives: arrays cannot be keys.
_derived: dict[int, Recent[object]] = {}


def reduced(x: Array, y: Array, stretches: int) -> tuple[Array, Array]:
    """A series in at most ``stretches`` stretches: the first, smallest and largest finite, and last point of each."""
    stretches = max(stretches, 1)
    return (x, y) if x.size <= 4 * stretches else _stretched(x, y, -(-x.size // stretches))


def window(source: Array, x: Array, y: Array, low: float, high: float, stretches: int) -> tuple[Array, Array]:
    """The points in [low, high] of a series that is looked at through many windows, each at the cost of what it shows.

    Args:
        source: The column that the series is made from; see :func:`derived`.
        x: Abscissas of the whole series, ascending and finite, shape (points,).
        y: Ordinates, same shape.
        low: Beginning of the window.
        high: Its end, which belongs to it.
        stretches: The most stretches wanted, of which as few as half may come, and one more at either end.

    Returns:
        As :func:`reduced`; a stretch that the window's edge cuts is there whole.
    """
    stretches = max(stretches, 1)
    begin = int(np.searchsorted(x, low, side="left"))
    end = int(np.searchsorted(x, high, side="right"))
    if end - begin <= 4 * stretches:
        return x[begin:end], y[begin:end]
    # A power of two, so that there are few lengths to keep. Stretches begin at the same points whatever the window, so
    # that what one needed serves the next ones.
    length = 1 << (-(-(end - begin) // stretches) - 1).bit_length()
    first, last = begin // length, -(-end // length)
    if length < _SHORTEST_KEPT:
        part = slice(first * length, last * length)
        return _stretched(x[part], y[part], length)
    whole = derived(source, ("stretches", length), lambda: _stretched(x, y, length))
    part = slice(4 * first, 4 * last)
    return whole[0][part], whole[1][part]


def _stretched(x: Array, y: Array, length: int) -> tuple[Array, Array]:
    """Four points for every ``length`` points."""
    starts = np.arange(0, x.size, length)
    ends = np.append(starts[1:], x.size) - 1
    finite = np.isfinite(y)
    low = np.minimum.reduceat(np.where(finite, y, np.inf), starts)
    high = np.maximum.reduceat(np.where(finite, y, -np.inf), starts)
    nothing = low > high
    low[nothing] = high[nothing] = np.nan
    middle = (x[starts] + x[ends]) / 2
    # Rising stretches go through the smallest first, falling ones through the largest: no detour within a stretch.
    falls = y[starts] > y[ends]
    return (
        np.column_stack([x[starts], middle, middle, x[ends]]).ravel(),
        np.column_stack([y[starts], np.where(falls, high, low), np.where(falls, low, high), y[ends]]).ravel(),
    )


def derived(source: Snapshot | Array | NDArray[np.int64], key: Hashable, make: Callable[[], Value]) -> Value:
    """A value that follows from a snapshot or from one of its columns, made once and kept while it is in use.

    Args:
        source: What it follows from; it must not change.
        key: What it is.
        make: Makes it; not None, and without a reference to the source, which would then never be freed.

    Returns:
        What ``make`` gave, now or earlier.
    """
    place = id(source)
    if place not in _derived:
        _derived[place] = Recent(_DERIVED_KEPT)
        # What was derived goes with what it was derived from: the cursor moves over one snapshot many times.
        finalize(source, _derived.pop, place, None).atexit = False
    known = _derived[place].get(key)
    if known is None:
        known = make()
        _derived[place].put(key, known)
    return known  # type: ignore[return-value]  # what was kept under this key is what its maker made
