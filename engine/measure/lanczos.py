"""Extreme eigenvalues of symmetric operators: Lanczos with full reorthogonalisation, warm starts and residuals.

A Ritz value θ of unit Ritz vector v is a lower estimate of λ_max and an upper estimate of λ_min; some eigenvalue lies
within ‖Av − θv‖ of it. Both numbers are returned: a caller that needs a bound widens by the residual.
Reference: Parlett, The Symmetric Eigenvalue Problem, chapter 13.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

Operator = Callable[[Tensor], Tensor]

_LEAST_BASIS = 2
# Room for so many basis vectors is set aside at first.
_ROOM = 8
# Twice is enough for orthogonality to working precision (Kahan–Parlett), once where this share of a vector remains.
_PASSES = 2
_ORTHOGONAL = 0.7
# In units of eps for each vector: what is left beside a basis that is closed under the operator.
_CLOSED = 4


@dataclass(frozen=True, slots=True)
class RitzPair:
    """An approximate extreme eigenpair.

    Attributes:
        value: θ.
        vector: Unit Ritz vector, (dimension,), a warm start for the next call.
        residual: ‖Av − θv‖, by the Lanczos recurrence, never below rounding.
        products: Operator products spent.
    """

    value: float
    vector: Tensor
    residual: float
    products: int


def extreme_eigenpair(
    operator: Operator,
    start: Tensor,
    which: Literal["largest", "smallest"],
    *,
    tolerance: float,
    max_products: int,
    room: Tensor | None = None,
    basis_bytes: int = 1 << 30,
) -> RitzPair:
    """The largest or smallest eigenvalue (not the largest in modulus) of a symmetric operator.

    It ends when the residual is at most ``tolerance`` times |θ|, or after ``max_products``. ``room``, (any number,
    dimension), is overwritten by the first basis vectors: fresh memory costs as much as the arithmetic. A basis
    beyond ``basis_bytes`` restarts from its Ritz vector.

    Returns:
        The Ritz pair, of NaN for a non-finite operator. Cost: the products, and 4·dimension·j flops for the
        j-th.
    """
    limit = min(max_products, max(_LEAST_BASIS, basis_bytes // (start.numel() * start.element_size())))
    spent, vector = 0, start
    while True:
        pair = _sweep(operator, vector, which, tolerance, min(limit, max_products - spent), room)
        spent += pair.products
        # A sweep that ended before its limit has converged, or has nothing left to find.
        if pair.products < limit or spent >= max_products:
            return RitzPair(pair.value, pair.vector, pair.residual, spent)
        vector = pair.vector


def _sweep(
    operator: Operator,
    start: Tensor,
    which: str,
    tolerance: float,
    products: int,
    room: Tensor | None,
) -> RitzPair:
    """One Lanczos run without restart."""
    epsilon = torch.finfo(start.dtype).eps
    norm = float(torch.linalg.vector_norm(start))
    if not 0.0 < norm < np.inf:
        return RitzPair(float("nan"), start, float("nan"), 0)
    # Room is doubled as it is needed: a warm start converges long before the limit.
    basis = start.new_empty(min(_ROOM, products), start.numel()) if room is None else room[:products]
    torch.div(start, norm, out=basis[0])
    diagonal: list[float] = []
    off: list[float] = []
    for size in itertools.count(1):
        w = operator(basis[size - 1])
        diagonal.append(float(torch.dot(basis[size - 1], w)))
        if not np.isfinite(diagonal[-1]):
            return RitzPair(float("nan"), start, float("nan"), size)
        q = basis[:size]
        beta = float(torch.linalg.vector_norm(w))
        for _ in range(_PASSES):
            w, before = torch.addmv(w, q.T, q @ w, alpha=-1.0), beta
            beta = float(torch.linalg.vector_norm(w))
            if beta > _ORTHOGONAL * before:
                break
        # The largest diagonal entry is no larger than the spectrum's modulus: good enough to see that nothing is left.
        closed = beta <= _CLOSED * epsilon * max(map(abs, diagonal)) * size or size == start.numel()
        theta, weights, scale = _ritz(diagonal, off, which)
        rounding = epsilon * scale
        residual = max(beta * abs(float(weights[-1])), rounding)
        if closed or size == products or residual <= max(tolerance * abs(theta), rounding):
            break
        if size == basis.shape[0]:
            basis = torch.cat([basis, basis.new_empty(min(size, products - size), start.numel())])
        torch.div(w, beta, out=basis[size])
        off.append(beta)
    return RitzPair(theta, q.T @ weights.to(start), residual, size)


def _ritz(diagonal: list[float], off: list[float], which: str) -> tuple[float, Tensor, float]:
    """The extreme Ritz value, its vector's weights in the basis, and the largest modulus of a Ritz value."""
    if len(diagonal) == 1:  # most often where the start is warm
        return diagonal[0], torch.ones(1, dtype=torch.float64), abs(diagonal[0])
    # By torch, on the CPU: a second linear algebra library's threads would fight with torch's.
    lower = torch.from_numpy(np.diag(diagonal) + np.diag(off, -1))
    values, vectors = torch.linalg.eigh(lower, UPLO="L")
    pick = -1 if which == "largest" else 0
    return float(values[pick]), vectors[:, pick], float(values.abs().max())


def spectral_norm_upper(
    matrix: Tensor, start: Tensor | None, *, tolerance: float = 1e-9, products: int = 200
) -> tuple[float, Tensor]:
    """‖M‖₂ from above, up to the residual: what bounds may be computed from.

    Args:
        matrix: M, (p, q).
        start: A singular vector to start from, of the smaller dimension, or None.
        tolerance: On the residual of MᵀM, relative; the norm is widened by half of it.
        products: Most products before the dense solver is taken, in float64, as it is for small matrices.

    Returns:
        √(θ + residual), widened by the rounding of products, and the Ritz vector. Cost: 4pq flops a product.
    """
    p, q = matrix.shape
    transposed = p < q
    m = matrix.T if transposed else matrix  # tall: work in the smaller dimension
    if m.shape[1] > _DENSE_BELOW:
        vector = start if start is not None and start.shape == (m.shape[1],) else _probe(m)
        pair = extreme_eigenpair(normal_product(m), vector, "largest", tolerance=tolerance, max_products=products)
        if pair.residual <= tolerance * pair.value or not np.isfinite(pair.value):
            return widened_norm(pair.value, pair.residual, m.shape[0], m.dtype), pair.vector
        start = pair.vector
    m = m.to(torch.float64)
    value = float(torch.linalg.eigvalsh(m.T @ m)[-1].clamp(min=0.0)) if bool(torch.isfinite(m).all()) else np.nan
    return float(np.sqrt(value)), start if start is not None else m.new_ones(m.shape[1])


def widened_norm(value: float, residual: float, rows: int, dtype: torch.dtype) -> float:
    """√(θ + residual) for a Ritz pair of MᵀM, widened by the rounding of products over so many rows of M."""
    rounding = _ROUNDED * torch.finfo(dtype).eps * math.sqrt(rows)
    return float(np.sqrt(value + residual)) * (1.0 + rounding)


_DENSE_BELOW = 65
# In units of eps·√p, p the length of the products that are summed up.
_ROUNDED = 8.0
# Larger matrices do not stay in the host's cache: what a product with them takes is reading them, once or twice.
_CACHED_BYTES = 32 << 20
_BLOCK_BYTES = 1 << 20


def is_read_from_memory(matrix: Tensor) -> bool:
    """Whether a matrix does not fit into the host's cache: products side by side take less time in all."""
    return matrix.device.type == "cpu" and matrix.numel() * matrix.element_size() > _CACHED_BYTES


def normal_product(matrix: Tensor) -> Operator:
    """The operator MᵀM; a large M by rows is read from memory once: the second half finds its rows in the cache."""
    if not is_read_from_memory(matrix) or not matrix.is_contiguous():
        return lambda v: matrix.T @ (matrix @ v)
    rows = matrix.detach().numpy()
    height = max(1, _BLOCK_BYTES // rows[0].nbytes)
    blocks = [rows[first : first + height] for first in range(0, len(rows), height)]

    def product(v: Tensor) -> Tensor:
        vector, out = v.numpy(), np.zeros(rows.shape[1], rows.dtype)
        for block in blocks:
            out += block.T @ (block @ vector)
        return torch.from_numpy(out)

    return product


def _probe(matrix: Tensor) -> Tensor:
    """A start that is not orthogonal to anything in particular, the same in every run: seeded Gaussian noise."""
    generator = torch.Generator(device="cpu").manual_seed(0)
    return torch.randn(matrix.shape[1], generator=generator, dtype=torch.float64).to(matrix)
