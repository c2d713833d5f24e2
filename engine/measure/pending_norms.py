"""Spectral norms of matrices on a device, several of one shape together, queued and read later."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.device.transfer import Arrival, Transfer
from engine.measure.krylov import Sweep, launch, normal_products
from engine.measure.lanczos import widened_norm
from engine.measure.norm_bound import NormBound, frobenius_upper, takes_dense_solver

# A warm start seldom needs more products.
_PRODUCTS = 4


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
    """Queue the norms of matrices of one shape, if the bound of one of them is loose.

    Args:
        bounds: Of all matrices.
        members: Which matrices these are.
        stack: The matrices, (members, p, q).
        transfer: By what the row's numbers come.

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
    sweep = launch(functools.partial(normal_products, tall), torch.stack(starts), _PRODUCTS, transfer)
    squares = torch.linalg.vector_norm(torch.linalg.vector_norm(stack, dim=2), dim=1, dtype=torch.float64).square()
    return PendingNorms(members, stack.shape, sweep=sweep, squares=transfer.add(squares))
