"""A subspace with its image under a symmetric matrix that is too large for all but products, and its Ritz pairs.

Everything but the Ritz values for the host is a static sequence of tensor operations: the top Ritz vectors, from whose
residuals the subspace is extended, are found on the device by squaring a small matrix again and again.

Shapes: vectors are rows of the matrix's order N; r vectors span the subspace, so small matrices are (r, r), float64.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.model.base import BlockProduct

_PIECES = 256
_SQUARINGS = 14  # an eigenvalue that is lower by 10⁻⁴ of the largest is left with a seventh of its share
_WHOLE = 16  # shorter pieces are not worth it
# Share of a unit vector that counts as new: what is less is mostly rounding. By bytes of a number.
_NEW = {4: 1e-6, 8: 1e-13}
# Directions of the basis with smaller overlaps are left out on the host.
_INDEPENDENT = 1e-3


class RitzSpace:
    """A subspace that grows in buffers of its own, which are overwritten from matrix to matrix.

    Args:
        room: Most vectors that span it.
        like: A tensor of the type and on the device of the vectors.
        order: N.
        vectors: Where the top Ritz vectors go, (most that are asked for, N); the next start may be from there.
    """

    def __init__(self, room: int, like: Tensor, order: int, vectors: Tensor) -> None:
        self.room, self.order = min(room, order), order
        self.epsilon = torch.finfo(like.dtype).eps
        self._basis, self._images = (like.new_empty(self.room, order) for _ in range(2))
        self._vectors, self._residual = vectors, like.new_empty(1, order)
        # ⟨q_i, q_j⟩ and ⟨q_i, Aq_j⟩ for i ≤ j at least; the second also for i > j within a block.
        self._overlaps, self._products = torch.zeros(
            2, self.room, self.room, dtype=torch.float64, device=like.device
        ).unbind(0)
        self._small = torch.finfo(like.dtype).tiny
        self._new = _NEW[like.element_size()]
        self.size = 0

    def start(self, vectors: list[Tensor], product: BlockProduct) -> None:
        """Begin with the span of vectors of any length, zeros and multiples of each other among them."""
        self.size = 0
        # Room that is written anew anyway: fresh memory costs as much as the arithmetic.
        block = self._images[: len(vectors)]
        for row, vector in zip(block, vectors, strict=True):
            row.copy_(vector)
        overlaps = _gram(block, block)
        scale = _inverse(overlaps.diagonal().sqrt(), self._small)
        correlations = scale[:, None] * overlaps * scale + self._new * _eye(len(block), overlaps)
        factor, _ = torch.linalg.cholesky_ex(correlations)
        orthonormal = torch.linalg.solve_triangular(factor, torch.diag(scale), upper=False)
        torch.mm(orthonormal.to(block.dtype), block, out=self._basis[: len(vectors)])
        self._multiply(len(vectors), product)

    def extend(self, count: int, product: BlockProduct) -> None:
        """Add the residuals of so many of the top Ritz pairs; there must be room."""
        weights, quotients = self._top(count)
        block = self._basis[self.size : self.size + count]
        self._residuals(weights, quotients, out=block)
        # They are orthogonal to all that is there, up to rounding, which the overlaps take into account.
        block *= _inverse(torch.linalg.vector_norm(block, dim=1, keepdim=True), self._small)
        self._multiply(count, product)

    def include(self, vector: Tensor, product: BlockProduct) -> None:
        """Add a vector; there must be room."""
        block = self._basis[self.size : self.size + 1]
        block[0].copy_(vector)
        known = self._basis[: self.size]
        for _ in range(2):
            block *= _inverse(torch.linalg.vector_norm(block, dim=1, keepdim=True), self._small)
            block.addmm_(_gram(block, known).to(block.dtype), known, alpha=-1.0)
        block *= _inverse(torch.linalg.vector_norm(block, dim=1, keepdim=True), self._small)
        self._multiply(1, product)

    def ritz(self, count: int) -> Tensor:
        """Write the top Ritz vectors, of unit length.

        Returns:
            The top quotient θ and ‖Ax − θx‖, (2,), float64. Cost: 2·r·N flops a vector, and as many for the residual.
        """
        weights, quotients = self._top(count)
        vectors = torch.mm(weights.to(self._basis.dtype), self._basis[: self.size], out=self._vectors[:count])
        torch.mm(weights[:1].to(self._basis.dtype), self._images[: self.size], out=self._residual)
        self._residual.addmm_(-quotients[:1, None].to(vectors.dtype), vectors[:1])
        norm = torch.linalg.vector_norm(self._residual).to(torch.float64)
        return torch.stack([quotients[0], norm])

    def restart(self, count: int) -> None:
        """Keep of the subspace only the span of so many of the top Ritz vectors; no products are made."""
        weights = self._top(count)[0].to(self._basis.dtype)
        for rows in (self._basis, self._images):
            rows[:count] = weights @ rows[: self.size]
        self.size = 0
        self._take_in(count)

    def small(self) -> Tensor:
        """⟨q_i, q_j⟩ and ⟨q_i, Aq_j⟩, (2, r, r), for :func:`ritz_pairs`."""
        return torch.stack([self._overlaps[: self.size, : self.size], self._products[: self.size, : self.size]])

    def _multiply(self, count: int, product: BlockProduct) -> None:
        """Take in so many new vectors of the basis."""
        new = slice(self.size, self.size + count)
        product(self._basis[new], self._images[new])
        self._take_in(count)

    def _take_in(self, count: int) -> None:
        """Small matrices of so many vectors more."""
        old, size = self.size, self.size + count
        block, images = self._basis[old:size], self._images[old:size]
        for small, right in ((self._overlaps, block), (self._products, images)):
            columns = _gram(self._basis[:size], right)
            small[:size, old:size] = columns
            small[old:size, :old] = columns[:old].mT
        self.size = size

    def _top(self, count: int) -> tuple[Tensor, Tensor]:
        """Weights of the top Ritz vectors in the basis, (count, r), and their quotients."""
        overlaps, products = self.small()
        products = (products + products.mT) / 2
        scale = _inverse(overlaps.diagonal().sqrt(), self._small)
        eye = _eye(self.size, overlaps)
        factor, _ = torch.linalg.cholesky_ex(scale[:, None] * overlaps * scale + self._new * eye)
        inverse = torch.linalg.solve_triangular(factor, torch.diag(scale), upper=False)
        matrix = inverse @ products @ inverse.mT
        # Positive definite, so that the largest is the largest in modulus.
        shifted = matrix + (2.0 * torch.linalg.matrix_norm(matrix) + self._small) * eye
        found = []
        for _ in range(count):
            power = shifted
            for _ in range(_SQUARINGS):
                power = power @ power
                power = power / torch.linalg.matrix_norm(power).clamp(min=self._small)
            column = power.index_select(1, power.diagonal().argmax().view(1))[:, 0]
            column = column / torch.linalg.vector_norm(column).clamp(min=self._small)
            found.append(column)
            away = eye - torch.outer(column, column)
            shifted = away @ shifted @ away
        weights = torch.stack(found) @ inverse
        square = ((weights @ overlaps) * weights).sum(dim=1)
        weights = weights * _inverse(square.sqrt(), self._small)[:, None]
        return weights, ((weights @ products) * weights).sum(dim=1)

    def _residuals(self, weights: Tensor, quotients: Tensor, out: Tensor) -> None:
        """Ax − θx of vectors x given by weights."""
        dtype = self._basis.dtype
        torch.mm(weights.to(dtype), self._images[: self.size], out=out)
        out.addmm_((-quotients[:, None] * weights).to(dtype), self._basis[: self.size])


def ritz_pairs(small: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """All Ritz values, largest first, and their unit vectors' weights in the basis, on the host.

    Args:
        small: What :meth:`RitzSpace.small` gives, (2, r, r).

    Returns:
        At most r values, and as many columns of (r, …); none for a matrix that is not finite. The i-th value is at
        most the i-th eigenvalue (Cauchy), up to the rounding of products.
    """
    if not np.isfinite(small).all():
        return np.empty(0), np.empty((small.shape[1], 0))
    overlaps, vectors = np.linalg.eigh(small[0])
    kept = overlaps > _INDEPENDENT
    basis = vectors[:, kept] / np.sqrt(overlaps[kept])
    values, weights = np.linalg.eigh(basis.T @ ((small[1] + small[1].T) / 2) @ basis)
    return values[::-1], basis @ weights[:, ::-1]


def _eye(order: int, like: Tensor) -> Tensor:
    return torch.eye(order, dtype=like.dtype, device=like.device)


def _inverse(lengths: Tensor, small: float) -> Tensor:
    """Their inverses, and 0 for 0."""
    return torch.where(lengths > small, 1.0 / lengths.clamp(min=small), torch.zeros_like(lengths))


def _gram(left: Tensor, right: Tensor) -> Tensor:
    """⟨left_i, right_j⟩, float64. Long vectors are summed up piece by piece, the pieces in float64."""
    length = left.shape[1] // _PIECES
    if length < _WHOLE:
        return left.to(torch.float64) @ right.to(torch.float64).mT
    whole = length * _PIECES
    pieces = [rows[:, :whole].view(len(rows), _PIECES, length).transpose(0, 1) for rows in (left, right)]
    total = torch.bmm(pieces[0], pieces[1].mT).to(torch.float64).sum(dim=0)
    return total + left[:, whole:].to(torch.float64) @ right[:, whole:].to(torch.float64).mT
