"""Axes: bounds that no non-finite value can poison, projection to [0, 1], and ticks that never overlap."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.catalogue.numerals import short, significant
from wnt_tui.theme.glyphs import Glyphs

Array = NDArray[np.float64]

# Spans narrower than this part of the values are rounding, not signal: the axis does not zoom into them.
_RELATIVE_FLOOR = 1e-6
_LARGEST = float(np.finfo(np.float64).max)
_SMALLEST = 1e-300

# Decades between the ticks of a logarithmic axis.
_STRIDES = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500)


class Tick(NamedTuple):
    """A labelled place on an axis: the fraction of the axis, in [0, 1], and the text."""

    fraction: float
    label: str


@dataclass(frozen=True, slots=True)
class Axis:
    """A stretch of numbers, linear or logarithmic.

    Attributes:
        low: Lower end, finite; positive on a logarithmic axis.
        high: Upper end, finite and above ``low``.
        log: Whether it is logarithmic.
    """

    low: float
    high: float
    log: bool = False

    def project(self, values: Array) -> Array:
        """Fractions of the axis at which values lie: 0 at the lower end, 1 at the upper, beyond outside.

        Args:
            values: Any numbers, any shape.

        Returns:
            The same shape; NaN where a value is not finite or has no logarithm.
        """
        known = np.isfinite(values)
        if self.log:
            known &= values > 0
            low, high = math.log10(self.low), math.log10(self.high)
            return np.where(known, (np.log10(np.where(known, values, 1.0)) - low) / (high - low), np.nan)
        # Scaled first, so that high − low cannot overflow.
        scale = max(abs(self.low), abs(self.high))
        low, high = self.low / scale, self.high / scale
        with np.errstate(all="ignore"):
            return np.where(known, (values / scale - low) / (high - low), np.nan)

    def place(self, value: float) -> float:
        """The fraction at which one value lies, as :meth:`project` gives it for many; quicker."""
        if not math.isfinite(value) or (self.log and value <= 0):
            return math.nan
        if self.log:
            low, high = math.log10(self.low), math.log10(self.high)
            return (math.log10(value) - low) / (high - low)
        scale = max(abs(self.low), abs(self.high))
        low, high = self.low / scale, self.high / scale
        return (value / scale - low) / (high - low)

    def at(self, fraction: float) -> float:
        """The value at a fraction of the axis."""
        if self.log:
            low, high = math.log10(self.low), math.log10(self.high)
            return float(10.0 ** (low + fraction * (high - low)))
        return float(self.low * (1 - fraction) + self.high * fraction)

    def ticks(self, count: int, glyphs: Glyphs, *, integers: bool = False) -> list[Tick]:
        """About ``count`` ticks at round numbers, ascending, inside the axis: at least one, at most ``count + 1``."""
        count = max(count, 1)
        pairs = self._log_ticks(count, glyphs) if self.log else self._linear_ticks(count, integers)
        ticks = [Tick(self.place(value), glyphs.text(label)) for value, label in pairs]
        ticks = [tick for tick in ticks if -1e-9 <= tick.fraction <= 1 + 1e-9]
        return ticks or [Tick(0.5, glyphs.text(significant(self.at(0.5), 3)))]

    def _linear_ticks(self, count: int, integers: bool) -> list[tuple[float, str]]:
        scale = max(abs(self.low), abs(self.high))
        if scale < _SMALLEST:
            return [(value, significant(value, 2)) for value in (self.low, self.high)]
        # In units of the largest power of ten, so that no step overflows or vanishes.
        exponent = math.floor(math.log10(scale))
        unit = 10.0**exponent
        low, high = self.low / unit, self.high / unit
        step = _nice_step((high - low) / count)
        if integers:
            step = max(step, 1.0 / unit)
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        values = [index * step for index in range(first, min(last, first + count) + 1)]
        labels = _labels(values, step, exponent, integers)
        return [(value * unit, label) for value, label in zip(values, labels, strict=True)]

    def _log_ticks(self, count: int, glyphs: Glyphs) -> list[tuple[float, str]]:
        low, high = math.log10(self.low), math.log10(self.high)
        first, last = math.ceil(low - 1e-9), math.floor(high + 1e-9)
        if last - first >= 2 or (last - first == 1 and count <= 2):
            raw = (last - first) / count
            stride = next((stride for stride in _STRIDES if stride >= raw), _STRIDES[-1])
            exponents = range(math.ceil(first / stride) * stride, last + 1, stride)
            return [(10.0**e, glyphs.power_of_ten(e)) for e in exponents if e > -324]
        for factors in ((1, 2, 5), (1, 3), (1,), (3,)):
            fine = [m * 10.0**e for e in range(first - 1, last + 1) if -308 < e < 308 for m in factors]
            fine = [value for value in fine if self.low <= value <= self.high]
            if 2 <= len(fine) <= count + 1:
                return [(value, short(value, 1)) for value in fine]
        return Axis(self.low, self.high)._linear_ticks(min(count, 4), False)


def fit_axis(values: Iterable[Array], *, log: bool, margin: float = 0.04) -> Axis | None:
    """The axis that shows all finite values, of a logarithmic one all positive ones, with a margin; None for none."""
    low, high = math.inf, -math.inf
    for array in values:
        kept = array[np.isfinite(array) & (array > 0)] if log else array[np.isfinite(array)]
        if kept.size:
            low, high = min(low, float(kept.min())), max(high, float(kept.max()))
    return widened(low, high, log=log, margin=margin) if low <= high else None


def widened(low: float, high: float, *, log: bool, margin: float = 0.04) -> Axis:
    """An axis from ``low`` to ``high``, finite and positive if ``log``, with a margin, also where both are equal."""
    if log:
        lower, upper = math.log10(low), math.log10(high)
        # A tenth of a decade at least: below that a log axis only magnifies noise.
        pad = max(margin * (upper - lower), (0.1 - (upper - lower)) / 2, 0.01)
        low, high = 10.0 ** max(lower - pad, -323.3), 10.0 ** min(upper + pad, 308.25)
        return Axis(low, high, True) if low < high else Axis(low / 10 or low, max(high, low) * 10, True)
    size = max(abs(low), abs(high))
    if size == 0:
        return Axis(-1.0, 1.0)
    span = high / size - low / size
    pad = size * max(margin * span, 0.05 if span < _RELATIVE_FLOOR else 0.0)
    low, high = low - pad, high + pad
    if not low < high:
        return Axis(-_SMALLEST, _SMALLEST)
    return Axis(max(low, -_LARGEST), min(high, _LARGEST))


def place_rows(axis: Axis, rows: int, glyphs: Glyphs) -> list[tuple[int, str]]:
    """Ticks of a vertical axis: row from the top and label, no two in neighbouring rows."""
    placed: list[tuple[int, str]] = []
    for tick in axis.ticks(min(max((rows - 1) // 2, 1), 6), glyphs):
        row = cell_of(1 - tick.fraction, rows, glyphs.dots_down)
        if all(abs(row - other) >= 2 for other, _ in placed):
            placed.append((row, tick.label))
    return placed


def place_columns(axis: Axis, columns: int, glyphs: Glyphs, taken: range | None = None) -> list[tuple[int, int, str]]:
    """Ticks of a horizontal axis of whole numbers, ascending; labels lie inside and at least one cell apart.

    Args:
        axis: The axis.
        columns: Columns it spans, at least 1.
        glyphs: How numbers are written.
        taken: Columns already in use by another label.

    Returns:
        Column of each tick, first column of its label, and the label.
    """
    placed: list[tuple[int, int, str]] = []
    end = -1
    for tick in axis.ticks(max(columns // 8, 1), glyphs, integers=True):
        column = cell_of(tick.fraction, columns, glyphs.dots_across)
        start = min(max(column - len(tick.label) // 2, 0), columns - len(tick.label))
        stop = start + len(tick.label)
        clear = taken is None or stop < taken.start or start > taken.stop
        if start > end and start >= 0 and clear:
            placed.append((column, start, tick.label))
            end = stop
    return placed


def cell_of(fraction: float, cells: int, dots: int) -> int:
    """The cell, 0 … cells − 1, in which a fraction of an axis falls, as the rasteriser rounds it to dots."""
    clipped = min(max(fraction, 0.0), 1.0)
    return min(int(clipped * (cells * dots - 1) + 0.5) // dots, cells - 1)


def _nice_step(raw: float) -> float:
    """The smallest of 1, 2, 5 × 10^k at or above a positive number."""
    base = 10.0 ** math.floor(math.log10(max(raw, _SMALLEST)))
    return next(factor * base for factor in (1.0, 2.0, 5.0, 10.0, 20.0) if factor * base >= raw * (1 - 1e-9))


def _labels(values: list[float], step: float, exponent: int, integers: bool) -> list[str]:
    """Labels of equally spaced values × 10^exponent, all with the same decimals or exponent."""
    if integers:
        labels = [_whole(value * 10.0**exponent, step * 10.0**exponent) for value in values]
    else:
        digits = -math.floor(math.log10(step) + 1e-9)
        if exponent >= 5 or exponent < -3:
            labels = ["0" if value == 0 else f"{value:.{max(digits, 0)}f}e{exponent}" for value in values]
        else:
            labels = [f"{value * 10.0**exponent + 0.0:.{max(digits - exponent, 0)}f}" for value in values]
    return [f"−{label[1:]}" if label.startswith("-") else label for label in labels]


def _whole(value: float, step: float) -> str:
    unit, suffix = (1e6, "M") if step >= 1e6 else (1e3, "k") if step >= 1e3 else (1.0, "")
    return f"{value / unit:.0f}{suffix}" if value else "0"
