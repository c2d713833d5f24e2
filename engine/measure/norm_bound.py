"""An upper bound on the spectral norm of a matrix that training moves, without a product at every step.

On a device the norms of several matrices of one shape are queued together and read later.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.device.transfer import Arrival, Transfer
from engine.measure.base import State, vector
from engine.measure.krylov import Sweep, launch, normal_products
from engine.measure.lanczos import spectral_norm_upper, widened_norm
from engine.measure.row_norms import squared_norm

# Up to this order the dense solver is as cheap as anything.
_SMALL = 65
# A bound that is followed is found this many times more closely than need be, so that it lasts.
_CLOSER = 4.0
# The residual at which ‖M‖₂² counts as found from nothing. With 5e-2 it was seen to miss the edge of a random spectrum.
_COLD_TOLERANCE = 1e-2
# In units of eps: what a Frobenius norm in the matrix's precision may be too small by.
_ROUNDED = 8.0
# A warm start seldom needs more products.
_QUEUED_PRODUCTS = 4


def frobenius_upper(square: float, dtype: torch.dtype) -> float:
    """‖M‖_F from above, from its square as :func:`engine.measure.row_norms.squared_norm` sums it in a precision."""
    return math.sqrt(square) * (1.0 + _ROUNDED * torch.finfo(dtype).eps)


def takes_dense_solver(shape: Sequence[int]) -> bool:
    """Whether a matrix of this shape is so small that its norm is found densely, at every row."""
    return min(shape) < _SMALL


class NormBound:
    """An upper bound on the spectral norm of one matrix that training moves.

    Args:
        loose: How loose it may become, as a share.

    Attributes:
        upper: The bound, grown by what the matrix has moved since it was found; ∞ before it was.
        vector: The singular vector found last, of the smaller dimension.
    """

    def __init__(self, loose: float) -> None:
        self._loose = loose
        self.upper = math.inf
        self._found = math.nan  # a lower estimate of the norm, less what the matrix has moved since
        self.vector: Tensor | None = None

    def move(self, length: float) -> None:
        """Take it that the matrix has moved by at most this in Frobenius norm."""
        self.upper += length
        self._found -= length

    def measure(self, matrix: Tensor, frobenius: float | None = None) -> float:
        """The bound for M, (p, q), whose ‖M‖_F from above may be known.

        Returns:
            At most ``loose`` above ‖M‖₂ (found from nothing: 1.5 times that), never above ‖M‖_F where the norm
            was found, and not below ‖M‖₂ as far as residuals can tell. Cost: 4pq flops for each of a few
            products; none while the bound is tight.
        """
        if self.is_loose(matrix):
            norm, vector = spectral_norm_upper(matrix, self.vector, tolerance=self.tolerance)
            dense = takes_dense_solver(matrix.shape)
            if frobenius is None and not dense:
                frobenius = frobenius_upper(float(squared_norm(matrix)), matrix.dtype)
            self.found(norm, vector, dense=dense, frobenius=math.inf if frobenius is None else frobenius)
        return self.upper

    def is_loose(self, matrix: Tensor) -> bool:
        """Whether the norm is to be found anew: the bound may be too loose, or the matrix, (p, q), is small."""
        return not self.upper <= (1.0 + self._loose) * self._found or takes_dense_solver(matrix.shape)

    @property
    def tolerance(self) -> float:
        """The residual of ‖M‖₂² at which the norm counts as found, relative."""
        tolerance = self._loose / _CLOSER
        if self.vector is None:
            # From nothing, every factor of 2 costs several products, and training will soon move it anyway.
            tolerance = max(tolerance, min(self._loose, _COLD_TOLERANCE))
        return tolerance

    def found_densely(self, normal: NDArray[np.floating]) -> None:
        """Take up the norm of a small matrix from MᵀM, in float64, of the smaller order."""
        square = float(np.linalg.eigvalsh(normal)[-1]) if np.isfinite(normal).all() else math.nan
        self.upper = self._found = math.sqrt(max(square, 0.0))

    def found(self, norm: float, vector: Tensor, *, dense: bool, frobenius: float = math.inf) -> None:
        """Take up ‖M‖₂ as found at :attr:`tolerance` and widened by its residual, and its vector."""
        # The norm was widened by its residual, so that this much less is a lower estimate. It is widened once more
        # than the one eigenvalue needs: at the edge of a random matrix's spectrum there is always another near it.
        widening = math.sqrt(1.0 + self.tolerance)
        if self.tolerance > self._loose / _CLOSER:
            widening *= widening  # found from nothing, and not closely: with less, 1 bound of 30 was seen to be none
        self.upper = min(norm if dense else norm * widening, frobenius)
        self._found = min(norm / widening, self.upper)
        self.vector = vector

    def state(self) -> State:
        """The singular vector, and both bounds."""
        if self.vector is None:
            return {}
        return {
            "vector": self.vector,
            "bounds": torch.tensor([self.upper, self._found], dtype=torch.float64),
        }

    def restore(self, state: State, order: int) -> None:
        """Take up bounds of a matrix whose smaller dimension is this."""
        self.vector, bounds = vector(state, "vector", order), vector(state, "bounds", 2)
        self.upper, self._found = (math.inf, math.nan) if bounds is None else bounds.tolist()


@dataclass(frozen=True, slots=True)
class PendingNorms:
    """Norms of matrices of one shape that were queued on a device.

    Attributes:
        members: Which matrices.
        shape: Of the matrices, (members, p, q).
        sweep: Products, if the matrices are large.
        squares: ‖M‖_F² beside the products, float64, (members,).
        normal: MᵀM of the smaller order, if they are small; float64, (members, order, order).
    """

    members: list[int]
    shape: torch.Size
    sweep: Sweep | None = None
    squares: Arrival | None = None
    normal: Arrival | None = None

    def resolve(self, bounds: list[NormBound]) -> list[int]:
        """Give the bounds what was found; which were found. For the others the products did not suffice."""
        found = []
        if self.normal is not None:
            for index, normal in zip(self.members, self.normal.array(), strict=True):
                bounds[index].found_densely(normal)
                found.append(index)
        if self.sweep is not None and self.squares is not None:
            ritz = self.sweep.ritz("largest")
            pairs = zip(self.members, ritz, self.sweep.vectors(ritz), self.squares.array(), strict=True)
            for index, pair, vector, square in pairs:
                bound = bounds[index]
                if pair is not None and pair.residual <= bound.tolerance * pair.value:
                    norm = widened_norm(pair.value, pair.residual, max(self.shape[1:]), vector.dtype)
                    bound.found(norm, vector, dense=False, frobenius=frobenius_upper(float(square), vector.dtype))
                    found.append(index)
        return found


def queue_norms(bounds: list[NormBound], members: list[int], stack: Tensor, transfer: Transfer) -> PendingNorms | None:
    """Queue the norms of matrices of one shape, (members, p, q), if the bound of one of them is loose.

    Returns:
        What to read; None where a large matrix has never been measured: how many products that takes cannot be
        foreseen. Cost: 16pq flops for each matrix.
    """
    if not any(bounds[index].is_loose(stack[0]) for index in members):
        return None
    p, q = stack.shape[1:]
    tall = stack.mT if p < q else stack
    if takes_dense_solver((p, q)):
        wide = tall.to(torch.float64)
        return PendingNorms(members, stack.shape, normal=transfer.add(wide.mT @ wide))
    vectors = [bounds[index].vector for index in members]
    starts = [vector for vector in vectors if vector is not None and vector.shape == (min(p, q),)]
    if len(starts) < len(members):
        return None
    sweep = launch(functools.partial(normal_products, tall), torch.stack(starts), _QUEUED_PRODUCTS, transfer)
    squares = torch.linalg.vector_norm(torch.linalg.vector_norm(stack, dim=2), dim=1, dtype=torch.float64).square()
    return PendingNorms(members, stack.shape, sweep=sweep, squares=transfer.add(squares))
