"""The largest eigenvalue of an operator that is known by its products, followed from row to row."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.device.transfer import Arrival, Transfer
from engine.measure.base import State
from engine.measure.block_krylov import Ritz, ritz, small_products
from engine.measure.spectrum_end import End
from engine.measure.spectrum_end import Space as Found


@dataclass(frozen=True, slots=True)
class Operator:
    """A symmetric positive semidefinite matrix of order n·k, as a map of cotangents (b, n, k) to as many."""

    apply: Callable[[Tensor], Tensor]
    dtype: torch.dtype
    shape: tuple[int, ...]

    def __matmul__(self, block: Tensor, /) -> Tensor:
        """AV of a block, (1, nk, b)."""
        return self.apply(block[0].T.reshape(-1, *self.shape)).reshape(block.shape[-1], -1).T[None]


@dataclass(frozen=True, slots=True)
class Space:
    """An operator's queued row, and its product with the vector of the row before, (n, k): nearer to this row's."""

    operator: Operator
    basis: Tensor
    small: Arrival
    next: Tensor


class LargestEigenvalue:
    """λ_max, from block Krylov spaces of the last row's Ritz vectors and a random one, which sees what overtakes."""

    def __init__(self, n: int, k: int, device: torch.device) -> None:
        self._shape, self._end = (n, k), End(-1.0, 1, n * k)
        self._end.to(device)

    @property
    def vector(self) -> Tensor:
        """The unit Ritz vector of the row collected last, (n, k), float64; random before the first."""
        return self._end.top[0].view(self._shape)

    def variant(self) -> Hashable:
        """Whatever decides which operations the next row takes."""
        return self._end.steps

    def launch(self, operator: Operator, transfer: Transfer) -> Space:
        """Queue a row's products."""
        basis, image = self._end.products(operator, slice(0, 1))
        return Space(
            operator, basis, transfer.add(small_products(basis, image)), self._end.of_top(image)[0].view(self._shape)
        )

    def collect(self, space: Space) -> Ritz | None:
        """The Ritz pairs of a row, from larger spaces where they have not converged; None if they are not finite."""
        pairs = ritz(space.small.array()[0])
        if pairs is not None:
            first = self._end.take(0, Found(space.basis, pairs))
            _, pairs = self._end.converged(0, space.operator, first, 0.0, lambda: None)
            self._end.adapt()
        return pairs

    def state(self) -> State:
        """The end that is followed."""
        return self._end.state()

    def restore(self, state: State) -> None:
        """Take up a state of as many examples and classes, or begin anew without."""
        self._end.begin()
        if state:
            self._end.restore(state)
