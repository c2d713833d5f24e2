"""Norms of single examples' gradients, without ever forming such a gradient.

‖∇ℓ_i‖² = Σ_l ‖a_{l−1,i}‖²‖δ_{l,i}‖², since ∂ℓ_i/∂W_l = δ_{l,i} a_{l−1,i}ᵀ has rank one; with bias ‖a‖² + 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.network import Forward


def squared_norms(run: Forward, signals: list[Tensor], *, bias: bool) -> Tensor:
    """‖∇ℓ_i‖² of every example.

    Args:
        run: The forward pass.
        signals: δ_1 … δ_L of single examples (not divided by n).
        bias: Whether the network has biases.

    Returns:
        Shape (n,), float64. Cost: 4n·(number of neurons) flops.
    """
    total = torch.zeros(run.output.shape[0], dtype=torch.float64, device=run.output.device)
    for a, delta in zip(run.inputs, signals, strict=True):
        features = squared_row_norms(a) + (1.0 if bias else 0.0)
        total += features * squared_row_norms(delta)
    return total


def squared_row_norms(rows: Tensor) -> Tensor:
    """‖row_i‖², summed in float64.

    Args:
        rows: Shape (…, n, w).

    Returns:
        Shape (…, n), float64.
    """
    return rows.to(torch.float64).square().sum(dim=-1)
