"""Numbers with the intervals in which they lie, and arithmetic on both (interval arithmetic).

Reference: Moore, Kearfott and Cloud, Introduction to Interval Analysis (2009). Ends are not rounded outwards: what is
compared is uncertain by far more than the rounding of a sum. NaN ends say that nothing is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.theory.number import Array


@dataclass(frozen=True, slots=True)
class Enclosure:
    """Numbers with the lower and upper ends of their intervals: arrays of one shape, or of shapes that broadcast."""

    value: Array
    low: Array
    high: Array

    def __add__(self, other: Enclosure) -> Enclosure:
        return Enclosure(self.value + other.value, self.low + other.low, self.high + other.high)

    def __sub__(self, other: Enclosure) -> Enclosure:
        return Enclosure(self.value - other.value, self.low - other.high, self.high - other.low)

    def __mul__(self, other: Enclosure) -> Enclosure:
        """The products; 0·∞ is 0, because ∞ stands for arbitrarily large numbers."""
        ends = [_product(a, b) for a in (self.low, self.high) for b in (other.low, other.high)]
        low, high = np.minimum.reduce(np.broadcast_arrays(*ends)), np.maximum.reduce(np.broadcast_arrays(*ends))
        return Enclosure(np.asarray(self.value * other.value), low, high)

    def __truediv__(self, other: Enclosure) -> Enclosure:
        """The quotients; whatever is between −∞ and ∞ where the divisor may be 0 on both sides."""
        # An end at 0 leaves the other side: [0, b] gives [1/b, ∞) and [a, 0] gives (−∞, 1/a].
        unbounded = (other.low < 0.0) & (other.high >= 0.0), (other.low <= 0.0) & (other.high > 0.0)
        low = np.where(unbounded[0], -np.inf, 1.0 / other.high)
        high = np.where(unbounded[1], np.inf, 1.0 / other.low)
        quotient = self * Enclosure(other.value, low, high)
        # Divided and not multiplied by a reciprocal, so that exact numbers are what they would be without intervals.
        value = np.asarray(self.value / other.value)
        exact = (self.low == self.high) & (other.low == other.high)
        return Enclosure(value, np.where(exact, value, quotient.low), np.where(exact, value, quotient.high))

    def at(self, layer: int) -> Enclosure:
        """One of the numbers, of shape ()."""
        return Enclosure(*(np.asarray(array[layer]) for array in (self.value, self.low, self.high)))


def exactly(value: float) -> Enclosure:
    """A number without uncertainty, of shape ()."""
    number = np.asarray(value, dtype=np.float64)
    return Enclosure(number, number, number)


def _product(a: Array, b: Array) -> Array:
    product = np.asarray(a * b)
    return np.where(np.isnan(product) & ~np.isnan(a) & ~np.isnan(b), 0.0, product)
