"""Feature Gram matrices G = A Aᵀ/width in float64, their spectra, conditioning and Gershgorin discs.

Argument shapes: A (n, width) in any precision; G (n, n) float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.theory.conditioning import log10_condition, resolution


def feature_gram(a: Tensor) -> Tensor:
    """G^m = A_m A_mᵀ/width_m (Eq. 11, rescaled by the width as Eq. 12 needs).

    In float64: a float32 Gram matrix near n = width is meaningless (λ_min off by 2% to a thousandfold).

    Args:
        a: Features after activation and renormalisation, (n, width).

    Returns:
        Shape (n, n), float64, symmetric to the bit. Cost: 2n²·width flops.
    """
    a64 = a.to(torch.float64)
    gram = a64 @ a64.T
    # BLAS does not promise a symmetric result; the lower triangle is taken, as the eigensolvers do.
    return (gram.tril() + gram.tril(-1).T) / a.shape[1]


@dataclass(frozen=True, slots=True)
class GramSpectrum:
    """Extremes of G.

    Attributes:
        lambda_min: Smallest eigenvalue, raw; exactly 0 when n > width (rank).
        lambda_max: Largest eigenvalue.
        resolution: ρ, below which λ_min cannot be told from 0.
        log10_cond: log₁₀(λ_max/max(λ_min, ρ)).
    """

    lambda_min: float
    lambda_max: float
    resolution: float
    log10_cond: float


def spectrum(gram: Tensor, width: int) -> GramSpectrum:
    """Extremes of a Gram matrix by the dense symmetric solver.

    Args:
        gram: G, (n, n), float64.
        width: Width of the features it was made from.

    Returns:
        Its extremes; all NaN if G is not finite. Cost: O(n³).
    """
    n = gram.shape[0]
    if not bool(torch.isfinite(gram).all()):
        return GramSpectrum(math.nan, math.nan, math.nan, math.nan)
    eigenvalues = torch.linalg.eigvalsh(gram)
    largest = float(eigenvalues[-1])
    smallest = 0.0 if n > width else float(eigenvalues[0])
    return GramSpectrum(smallest, largest, float(resolution(largest, n)), float(log10_condition(smallest, largest, n)))


@dataclass(frozen=True, slots=True)
class GershgorinDiscs:
    """Gershgorin's discs of G, and the paper's proxy (Fig. 3).

    Attributes:
        row_sum: max_i R_i, R_i = Σ_{j≠i}|G_ij|.
        min_diag: min_i G_ii.
        max_offdiag: max_{i≠j} G_ij; NaN for n = 1.
        max_abs_offdiag: max_{i≠j} |G_ij|; NaN for n = 1.
        lower: min_i (G_ii − R_i) ≤ λ_min.
        upper: max_i (G_ii + R_i) ≥ λ_max.
    """

    row_sum: float
    min_diag: float
    max_offdiag: float
    max_abs_offdiag: float
    lower: float
    upper: float


def gershgorin(gram: Tensor) -> GershgorinDiscs:
    """Gershgorin's discs, the enclosure taken row by row (tighter than from the two extremes apart).

    Args:
        gram: G, (n, n), float64.

    Returns:
        The proxy and the enclosure. Cost: O(n²).
    """
    n = gram.shape[0]
    diagonal = gram.diagonal()
    off = gram - torch.diag(diagonal)
    radii = off.abs().sum(dim=1)
    largest = largest_abs = math.nan
    if n > 1:
        masked = gram.clone().fill_diagonal_(-math.inf)
        largest, largest_abs = float(masked.max()), float(off.abs().max())
    return GershgorinDiscs(
        row_sum=float(radii.max()),
        min_diag=float(diagonal.min()),
        max_offdiag=largest,
        max_abs_offdiag=largest_abs,
        lower=float((diagonal - radii).min()),
        upper=float((diagonal + radii).max()),
    )
