"""What is certain of a stored number: whether it is resolved, and the interval in which its quantity lies.

Some metrics have a residual or a resolution stored beside them. A value is *resolved* where that is smaller than the
value itself. Otherwise the value is no estimate any more but one end of what is certain: λ_min is at most the larger of
the two, λ_max at least its Ritz value, and a condition number at least what those give. One rule for panels, key
numbers, exports, summaries and breakpoints.

A residual says that an eigenvalue lies within it, not that this is the extreme one: of a resolved estimate the end on
the side of the residual is as certain as that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.theory.conditioning import resolution

Array = NDArray[np.float64]
Truth = NDArray[np.bool_]
Values = Mapping[str, ArrayLike]

Sign = Literal["≤", "≥", "±"]
"""What is certain of a value that is not resolved: an upper end, a lower end, or both at the distance of its error."""


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """What leaves a metric uncertain.

    Attributes:
        sign: What is certain of it where it is not resolved.
        error: The metric that holds its residual or resolution; for a rounding the metric it is relative to.
        rounding: Whether the error is max(n, 16)·eps times ``error`` and not ``error`` itself.
        lower: A metric that is never above the quantity, if there is one.
    """

    sign: Sign
    error: str
    rounding: bool = False
    lower: str = ""

    @property
    def resolution(self) -> str:
        """What a value must exceed to be resolved, in names of the catalogue."""
        return f"max(n, 16)·eps·{self.error}" if self.rounding else self.error


UNCERTAINTIES: dict[str, Uncertainty] = {
    "lambda_min": Uncertainty("≤", "lambda_resolution", lower="lambda_min_lower"),
    "lambda_max": Uncertainty("≥", "lambda_max_residual"),
    "infinite_lambda_min": Uncertainty("≤", "infinite_lambda_max", rounding=True),
    "infinite_ntk_lambda_min": Uncertainty("≤", "infinite_ntk_lambda_max", rounding=True),
    "ntk_lambda_min": Uncertainty("≤", "ntk_residual"),
    "ntk_lambda_max": Uncertainty("≥", "ntk_lambda_max_residual"),
    "pntk_lambda_min": Uncertainty("≤", "pntk_lambda_max", rounding=True),
    "smoothness_hessian": Uncertainty("≥", "smoothness_hessian_residual"),
    "smoothness_step": Uncertainty("±", "smoothness_step_resolution"),
}
"""The metrics that have a residual or a resolution."""

CONDITION_NUMBERS: dict[str, tuple[str, str]] = {
    "log10_cond": ("lambda_min", "lambda_max"),
    "ntk_log10_cond": ("ntk_lambda_min", "ntk_lambda_max"),
}
"""Logarithms of quotients: resolved where both ends of the spectrum are, else at least their value."""

UNCERTAIN: tuple[str, ...] = (*UNCERTAINTIES, *CONDITION_NUMBERS)
"""All metrics that may not be resolved."""


def sign_of(name: str) -> Sign:
    """What is certain of a metric where it is not resolved.

    Args:
        name: One of :data:`UNCERTAIN`.

    Returns:
        The sign before what :func:`certain` gives.
    """
    return "≥" if name in CONDITION_NUMBERS else UNCERTAINTIES[name].sign


def resolution_of(name: str) -> str:
    """What decides whether a metric is resolved, in words.

    Args:
        name: One of :data:`UNCERTAIN`.

    Returns:
        The metric or formula that it must exceed; for a condition number the eigenvalues that must be resolved.
    """
    return ", ".join(CONDITION_NUMBERS[name]) if name in CONDITION_NUMBERS else UNCERTAINTIES[name].resolution


def resolved(name: str, values: Values, examples: int = 1) -> Truth:
    """Whether a metric is resolved.

    Args:
        name: Any metric.
        values: Metrics by name, numbers or arrays of one shape; what is absent or NaN says nothing against it.
        examples: n, for resolutions that are not stored.

    Returns:
        The shape of the values: false where the residual or resolution is at or above the value, and where the value
        is not known.
    """
    value = _value(name, values)
    known = ~np.isnan(value)
    if name in CONDITION_NUMBERS:
        parts = [(_value(part, values), resolved(part, values, examples)) for part in CONDITION_NUMBERS[name]]
        for part, told in parts:
            known = known & (told | np.isnan(part))
        return np.asarray(known)
    if name not in UNCERTAINTIES:
        return np.asarray(known)
    # Eigenvalues of positive semidefinite matrices are below 0 by rounding only.
    size = value if UNCERTAINTIES[name].sign == "≤" else np.abs(value)
    with np.errstate(invalid="ignore"):
        return np.asarray(known & (size > error_of(name, values, examples)))


def certain(name: str, values: Values, examples: int = 1) -> Array:
    """The number that is certain of a metric: its value where it is resolved, else what :func:`sign_of` stands before.

    Args:
        name: Any metric.
        values: As for :func:`resolved`.
        examples: As for :func:`resolved`.

    Returns:
        The shape of the values, NaN where they are not known.
    """
    value = _value(name, values)
    if name in UNCERTAINTIES and UNCERTAINTIES[name].sign == "≤":
        return np.asarray(np.maximum(value, np.where(np.isnan(value), value, error_of(name, values, examples))))
    return value


def interval(name: str, values: Values, examples: int = 1) -> tuple[Array, Array]:
    """The interval in which a metric's quantity lies, as far as residuals and resolutions tell.

    Args:
        name: Any metric.
        values: As for :func:`resolved`.
        examples: As for :func:`resolved`.

    Returns:
        Its ends, each of the shape of the values and NaN where they are not known; ∞ where nothing bounds a condition
        number. Both are the value where nothing is uncertain.
    """
    value = _value(name, values)
    if name in CONDITION_NUMBERS:
        low, high = (interval(part, values, examples) for part in CONDITION_NUMBERS[name])
        with np.errstate(all="ignore"):
            top = np.log10(high[1] / low[0])
        return value, np.asarray(np.where(np.isnan(top), value, np.maximum(top, value)))
    if name not in UNCERTAINTIES:
        return value, value
    sign, error = UNCERTAINTIES[name].sign, error_of(name, values, examples)
    if sign == "±":
        return value - error, value + error
    if sign == "≥":
        return value, value + error
    lower = np.fmin(value, _value(UNCERTAINTIES[name].lower, values)) if UNCERTAINTIES[name].lower else value
    return np.maximum(lower - error, 0.0), certain(name, values, examples)


def _value(name: str, values: Values) -> Array:
    return np.asarray(values.get(name, np.nan), dtype=np.float64)


def error_of(name: str, values: Values, examples: int = 1) -> Array:
    """The residual or resolution of a metric.

    Args:
        name: One of :data:`UNCERTAINTIES`.
        values: As for :func:`resolved`.
        examples: As for :func:`resolved`.

    Returns:
        The error, 0 where none is known.
    """
    uncertainty = UNCERTAINTIES[name]
    error = _value(uncertainty.error, values)
    if uncertainty.rounding:
        error = np.asarray(resolution(error, examples))
    return np.where(np.isnan(error), 0.0, error)
