"""The local Polyak-Łojasiewicz constant (Definition 1, Eq. 46, 47)."""

from __future__ import annotations

import math


def pl_constant(loss: float, grad_norm: float, f_star: float = 0.0) -> float:
    """μ(θ) = ‖∇f‖²/(2(f − f*)), Eq. 46; NaN where f ≤ f*, which has no loss left to compare the gradient with."""
    return grad_norm**2 / (2.0 * (loss - f_star)) if loss > f_star else math.nan


def pl_samplewise(loss: float, mean_squared_norm: float, f_star: float = 0.0) -> float:
    """E‖∇ℓ_i‖²/(2(E ℓ_i − f*)), Eq. 47: by Jensen never smaller than Eq. 46, with which the paper equates it."""
    return mean_squared_norm / (2.0 * (loss - f_star)) if loss > f_star else math.nan
