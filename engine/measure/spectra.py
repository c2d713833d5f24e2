"""Extremes of symmetric positive semidefinite matrices, a batch of one order, followed from row to row.

Every extreme is an interval that holds the eigenvalue, with the best value inside.

λ_max   Rayleigh–Ritz over a block Krylov space: a lower end. The upper end comes from what the space leaves over
        (:func:`engine.measure.block_krylov.deflated_upper`) where that is close, else from a Cholesky factor of τI − A:
        it exists only if no eigenvalue lies above τ.
λ_min   The same over a block Krylov space of (A − σI)⁻¹, σ a little below the value of the row before: an upper end.
        The Cholesky factor is solver and certificate: it exists only if no eigenvalue lies below σ.

Every block holds last row's Ritz vectors and one drawn at random, by which an eigenvector that overtakes is seen. A
row's operations are fixed before it begins; shifts, numbers of steps and what is factorised change between rows, on the
host. Where a shift has failed or a space has not converged, the row is repaired while it is read. Small matrices are
solved densely.

Rounding: a factor of order N that completes proves λ_min(A) > σ − γ_{N+1}·tr(A − σI), γ_k = ku/(1 − ku) (Rump, BIT 46
(2006), 433–452). In float32 that says nothing, and c√N·u·‖A‖ takes its place, a probabilistic bound.

Shapes: m matrices of order N; blocks (m, N, b).
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from engine.device.transfer import Arrival, Host, Transfer, to_device
from engine.measure.base import State, part, vector
from engine.measure.block_krylov import Ritz, deflated_upper, krylov, ritz, small_products
from engine.measure.layer_threads import LayerThreads

T = TypeVar("T")
R = TypeVar("R")

DENSE_UP_TO = 128
"""Up to this order the dense solver costs no more than following."""

_BLOCK = 4
# Products of a block: when nothing is known, at first along a run, and at least and at most.
_COLD, _WARM, _LEAST, _MOST = 8, 4, 2, 10
# The error of a value as its residual suggests it, relative and some ten times too large: above the first the row is
# repaired, above the second the next row makes one more product, and below the third, for so many rows, one less.
_REPAIRED_ABOVE, _MORE_ABOVE, _LESS_BELOW, _CALM = 1e-4, 3e-5, 1e-8, 16
_REPAIRS = 12
# A shift is put this share outside the value, and this many times what the value has moved by in the last rows; at most
# the last share. Where it failed, it is put the first of these shares away from the repaired value that is far enough.
_CLOSE, _CAUTION, _FARTHEST = 1e-3, 2.0, 0.5
_APART = (5e-3, 3e-2, 0.2)
# Deflation is close enough up to this share above the value.
_TIGHT = 1e-3
# Of the bound on rounding in float32: measured errors are a tenth of it.
_PROBABLE = 2.0


@dataclass(frozen=True, slots=True)
class Interval:
    """A number with its ends.

    Attributes:
        low: Certainly not above the quantity.
        value: The best that is known of it.
        high: Certainly not below it.
    """

    low: float
    value: float
    high: float


@dataclass(frozen=True, slots=True)
class Extremes:
    """λ_min and λ_max of one matrix."""

    smallest: Interval
    largest: Interval


UNKNOWN, ZERO = Interval(math.nan, math.nan, math.nan), Interval(0.0, 0.0, 0.0)


def factor_rounding(order: int, dtype: torch.dtype, trace: float, norm: float) -> float:
    """A bound on −λ_min(A) where a Cholesky factor of A has completed.

    Args:
        order: N.
        dtype: The factor's precision.
        trace: tr A.
        norm: ‖A‖₂, about.

    Returns:
        Rump's bound in float64; in float32 a probabilistic one.
    """
    unit = torch.finfo(dtype).eps / 2
    if dtype == torch.float64:
        return 1.01 * (order + 2) * unit * trace
    return _PROBABLE * math.sqrt(order) * unit * norm


def quotient_rounding(order: int, dtype: torch.dtype, frobenius: float, norm: float) -> float:
    """A bound on the error of a Rayleigh quotient of A by its products; probabilistic in float32."""
    unit = torch.finfo(dtype).eps / 2
    if dtype == torch.float64:
        return 2.0 * (order + 2) * unit * frobenius
    return _PROBABLE * math.sqrt(order) * unit * norm


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


@dataclass(frozen=True, slots=True)
class Launched:
    """A row that was queued: the matrices, bases of both ends by matrix, and what the host will read."""

    matrices: Tensor
    bases: dict[str, list[Tensor]] = field(default_factory=dict)
    arrivals: dict[str, Arrival] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _One:
    """One matrix of a row, (1, N, N), and what has arrived of it."""

    i: int
    launched: Launched
    arrays: Mapping[str, Host]

    @property
    def matrix(self) -> Tensor:
        return self.launched.matrices[self.i : self.i + 1]


class Spectra:
    """Follows both ends of the spectra of matrices of one order.

    Cost of a row, per matrix: one Cholesky factor (N³/3 flops), a second where the upper end needs it, and some 16 to
    40 products with A or its factor.

    Args:
        count: m.
        order: N.
        singular: Whether λ_min is 0 whatever the matrices are.
        threads: In which the host does matrices side by side.
    """

    def __init__(self, count: int, order: int, *, singular: bool = False, threads: LayerThreads | None = None) -> None:
        self._count, self._order, self._singular = count, order, singular
        self._threads = threads or LayerThreads()
        ends = {"high": -1.0} if singular else {"high": -1.0, "low": 1.0}
        self._ends = {} if order <= DENSE_UP_TO else {name: End(sign, count, order) for name, sign in ends.items()}
        self._followed = False
        self._room: Tensor | None = None
        self._tops = torch.ones(count, order, dtype=torch.float64)  # of those solved densely

    def variant(self) -> Hashable:
        """Whatever decides which operations the next row takes."""
        return self._followed, *((end.steps, *end.factorised) for end in self._ends.values())

    def prepare(self) -> None:
        """Take the next row's shifts to the device."""
        for end in self._ends.values():
            end.prepare()

    def launch(self, matrices: Tensor, transfer: Transfer) -> Launched:
        """Queue a row.

        Args:
            matrices: A, (m, N, N), symmetric, float64 or float32; they stay until the row has been collected.
            transfer: By what the host gets the small products.

        Returns:
            What :meth:`collect` reads.
        """
        launched = Launched(matrices)
        if not self._ends:
            launched.arrivals["dense"] = transfer.add(matrices)
            return launched
        sizes = [matrices.diagonal(dim1=-2, dim2=-1).sum(dim=-1, dtype=torch.float64), _lengths(matrices)]
        launched.arrivals["sizes"] = transfer.add(torch.stack(sizes, dim=1))
        if not self._followed:
            return launched
        kept = self._room is not None and self._room.dtype == matrices.dtype
        room = self._room if kept and self._room is not None else torch.empty_like(matrices)
        # All at once on a device; one a thread on the host, which a single small matrix cannot keep busy.
        together = matrices.device.type != "cpu"
        groups = [slice(0, self._count)] if together else [slice(i, i + 1) for i in range(self._count)]

        def run(group: slice) -> list[tuple[Tensor, Tensor, Tensor]]:
            return [end.run(matrices[group], group, room[group]) for end in self._ends.values()]

        for name, parts in zip(self._ends, zip(*self._map(run, groups), strict=True), strict=True):
            bases, small, failed = zip(*parts, strict=True)
            launched.bases[name] = [basis[k : k + 1] for basis in bases for k in range(len(basis))]
            launched.arrivals[name] = transfer.add(torch.cat(small))
            launched.arrivals[f"{name}_failed"] = transfer.add(torch.cat(failed))
        return launched

    def collect(self, launched: Launched, noise: Sequence[float]) -> list[Extremes]:
        """The extremes of the row.

        Args:
            launched: The row.
            noise: For each matrix a bound on ‖A − exact A‖₂: what forming it has rounded.

        Returns:
            Intervals, NaN where a matrix is not finite.
        """
        matrices = launched.matrices
        arrays = {name: arrival.array() for name, arrival in launched.arrivals.items()}
        if not self._ends:
            dense = arrays["dense"]
            return self._map(lambda i: self._densely(i, dense[i], noise[i]), range(self._count))
        if not self._followed:
            for end in self._ends.values():
                end.to(matrices.device)
        if self._room is None or self._room.dtype != matrices.dtype:
            self._room = torch.empty_like(matrices)
        found = self._map(
            lambda i: self._extremes(_One(i, launched, {name: of[i] for name, of in arrays.items()}), noise[i]),
            range(self._count),
        )
        self._followed = True
        for end in self._ends.values():
            end.adapt()
        return found

    def top_vectors(self) -> Tensor:
        """Unit Ritz vectors of λ_max of the row collected last, (m, N), float64; of any direction before the first."""
        return self._ends["high"].top if self._ends else self._tops

    def _map(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """The function of every item, side by side; one matrix alone has all threads of torch."""
        return [function(items[0])] if len(items) == 1 else self._threads.map(function, items)

    def _densely(self, i: int, matrix: Host, noise: float) -> Extremes:
        if not np.isfinite(matrix).all():
            return Extremes(UNKNOWN, UNKNOWN)
        values, vectors = np.linalg.eigh(matrix.astype(np.float64, copy=False))
        self._tops[i] = torch.from_numpy(vectors[:, -1])
        # The solver is backward stable.
        rounding = noise + max(self._order, 16) * float(np.finfo(np.float64).eps) * float(values[-1])
        low, high = max(float(values[0]), 0.0), float(values[-1])
        smallest = Interval(max(low - rounding, 0.0), low, low + rounding)
        return Extremes(ZERO if self._singular else smallest, Interval(high - rounding, high, high + rounding))

    def _extremes(self, one: _One, noise: float) -> Extremes:
        trace, frobenius = one.arrays["sizes"].tolist()
        if not math.isfinite(frobenius):
            return Extremes(UNKNOWN, UNKNOWN)
        largest = self._largest(one, trace, frobenius, noise)
        if self._singular:
            return Extremes(ZERO, largest)
        return Extremes(self._smallest(one, trace, frobenius, largest.value, noise), largest)

    def _found(self, name: str, one: _One) -> Space | None:
        """The space of a row that was queued; None where a factor has failed, or at the first row."""
        if name not in one.arrays or (name == "low" and one.arrays["low_failed"]):
            return None
        pairs, end = ritz(one.arrays[name]), self._ends[name]
        return None if pairs is None else end.take(one.i, Space(one.launched.bases[name][one.i], pairs))

    def _largest(self, one: _One, trace: float, frobenius: float, noise: float) -> Interval:
        end, order, a, i = self._ends["high"], self._order, one.matrix, one.i
        certified = end.factorised[i] and not one.arrays.get("high_failed", 1.0)
        space = self._found("high", one) or end.space(i, a)
        value, pairs = end.converged(i, a, space, 0.0, lambda: None)
        rounding = quotient_rounding(order, a.dtype, frobenius, value) + noise
        upper = deflated_upper(pairs, trace, frobenius**2, order) + 2.0 * rounding
        if end.factorised[i] or upper > (1.0 + _TIGHT) * value:
            end.factorised[i] = True
            near = ((1.0 + apart) * value for apart in _APART)
            shift = end.shifts[i] if certified else next((at for at in near if end.factor(a, at) is not None), math.inf)
            if shift < math.inf:
                upper = min(upper, shift + factor_rounding(order, a.dtype, order * shift - trace, shift) + noise)
        end.move(i, value, 0.0)
        return Interval(value - rounding, value, max(upper, value))

    def _smallest(self, one: _One, trace: float, frobenius: float, norm: float, noise: float) -> Interval:
        end, a, i = self._ends["low"], one.matrix, one.i
        rounding = factor_rounding(self._order, a.dtype, trace, norm) + noise
        floor = 4.0 * rounding  # up to this A may be singular
        shift, space = end.shifts[i], self._found("low", one)
        if space is None:
            # A factor at 0 is good enough to find a shift that is better.
            factors = ((at, end.factor(a, at)) for at in (0.0, -floor))
            shift, factor = next((pair for pair in factors if pair[1] is not None), (-math.inf, None))
            if factor is None:  # forming has rounded more than it should
                return Interval(0.0, 0.0, norm)
            space = end.space(i, a, factor)
            del factor  # else three matrices would be held
            for apart in _APART:
                at = (1.0 - apart) * float(space.pairs.values[0])
                if at > floor and end.factor(a, at) is not None:
                    shift = at
                    break
        value, _ = end.converged(i, a, space, floor, lambda: end.factor(a, shift))
        end.move(i, value, floor)
        low, value = max(shift - rounding, 0.0), max(value, 0.0)
        return Interval(
            min(low, value), value, value + quotient_rounding(self._order, a.dtype, frobenius, norm) + noise
        )

    def state(self) -> State:
        """Both ends; nothing before the first row."""
        return {name: end.state() for name, end in self._ends.items()} if self._followed else {}

    def restore(self, state: State, device: torch.device) -> None:
        """Take up a state, or begin anew with none; KeyError or ValueError where it does not fit."""
        self._followed = bool(state)
        for name, end in self._ends.items():
            end.to(device)
            end.begin()
            if state:
                end.restore(part(state, name))


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


def _lengths(matrices: Tensor) -> Tensor:
    """‖A‖_F of each, row by row in its own precision and then over rows in float64, (m,)."""
    lengths: Tensor = torch.linalg.vector_norm(torch.linalg.vector_norm(matrices, dim=-1), dim=-1, dtype=torch.float64)
    return lengths
