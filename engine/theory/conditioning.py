"""Log-conditioning of a Gram matrix and the resolution of its smallest eigenvalue (Fig. 1a, 1b, 2c, 2d, 5, 8).

The paper draws natural logarithms of κ(F) = √κ(G) in places and of κ(G) in others (its Eq. 52 calls κ(F)
"κ(G)"). Here κ always means κ(G), in decimal logarithms; the others are display options.
"""

from __future__ import annotations

import math

import numpy as np

from engine.theory.number import EPSILON, FloatOrArray, Numbers, defined


def resolution(lambda_max: FloatOrArray, n: int) -> FloatOrArray:
    """ρ = max(n, 16)·eps·λ_max, the smallest eigenvalue of a symmetric n×n matrix that float64 tells from zero."""
    return defined(lambda_max, max(n, 16) * EPSILON * np.asarray(lambda_max))


def at_least_zero(eigenvalue: float) -> float:
    """An eigenvalue of a positive semi-definite matrix: what rounding has put below 0 is 0, and NaN stays NaN."""
    return 0.0 if eigenvalue < 0.0 else eigenvalue


def log10_condition(lambda_min: FloatOrArray, lambda_max: Numbers, n: int) -> FloatOrArray:
    """log₁₀(λ_max/max(λ_min, ρ)) for an n×n matrix; NaN if it has no positive eigenvalue."""
    # At or below ρ it is a lower bound, see engine.catalogue.certainty; λ_min may be 0 or, by rounding, negative.
    low, high = np.asarray(lambda_min, dtype=np.float64), np.asarray(lambda_max, dtype=np.float64)
    with np.errstate(all="ignore"):
        value = np.log10(high / np.maximum(low, resolution(high, n)))
    return defined(lambda_min, value, high > 0.0)


def gaussian_condition(width: int, n: int) -> float:
    """κ(F) = (√w + √n)/(√w − √n), the random-matrix line of Fig. 5; infinite when n ≥ w."""
    # Features as if they were independent standard normal (B.2): singular values of a Gaussian n×w matrix lie in
    # √w ± √n. Eq. 52 calls κ(F) "κ(G)", which is its square, and takes σ_max ~ √(wn) where it is √w + √n.
    low, high = math.sqrt(width) - math.sqrt(n), math.sqrt(width) + math.sqrt(n)
    return high / low if low > 0.0 else math.inf
