"""Norms of every example's features and signals, and what follows from them without forming any gradient.

‖∇ℓ_i‖² = Σ_l ‖a_{l−1,i}‖²‖δ_{l,i}‖², since ∂ℓ_i/∂W_l = δ_{l,i} a_{l−1,i}ᵀ has rank one; with bias ‖a‖² + 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.model.base import Pass

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RowNorms:
    """Euclidean norms of the rows of one pass.

    Attributes:
        features: ‖a_{0,i}‖ … ‖a_{L−1,i}‖, (L, n).
        signals: ‖δ_{1,i}‖ … ‖δ_{L,i}‖ of single examples (not divided by n), (L, n); the last are ‖∂ℓ_i/∂o_i‖.
        logits: ‖o_i‖, (n,).
        biases: 1 for every site that has a bias, else 0, (L, 1).
        activations: ‖u_{1,i}‖ … ‖u_{L−1,i}‖ before renormalisation, (L − 1, n), or None without it.
    """

    features: Array
    signals: Array
    logits: Array
    biases: Array
    activations: Array | None

    def sample_gradients(self) -> Array:
        """‖∇ℓ_i‖² of every example, (n,)."""
        with np.errstate(over="ignore", invalid="ignore"):  # a run that diverges: ∞·0 is not known
            squares: Array = ((self.features**2 + self.biases) * self.signals**2).sum(axis=0)
        return squares


def row_norms(run: Pass, signals: list[Tensor]) -> RowNorms:
    """The norms of a pass with the signals of single examples, read at once. Cost: 4n·(number of neurons) flops."""
    return row_norms_from(stacked_row_norms(run, signals).cpu().numpy(), run)


def stacked_row_norms(run: Pass, signals: list[Tensor]) -> Tensor:
    """Norms of features, signals and logits, and ν of renormalised rows, on the device, for :func:`row_norms_from`."""
    # In the training precision, in which the rows themselves are known.
    rows = [torch.linalg.vector_norm(row, dim=-1) for row in (*run.features, *signals, run.logits)]
    scales = [scale.flatten() for scale in _scales(run)]
    return torch.stack([*rows, *scales])


def row_norms_from(stacked: NDArray[np.floating], run: Pass) -> RowNorms:
    """The norms of :func:`stacked_row_norms` once they are on the host."""
    host = stacked.astype(np.float64)
    depth = len(run.features)
    scales, activations = host[2 * depth + 1 :], None
    if len(scales):
        widths = np.array([[a.shape[1]] for a in run.features[1:]])
        with np.errstate(divide="ignore"):
            # ν = √width/‖u‖, and 0 for a row without direction.
            activations = np.where(scales > 0, np.sqrt(widths) / scales, 0.0)
    biases = np.array([[float(site.bias is not None)] for site in run.model.sites])
    return RowNorms(host[:depth], host[depth : 2 * depth], host[2 * depth], biases, activations)


def _scales(run: Pass) -> list[Tensor]:
    return [] if run.chain is None else run.chain.scales or []


def squared_norm(tensor: Tensor) -> Tensor:
    """‖T‖_F², row by row in its own precision and then over rows in float64; a scalar on the tensor's device."""
    # One float32 sum over millions of entries would lose digits; float64 throughout costs four times as much.
    square: Tensor = torch.linalg.vector_norm(torch.linalg.vector_norm(tensor, dim=-1), dtype=torch.float64).square()
    return square


def squared_norms(tensors: Iterable[Tensor]) -> Tensor:
    """:func:`squared_norm` of one or more tensors, float64, on their device."""
    rows = [torch.linalg.vector_norm(tensor, dim=-1) for tensor in tensors]
    return torch.stack([torch.linalg.vector_norm(row, dtype=torch.float64) for row in rows]).square()


def total_square(tensors: Iterable[Tensor]) -> Tensor:
    """Σ‖T‖_F² of one or more tensors, a float64 scalar on their device."""
    return squared_norms(tensors).sum()
