"""The certainty of a stored number: the interval in which its quantity lies, and whether that is narrow.

Where the ends ``NAME_low`` and ``NAME_high`` are stored they are the interval. An end that is not stored follows from
what the value is by itself: λ_min is at most its Rayleigh quotient and at least 0, λ_max at least its own, and what
was computed densely is known up to its resolution. Sessions of earlier versions, which have no ends, are read so; a
residual says that *an* eigenvalue is near, not that it is the extreme one, so it bounds nothing on the far side.

A value is *resolved* where its interval is narrow: the value may then be shown as it is. Otherwise only the end that
its sign names is shown, or both. One rule for panels, key numbers, exports, summaries and breakpoints.

Arguments everywhere: ``name``, any metric; ``values``, metrics by name, numbers or arrays of one shape, where what is
absent or NaN says nothing; ``examples``, n, for resolutions that are not stored. Results have the shape of the values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.catalogue import CATALOGUE
from engine.catalogue.metric import Uncertainty
from engine.theory.conditioning import resolution
from engine.theory.number import Array, FloatOrArray

Truth = NDArray[np.bool_]
Values = Mapping[str, ArrayLike]
Interval = tuple[Array, Array]

UNCERTAIN: dict[str, Uncertainty] = {
    entry.name: entry.uncertainty for entry in CATALOGUE.values() if entry.uncertainty is not None
}
"""The metrics that may not be resolved."""

_WITH_ENDS: dict[str, list[str]] = {
    entry.end_of: [end.name for end in CATALOGUE.values() if end.end_of == entry.end_of]
    for entry in CATALOGUE.values()
    if entry.end_of
}

NARROW = 0.01
"""Width of a narrow interval, relative to its larger end; of a decimal logarithm to that or to 1."""


def interval(name: str, values: Values, examples: int) -> Interval:
    """The ends of a metric's interval, ±∞ where one is not known; both the value where nothing is uncertain."""
    value = _value(name, values)
    if name not in UNCERTAIN:
        return value, value
    with np.errstate(all="ignore"):
        low, high = _without_ends(name, value, values, examples)
        stored_low, stored_high = (_value(f"{name}_{side}", values) for side in ("low", "high"))
        # A low end of λ_min alone is an earlier version's, without the rounding of a dense spectrum.
        alone = np.isnan(stored_high) & (UNCERTAIN[name].sign == "≤")
        stored_low = np.where(alone, np.maximum(stored_low - _error(name, values, examples), 0.0), stored_low)
    known = ~np.isnan(value)
    ends = ((low, stored_low), (high, stored_high))
    low, high = (np.where(known, np.where(np.isnan(stored), own, stored), np.nan) for own, stored in ends)
    return low, high


def with_ends(values: Mapping[str, FloatOrArray], examples: int) -> dict[str, FloatOrArray]:
    """A row's metrics with the ends of all intervals: what is not stored follows from what each value is by itself."""
    complete = dict(values)
    for name, ends in _WITH_ENDS.items():
        if name in values and any(np.isnan(_value(end, values)).all() for end in ends):
            found: Any = interval(name, values, examples)
            complete[f"{name}_low"], complete[f"{name}_high"] = found
    return complete


def resolved(name: str, values: Values, examples: int) -> Truth:
    """Whether a metric's interval is narrow; false where its value is not known."""
    low, high = interval(name, values, examples)
    with np.errstate(invalid="ignore"):
        if name in UNCERTAIN and UNCERTAIN[name].sign == "±":  # its sign is what matters
            return np.asarray(low * high > 0.0)
        width = np.where(low == high, 0.0, high - low)
        scale = np.maximum(np.maximum(np.abs(low), np.abs(high)), 1.0 if _is_logarithm(name) else 0.0)
        return np.asarray(width <= NARROW * scale) & np.isfinite(width)


def informative(name: str, values: Values, examples: int) -> Truth:
    """Whether both ends say something of a metric: it is resolved, or they are positive and less than tenfold apart."""
    low, high = interval(name, values, examples)
    with np.errstate(all="ignore"):
        close = high - low < 1.0 if _is_logarithm(name) else (low > 0.0) & (high < 10.0 * low)
    return np.asarray(close | resolved(name, values, examples))


def certain(name: str, values: Values, examples: int) -> Array:
    """The number that is certain of a metric: its value where it is resolved, else the end that its sign names."""
    value = _value(name, values)
    if name not in UNCERTAIN or UNCERTAIN[name].sign == "±":
        return value
    low, high = interval(name, values, examples)
    return np.where(resolved(name, values, examples), value, high if UNCERTAIN[name].sign == "≤" else low)


def _without_ends(name: str, value: Array, values: Values, examples: int) -> Interval:
    """The interval of a value whose ends are not stored."""
    uncertainty = UNCERTAIN[name]
    if uncertainty.quotient:
        smallest, largest = (interval(end, values, examples) for end in uncertainty.quotient)
        low, high = np.log10(largest[0] / smallest[1]), np.log10(largest[1] / smallest[0])
        # What has nothing but the quotient says nothing against it.
        return np.fmin(low, value), np.fmax(high, value)
    error, residual = _error(name, values, examples), np.nan_to_num(_value(uncertainty.residual, values))
    if uncertainty.sign == "±":
        return value - error, value + error
    dense = np.asarray(bool(uncertainty.error) & (residual <= 0.0))
    if uncertainty.sign == "≥":
        bound = _value(uncertainty.bound, values)
        return value - error, np.where(dense, value, np.where(np.isnan(bound), np.inf, bound)) + error
    # Eigenvalues of positive semidefinite matrices are below 0 by rounding only.
    return np.where(dense, np.maximum(value - error, 0.0), 0.0), np.maximum(value, np.maximum(error, residual))


def _error(name: str, values: Values, examples: int) -> Array:
    """The resolution of a metric by rounding, 0 where none is known."""
    uncertainty = UNCERTAIN[name]
    error = _value(uncertainty.error, values)
    if uncertainty.rounding:
        error = np.asarray(resolution(error, examples))
    return np.where(np.isnan(error), 0.0, error)


def _is_logarithm(name: str) -> bool:
    return name in UNCERTAIN and bool(UNCERTAIN[name].quotient)


def _value(name: str, values: Values) -> Array:
    return np.asarray(values.get(name, np.nan), dtype=np.float64)
