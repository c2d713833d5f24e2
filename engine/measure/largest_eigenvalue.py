"""The largest eigenvalue of an operator that is known by its products, followed from row to row."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.device.transfer import Arrival, Transfer, to_device
from engine.measure.base import State, vector
from engine.measure.block_krylov import Ritz, krylov, ritz, small_products

Operator = Callable[[Tensor], Tensor]
"""A symmetric positive semidefinite matrix of order n·k, as a map of cotangents (b, n, k) to as many."""

_BLOCK, _KEPT = 4, 3
# Products of a block: of a row that follows another, at least and at most; and where a row is repaired.
_LEAST, _MOST, _COLD = 4, 12, 8
# The error of a value as its residual suggests it: above the first the row is repaired, above the second the next row
# makes more products; below the third, for so many rows, one less. Seldom, for every number has a program of its own.
_REPAIRED_ABOVE, _MORE_ABOVE, _LESS_BELOW, _CALM = 3e-5, 1e-5, 1e-8, 16
_REPAIRS = 12


@dataclass(frozen=True, slots=True)
class Space:
    """A Krylov space of a row.

    Attributes:
        basis: (1, nk, r).
        small: Its small products, on their way.
        next: The operator's product with the vector of the row before, (n, k): nearer to this row's.
    """

    basis: Tensor
    small: Arrival
    next: Tensor


class LargestEigenvalue:
    """λ_max, from block Krylov spaces of the last row's Ritz vectors and a random one, which sees what overtakes.

    Attributes:
        vector: The unit Ritz vector of the row collected last, (n, k), float64; updated in place.
    """

    def __init__(self, n: int, k: int, device: torch.device) -> None:
        self._shape, self._steps, self._calm = (n, k), _LEAST, 0
        self._followed = False
        draw = torch.Generator().manual_seed(0)
        self._starts = torch.randn(1, n * k, _BLOCK, generator=draw, dtype=torch.float64).to(device)

    @property
    def vector(self) -> Tensor:
        """The unit Ritz vector of the row collected last, (n, k), float64; random before the first."""
        return self._starts[0, :, 0].view(self._shape)

    def variant(self) -> Hashable:
        """Whatever decides which operations the next row takes."""
        return self._steps

    def launch(self, operator: Operator, dtype: torch.dtype, transfer: Transfer) -> Space:
        """Queue a row's products, in a precision."""
        basis, image = krylov(self._flat(operator), self._starts.to(dtype), self._steps)
        return Space(basis, transfer.add(small_products(basis, image)), image[0, :, 0].view(self._shape))

    def collect(self, space: Space, operator: Operator) -> Ritz | None:
        """The Ritz pairs of a row, from larger spaces where they have not converged; None if they are not finite."""
        basis, pairs = space.basis, ritz(space.small.array()[0])
        if pairs is not None:
            self._adapt(pairs.error(-1))
        for repair in range(_REPAIRS + 1):
            if pairs is None:
                return None
            weights = to_device(pairs.weights[:, : -_KEPT - 1 : -1].copy(), self._starts)
            self._starts[0, :, : weights.shape[1]] = basis[0].double() @ weights
            if repair == _REPAIRS or pairs.error(-1) <= _REPAIRED_ABOVE:
                break
            basis, image = krylov(self._flat(operator), self._starts.to(basis.dtype), _COLD)
            pairs = ritz(small_products(basis, image)[0].cpu().numpy())
        return pairs

    def _adapt(self, error: float) -> None:
        """Make more products in the next row, or fewer; the first row, which begins at random, says nothing."""
        if not self._followed:
            self._followed = True
            return
        self._calm = self._calm + 1 if error < _LESS_BELOW else 0
        if error > _MORE_ABOVE:
            self._steps = min(self._steps + 2, _MOST)
        elif self._calm == _CALM:
            self._steps, self._calm = max(self._steps - 1, _LEAST), 0

    def _flat(self, operator: Operator) -> Operator:
        """An operator on blocks (1, nk, b)."""
        return lambda block: operator(block[0].T.reshape(-1, *self._shape)).reshape(block.shape[-1], -1).T[None]

    def state(self) -> State:
        """The block, and how many products the next row makes of it."""
        return {"steps": self._steps, "calm": self._calm, "followed": self._followed, "block": self._starts.reshape(-1)}

    def restore(self, state: State) -> None:
        """Take up a state of as many examples and classes."""
        block = vector(state, "block", self._starts.numel())
        if block is not None:
            self._starts.copy_(block.view(self._starts.shape))
            self._steps, self._calm, self._followed = int(state["steps"]), int(state["calm"]), bool(state["followed"])
