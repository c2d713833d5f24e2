"""The certainty of a stored number: whether it is resolved, and the interval in which its quantity lies.

Some metrics have a residual or a resolution stored beside them. A value is *resolved* where that is smaller than the
value itself. Otherwise the value is no estimate any more but one end of what is certain: λ_min is at most the larger of
the two, λ_max at least its Ritz value, and a condition number at least what those give. One rule for panels, key
numbers, exports, summaries and breakpoints.

A residual says that an eigenvalue lies within it, not that this is the extreme one: of a resolved estimate the end on
the side of the residual is as certain as that.

Arguments everywhere: ``name``, any metric; ``values``, metrics by name, numbers or arrays of one shape, where what is
absent or NaN says nothing; ``examples``, n, for resolutions that are not stored. Results have the shape of the values.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.catalogue import CATALOGUE
from engine.catalogue.metric import Uncertainty
from engine.theory.conditioning import resolution
from engine.theory.number import Array

Truth = NDArray[np.bool_]
Values = Mapping[str, ArrayLike]

UNCERTAIN: dict[str, Uncertainty] = {
    entry.name: entry.uncertainty for entry in CATALOGUE.values() if entry.uncertainty is not None
}
"""The metrics that may not be resolved."""


def resolved(name: str, values: Values, examples: int) -> Truth:
    """Whether a metric is resolved; false where its value is not known."""
    value = _value(name, values)
    known = ~np.isnan(value)
    if name not in UNCERTAIN:
        return np.asarray(known)
    for end in UNCERTAIN[name].ends:
        known = known & (resolved(end, values, examples) | np.isnan(_value(end, values)))
    if UNCERTAIN[name].ends:
        return np.asarray(known)
    # Eigenvalues of positive semidefinite matrices are below 0 by rounding only.
    size = value if UNCERTAIN[name].sign == "≤" else np.abs(value)
    with np.errstate(invalid="ignore"):
        return np.asarray(known & (size > error_of(name, values, examples)))


def certain(name: str, values: Values, examples: int) -> Array:
    """The number that is certain of a metric: its value where it is resolved, else what its sign stands before."""
    value = _value(name, values)
    if name in UNCERTAIN and UNCERTAIN[name].sign == "≤":
        return np.asarray(np.maximum(value, np.where(np.isnan(value), value, error_of(name, values, examples))))
    return value


def interval(name: str, values: Values, examples: int) -> tuple[Array, Array]:
    """The ends of a metric's interval: both the value where nothing is uncertain, ∞ above an unbounded condition."""
    value = _value(name, values)
    if name not in UNCERTAIN:
        return value, value
    uncertainty = UNCERTAIN[name]
    if uncertainty.ends:
        low, high = (interval(end, values, examples) for end in uncertainty.ends)
        with np.errstate(all="ignore"):
            top = np.log10(high[1] / low[0])
        return value, np.asarray(np.where(np.isnan(top), value, np.maximum(top, value)))
    error = error_of(name, values, examples)
    if uncertainty.sign == "±":
        return value - error, value + error
    if uncertainty.sign == "≥":
        return value, value + error
    lower = np.fmin(value, _value(uncertainty.lower, values)) if uncertainty.lower else value
    return np.maximum(lower - error, 0.0), certain(name, values, examples)


def error_of(name: str, values: Values, examples: int) -> Array:
    """The residual or resolution of an uncertain metric, 0 where none is known."""
    uncertainty = UNCERTAIN[name]
    error = _value(uncertainty.error, values)
    if uncertainty.rounding:
        error = np.asarray(resolution(error, examples))
    return np.where(np.isnan(error), 0.0, error)


def _value(name: str, values: Values) -> Array:
    return np.asarray(values.get(name, np.nan), dtype=np.float64)
