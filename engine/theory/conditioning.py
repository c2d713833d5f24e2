"""Log-conditioning of a Gram matrix and the resolution of its smallest eigenvalue (Fig. 1a, 1b, 2c, 2d, 8).

The paper draws natural logarithms of κ(F) = √κ(G) in places and of κ(G) in others (its Eq. 52 calls κ(F)
"κ(G)"). Here κ always means κ(G), in decimal logarithms; the others are display options.
"""

from __future__ import annotations

import numpy as np

from engine.theory.number import FloatOrArray, defined

EPSILON = float(np.finfo(np.float64).eps)


def resolution(lambda_max: FloatOrArray, n: int) -> FloatOrArray:
    """ρ = max(n, 16)·eps·λ_max: what float64 can tell from zero in a symmetric n×n matrix.

    Args:
        lambda_max: Largest eigenvalue.
        n: Order of the matrix.

    Returns:
        ρ, in the units of the eigenvalue.
    """
    return defined(lambda_max, max(n, 16) * EPSILON * np.asarray(lambda_max))


def at_least_zero(eigenvalue: float) -> float:
    """An eigenvalue of a positive semi-definite matrix: what rounding has put below 0 is 0.

    Args:
        eigenvalue: As it was computed.

    Returns:
        The same or 0; NaN stays NaN.
    """
    return 0.0 if eigenvalue < 0.0 else eigenvalue


def log10_condition(
    lambda_min: FloatOrArray, lambda_max: FloatOrArray | float, n: int, residual: float = 0.0
) -> FloatOrArray:
    """log₁₀(λ_max/max(λ_min, ρ)); a lower bound where λ_min is not resolved, see :mod:`engine.catalogue.certainty`.

    Args:
        lambda_min: Smallest eigenvalue, raw: it may be 0 or, by rounding, negative.
        lambda_max: Largest eigenvalue.
        n: Order of the matrix.
        residual: Of an estimated λ_min: a resolution that may be coarser than ρ.

    Returns:
        The logarithm; NaN for a matrix without a positive eigenvalue.
    """
    low, high = np.asarray(lambda_min, dtype=np.float64), np.asarray(lambda_max, dtype=np.float64)
    with np.errstate(all="ignore"):
        value = np.log10(high / np.maximum(low, np.maximum(resolution(high, n), residual)))
    return defined(lambda_min, value, high > 0.0)
