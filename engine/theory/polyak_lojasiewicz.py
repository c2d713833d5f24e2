"""The local Polyak-Łojasiewicz constant (Definition 1, Eq. 46, 47), of numbers or arrays; NaN where f ≤ f*."""

from __future__ import annotations

import numpy as np

from engine.theory.number import FloatOrArray, defined


def pl_constant(loss: FloatOrArray, grad_norm: FloatOrArray, f_star: float = 0.0) -> FloatOrArray:
    """μ(θ) = ‖∇f‖²/(2(f − f*)), Eq. 46."""
    with np.errstate(over="ignore"):
        squared: FloatOrArray = np.square(grad_norm)
    return pl_samplewise(loss, squared, f_star)


def pl_samplewise(loss: FloatOrArray, mean_squared_norm: FloatOrArray, f_star: float = 0.0) -> FloatOrArray:
    """E‖∇ℓ_i‖²/(2(E ℓ_i − f*)), Eq. 47: by Jensen never smaller than Eq. 46, with which the paper equates it."""
    gap = np.subtract(loss, f_star)
    with np.errstate(all="ignore"):
        return defined(loss, np.divide(mean_squared_norm, 2.0 * gap), gap > 0.0)
