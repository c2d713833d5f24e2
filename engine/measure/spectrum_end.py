"""One end of the spectra of a batch of matrices, followed by block Krylov spaces and factors of shifted matrices."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from engine.device.transfer import to_device
from engine.measure.base import State, part, vector
from engine.measure.block_krylov import Ritz, krylov, ritz, small_products

_BLOCK = 4
# Products of a block: when nothing is known, at first along a run, and at least and at most.
_COLD, _WARM, _LEAST, _MOST = 8, 4, 2, 10
# The error of a value as its residual suggests it, relative and some ten times too large: above the first the row is
# repaired, above the second the next row makes one more product, and below the third, for so many rows, one less.
_REPAIRED_ABOVE, _MORE_ABOVE, _LESS_BELOW, _CALM = 1e-4, 3e-5, 1e-8, 16
_REPAIRS = 12
# A shift is put this share outside the value, and this many times what the value has moved by in the last rows; at most
# the last share.
_CLOSE, _CAUTION, _FARTHEST = 1e-3, 2.0, 0.5


@dataclass(frozen=True, slots=True)
class Space:
    """A basis of one matrix, (1, N, r), and the pairs in it."""

    basis: Tensor
    pairs: Ritz


class Matrix(Protocol):
    """What products are made with: one matrix, (1, N, N), or what is known by its products alone."""

    @property
    def dtype(self) -> torch.dtype:
        """The precision of products."""

    def __matmul__(self, block: Tensor, /) -> Tensor:
        """AV of a block, (1, N, b)."""


class End:
    """One end of the spectra of a batch.

    Args:
        sign: 1 for λ_min, with factors of A − σI; −1 for λ_max, with factors of σI − A.
        count: m.
        order: N.
    """

    def __init__(self, sign: float, count: int, order: int) -> None:
        self.sign = sign
        self._last = 0 if sign > 0.0 else -1
        self._picked = slice(0, _BLOCK - 1) if sign > 0.0 else slice(-_BLOCK + 1, None)
        # Where they are, they stay, so that a row's operations find them there.
        self._starts = torch.empty(count, order, _BLOCK, dtype=torch.float64)
        self._at = torch.zeros(count, dtype=torch.float64)
        self.begin()

    def begin(self) -> None:
        """Know nothing of the matrices."""
        count, order, _ = self._starts.shape
        self.steps = _WARM
        self.shifts = [0.0] * count  # of the next row
        self.factorised = [self.sign > 0.0] * count
        self._values: list[list[float]] = [[] for _ in range(count)]
        self._errors, self._calm = [0.0] * count, 0
        draw = torch.Generator().manual_seed(0)
        self._starts.copy_(torch.randn(order, _BLOCK, generator=draw, dtype=torch.float64))

    def to(self, device: torch.device) -> None:
        """Take blocks and shifts to a device."""
        self._starts, self._at = self._starts.to(device), self._at.to(device)

    @property
    def top(self) -> Tensor:
        """The Ritz vectors of the last value, (m, N)."""
        return self.of_top(self._starts)

    def of_top(self, images: Tensor) -> Tensor:
        """What belongs to these vectors of the images of the blocks, (m, N, r)."""
        return images[:, :, _BLOCK - 2]

    def prepare(self) -> None:
        """Take the shifts there."""
        self._at.copy_(to_device(np.array(self.shifts), self._at))

    def products(self, a: Matrix, group: slice) -> tuple[Tensor, Tensor]:
        """The bases of a row, and their images."""
        return _space(a, self._starts[group].to(a.dtype), self.steps)

    def run(self, a: Tensor, group: slice, room: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A row's operations: bases, their small products, and where a factor has failed, 0 elsewhere."""
        failed = a.new_zeros(len(a), dtype=torch.float64)
        if self.sign > 0.0:
            factor, failed = self._factor(a, self._at[group], room)
            basis, image = _space(a, self._starts[group].to(a.dtype), self.steps, factor)
        else:
            basis, image = self.products(a, group)
            if any(self.factorised[group]):
                _, failed = self._factor(a, self._at[group], room)
        return basis, small_products(basis, image), failed

    def space(self, i: int, a: Matrix, factor: Tensor | None = None) -> Space:
        """A larger space of one matrix, from its block, which goes on with the pairs found."""
        basis, image = _space(a, self._starts[i : i + 1].to(a.dtype), _COLD, factor)
        pairs = ritz(small_products(basis, image)[0].cpu().numpy())
        assert pairs is not None, "the matrix is finite and the factor exists"
        return self.take(i, Space(basis, pairs))

    def take(self, i: int, space: Space) -> Space:
        """Let the block of one matrix go on with pairs."""
        weights = torch.from_numpy(np.ascontiguousarray(space.pairs.weights[:, self._picked])).to(self._starts)
        self._starts[i, :, : weights.shape[1]] = space.basis[0].double() @ weights
        return space

    def converged(
        self, i: int, a: Matrix, space: Space, floor: float, factor: Callable[[], Tensor | None]
    ) -> tuple[float, Ritz]:
        """The extreme value of one matrix, from larger spaces where need be; up to the floor it is rounding."""
        self._errors[i], solver = space.pairs.error(self._last), None
        for _ in range(_REPAIRS):
            if not (space.pairs.error(self._last) > _REPAIRED_ABOVE and space.pairs.values[self._last] > floor):
                break
            solver = factor() if solver is None else solver
            space = self.space(i, a, solver)
        return float(space.pairs.values[self._last]), space.pairs

    def factor(self, a: Tensor, shift: float) -> Tensor | None:
        """The Cholesky factor of one shifted matrix, if there is one."""
        at = torch.full((1,), shift, dtype=torch.float64, device=a.device)
        factor, failed = self._factor(a, at, torch.empty_like(a))
        return None if bool(failed.any()) else factor

    def move(self, i: int, value: float, floor: float) -> None:
        """Put the next row's shift outside this row's value, by what it has moved in the last rows."""
        self._values[i] = values = [*self._values[i][-2:], value]
        drift = max((abs(b - a) for a, b in itertools.pairwise(values)), default=0.1 * value)
        margin = min(_CLOSE * value + _CAUTION * drift, _FARTHEST * value)
        # A matrix that is singular up to rounding has a factor only when shifted the other way.
        self.shifts[i] = value - self.sign * margin if value > floor else -2.0 * floor

    def adapt(self) -> None:
        """Make more products in the next row, or fewer; seldom, for every number of them is a program of its own."""
        worst = max(self._errors)
        self._calm = self._calm + 1 if worst < _LESS_BELOW else 0
        fewer = self._calm == _CALM
        self._calm %= _CALM
        self.steps += (worst > _MORE_ABOVE) + (worst > _REPAIRED_ABOVE) - fewer
        self.steps = min(max(self.steps, _LEAST), _MOST)

    def _factor(self, a: Tensor, shifts: Tensor, room: Tensor) -> tuple[Tensor, Tensor]:
        """Factors of ±(A − σI), in room of their size, and LAPACK's info, which is 0 where they exist."""
        torch.mul(a, self.sign, out=room)
        room.diagonal(dim1=-2, dim2=-1).sub_((self.sign * shifts).to(a.dtype)[:, None])
        factor = room.mT  # symmetric: in LAPACK's order, so that it is factorised where it lies
        failed = torch.empty(len(a), dtype=torch.int32, device=a.device)
        torch.linalg.cholesky_ex(factor, out=(factor, failed))
        return factor, failed.double()

    def state(self) -> State:
        """Blocks by matrix, and the host's numbers."""
        return {
            "steps": self.steps,
            "calm": self._calm,
            "shifts": list(self.shifts),
            "factorised": list(self.factorised),
            "values": [list(of) for of in self._values],
            "block": {str(i): block.reshape(-1) for i, block in enumerate(self._starts)},
        }

    def restore(self, state: State) -> None:
        """Take up a state of as many matrices of this order."""
        blocks = part(state, "block")
        for i, start in enumerate(self._starts):
            held = vector(blocks, str(i), start.numel())
            if held is None:
                raise ValueError(f"block {i} is missing")
            start.copy_(held.view(start.shape))
        self.steps, self._calm = int(state["steps"]), int(state["calm"])
        self.shifts, self.factorised, self._values = (list(state[name]) for name in ("shifts", "factorised", "values"))
        if {len(self.shifts), len(self.factorised), len(self._values)} != {len(self._starts)}:
            raise ValueError("it is of another number of matrices")


def _space(a: Matrix, start: Tensor, steps: int, factor: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """A block Krylov space of A, or of its inverse by a factor, and its image under A."""
    if factor is None:
        return krylov(lambda block: a @ block, start, steps)
    basis, _ = krylov(functools.partial(_solve, factor), _solve(factor, start), steps)
    return basis, a @ basis


def _solve(factor: Tensor, block: Tensor) -> Tensor:
    """(LLᵀ)⁻¹V by two triangular solves, which a device can queue."""
    half = torch.linalg.solve_triangular(factor, block, upper=False)
    solution: Tensor = torch.linalg.solve_triangular(factor.mT, half, upper=True)
    return solution
