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


Shapes: m matrices of order N; blocks (m, N, b).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from engine.device.transfer import Arrival, Host, Transfer
from engine.measure.base import State, part
from engine.measure.block_krylov import deflated_upper, ritz
from engine.measure.intervals import UNKNOWN, ZERO, Extremes, Interval, factor_rounding, quotient_rounding
from engine.measure.layer_threads import LayerThreads
from engine.measure.spectrum_end import End, Space

T = TypeVar("T")
R = TypeVar("R")

DENSE_UP_TO = 128
"""Up to this order the dense solver costs no more than following."""

# Where a shift failed, it is put the first of these shares away from the repaired value that is far enough.
_APART = (5e-3, 3e-2, 0.2)
# Deflation is close enough up to this share above the value.
_TIGHT = 1e-3


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


def _lengths(matrices: Tensor) -> Tensor:
    """‖A‖_F of each, row by row in its own precision and then over rows in float64, (m,)."""
    lengths: Tensor = torch.linalg.vector_norm(torch.linalg.vector_norm(matrices, dim=-1), dim=-1, dtype=torch.float64)
    return lengths
