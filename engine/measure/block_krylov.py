"""Block Krylov spaces of symmetric operators: bases by products, Rayleigh–Ritz on the host, and what is left over.

Nothing is decided while products are made, so that a device can queue them. The small matrices that they leave are read
later. References: Golub and Van Loan, Matrix Computations, 10.1–10.3; Wolkowicz and Styan, Linear Algebra Appl. 29
(1980), 471–506.

Shapes: m operators of order N; blocks (m, N, b); bases (m, N, r), r = b·steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]

# A direction of a basis of unit vectors that keeps less than this of their squared length depends on the others.
_DEPENDENT = 0.1


@dataclass(frozen=True, slots=True)
class Ritz:
    """Rayleigh–Ritz pairs of one matrix in a basis Q.

    Attributes:
        values: θ, ascending, (k,).
        weights: The Ritz vectors' coefficients in Q, (r, k).
        coupling: Inner products of the residuals Ay − θy, (k, k).
    """

    values: Array
    weights: Array
    coupling: Array

    def error(self, end: int) -> float:
        """An estimate of the relative error of the last (−1) or first (0) value: residual² over the gap."""
        theta, residual = float(self.values[end]), math.sqrt(max(float(self.coupling[end, end]), 0.0))
        if not theta > 0.0:
            return 0.0
        # Values nearer than the residual belong to one cluster, whose inner gaps do not matter.
        gaps = np.abs(self.values - theta)
        gap = float(np.min(gaps[gaps > residual], initial=math.inf))
        return residual * min(residual / gap if gap < math.inf else 1.0, 1.0) / theta


def orthonormal(block: Tensor, basis: Tensor | None = None) -> Tensor:
    """A block made orthonormal, and orthogonal to a basis, by Gram–Schmidt and Cholesky QR; 8Nb(r + b) flops."""
    # What lies in the basis already becomes noise of length 1, which ritz() finds out.
    identity = torch.eye(block.shape[-1], dtype=block.dtype, device=block.device)
    info = torch.finfo(block.dtype)
    for _ in range(2):
        if basis is not None:
            block = block - basis @ (basis.mT @ block)
        block = block / torch.linalg.vector_norm(block, dim=-2, keepdim=True).clamp(min=info.tiny)
        factor, _ = torch.linalg.cholesky_ex(block.mT @ block + 16.0 * info.eps * identity)
        block = torch.linalg.solve_triangular(factor, block.mT, upper=False).mT
    return block


def krylov(apply: Callable[[Tensor], Tensor], start: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """An orthonormal basis of the block Krylov space of a symmetric operator, and its image.

    Args:
        apply: V ↦ AV on blocks (m, N, b).
        start: The first block, (m, N, b).
        steps: Products, each of a block.

    Returns:
        Q and AQ, (m, N, b·steps).
    """
    basis = orthonormal(start)
    image = apply(basis)
    last = image
    for _ in range(steps - 1):
        block = orthonormal(last, basis)
        last = apply(block)
        basis, image = torch.cat([basis, block], dim=-1), torch.cat([image, last], dim=-1)
    return basis, image


def small_products(basis: Tensor, image: Tensor) -> Tensor:
    """QᵀQ, QᵀAQ and (AQ)ᵀAQ, (m, 3, r, r), float64."""
    q, a = basis.double(), image.double()
    return torch.stack([q.mT @ q, q.mT @ a, a.mT @ a], dim=1)


def ritz(small: NDArray[np.floating]) -> Ritz | None:
    """Ritz pairs from one matrix's :func:`small_products`, (3, r, r); None where these are not finite; O(r³) flops."""
    if not np.isfinite(small).all():
        return None
    overlap, product, square = ((part + part.T) / 2 for part in small.astype(np.float64, copy=False))
    sizes, directions = np.linalg.eigh(overlap)
    kept = sizes > _DEPENDENT
    whitened = directions[:, kept] / np.sqrt(sizes[kept])
    values, inner = np.linalg.eigh(whitened.T @ product @ whitened)
    weights = whitened @ inner
    coupling = weights.T @ square @ weights - np.diag(values**2)
    return Ritz(values, weights, coupling)


def deflated_upper(found: Ritz, trace: float, frobenius_square: float, order: int) -> float:
    """An upper bound on λ_max of a positive semidefinite matrix, from Ritz pairs and what they leave over.

    With the last r Ritz vectors as the first coordinates A = [T Rᵀ; R C], T diagonal, tr C and ‖C‖_F known from those
    of A. λ_max(C) ≤ m + s√(N' − 1), m and s² the mean and variance of its N' eigenvalues (Wolkowicz and Styan), and
    ≤ tr C; λ_max(A) is at most that of [θ ‖R‖; ‖R‖ λ_max(C)]. The best r is taken.

    Args:
        found: The pairs.
        trace: tr A.
        frobenius_square: ‖A‖_F², or ∞.
        order: N.

    Returns:
        The bound, without the rounding of its own arguments.
    """
    best, top = trace, float(found.values[-1])
    for r in range(1, len(found.values) + 1):
        coupling, theta = found.coupling[-r:, -r:], found.values[-r:]
        rest = max(trace - float(theta.sum()), 0.0)
        left = order - r
        if left > 0 and frobenius_square < math.inf:
            square = frobenius_square - float((theta**2).sum()) - 2.0 * max(float(np.trace(coupling)), 0.0)
            mean = rest / left
            spread = math.sqrt(max(square / left - mean**2, 0.0) * (left - 1))
            rest = min(rest, mean + spread, math.sqrt(max(square, 0.0)))
        between = max(float(np.linalg.eigvalsh(coupling)[-1]), 0.0)
        best = min(best, (top + rest + math.sqrt((top - rest) ** 2 + 4.0 * between)) / 2.0)
    return max(best, top)
