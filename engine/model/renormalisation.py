"""Renormalisation of rows to norm √width, and its derivative."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def row_scale(u: Tensor) -> Tensor:
    """ν = √width/‖u‖ of each row, (n, 1). A row of zeros has no direction: its ν is 0, and it has no gradient."""
    norm = torch.linalg.vector_norm(u, dim=1, keepdim=True)
    return torch.where(norm > 0, math.sqrt(u.shape[1]) / norm, torch.zeros_like(norm))


def row_scale_derivative(a: Tensor, scale: Tensor, z: Tensor) -> Tensor:
    """D(z) = ν(z − a⟨a,z⟩/width), the symmetric derivative of a = νu at rows a and z, (…, n, w), and ν, (…, n, 1)."""
    return scale * (z - a * mean_dot(a, z))


def mean_dot(p: Tensor, q: Tensor) -> Tensor:
    """⟨p, q⟩/width of each row, (…, n, 1)."""
    return (p * q).sum(dim=-1, keepdim=True) / p.shape[-1]
