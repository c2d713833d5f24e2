"""The smallest eigenvalue of a symmetric operator with a good approximate inverse: Davidson's method.

Where Lanczos needs some √κ products, a preconditioner that resembles the operator makes it a handful. Like any
Ritz value the result is an upper estimate of λ_min; its true residual is returned with it.
Reference: Davidson (1975); Crouzeix, Philippe, Sadkane, The Davidson method (1994).
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.measure.lanczos import Operator, RitzPair


def smallest_eigenpair(
    operator: Operator,
    start: Tensor,
    precondition: Operator,
    *,
    tolerance: float,
    floor: float,
    max_products: int,
) -> RitzPair:
    """The smallest eigenvalue, from a start that may be warm.

    Args:
        operator: v ↦ Av, v of shape (dimension,).
        start: Starting vector, not zero.
        precondition: r ↦ Mr with M ≈ A⁻¹, positive definite.
        tolerance: Stop when the residual is at most this times |θ| …
        floor: … or at most this in absolute terms: what rounding leaves of a product.
        max_products: Stop after so many products at the latest.

    Returns:
        The Ritz pair with its true residual; NaN if the operator is not finite. Cost: the products, as many
        applications of the preconditioner, and 6·dimension·j flops for the j-th.
    """
    limit = min(max_products, start.numel())
    basis = start.new_empty(limit, start.numel())
    images = torch.empty_like(basis)
    pair = RitzPair(float("nan"), start, float("nan"), 0)
    direction = start
    for size in range(1, limit + 1):
        direction = _orthonormalised(direction, basis[: size - 1])
        if not bool(torch.isfinite(direction).all()):
            return pair
        basis[size - 1] = direction
        images[size - 1] = operator(direction)
        q, aq = basis[:size], images[:size]
        projected = (q @ aq.T).cpu()
        if not bool(torch.isfinite(projected).all()):
            return RitzPair(float("nan"), start, float("nan"), size)
        values, vectors = torch.linalg.eigh((projected + projected.T) / 2)
        theta = float(values[0])
        weights = vectors[:, 0].to(start)
        vector = q.T @ weights
        residual_vector = aq.T @ weights - theta * vector
        residual = float(torch.linalg.vector_norm(residual_vector))
        pair = RitzPair(theta, vector, max(residual, floor * 1e-3), size)
        if residual <= max(tolerance * abs(theta), floor):
            break
        direction = precondition(residual_vector)
    return pair


def _orthonormalised(direction: Tensor, basis: Tensor) -> Tensor:
    """The part of a direction outside the basis, normalised; NaN if there is none left."""
    direction = direction / torch.linalg.vector_norm(direction)
    for _ in range(2):
        direction = direction - basis.T @ (basis @ direction)
        direction = direction / torch.linalg.vector_norm(direction)
    return direction
