"""Extremes of a dense symmetric matrix that changes a little from row to row: found once, then followed.

A small matrix's first row, and every row where following fails, takes the dense solver. Otherwise:

λ_max   Rayleigh–Ritz over a growing basis (Lanczos) that starts from the eigenvector of the rows before, carried on
        along its own motion.
λ_min   the same with the residuals preconditioned by the Cholesky factor of G − σI, σ a little below the Rayleigh
        quotient of the carried vector: shifted inverse iteration. The factorisation is also the certificate: it
        exists only if no eigenvalue lies at or below σ, so that σ < λ_min ≤ θ. How far below the quotient σ is put
        follows from how far the quotient was off in the row before. Where λ_min moves too much for that (a square
        feature matrix, n = width), σ = 0 and a second factorisation certifies what was found. Where nothing is known
        yet, a first factorisation at 0 finds the quotient below which σ is then put.

Everything here is on the host; a caller with many small matrices gives each its own thread. torch factorises and
solves, because scipy would keep other threads waiting meanwhile.
References: Parlett, The Symmetric Eigenvalue Problem, chapters 4 and 13; Davidson, J. Comput. Phys. 17 (1975), for
preconditioned residuals.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.measure.base import State, part, vector
from engine.measure.subspace import ROOM, Ritz, Subspace, probe
from engine.theory.conditioning import resolution

Array = NDArray[np.float64]

DENSE_BELOW = 128
"""Below this order the dense solver costs no more than following both ends."""

COLD_FROM = 768
"""From this order on finding both ends from nothing is cheaper than the dense solver.

At 1000 it takes half as long for features of images, at 2000 for any."""

DENSE_NORM_BELOW = 33
"""Below this order it costs no more than following one norm."""

# The value's own error is of the order of the residual's square over the spectral gap: at most 1e-6 of the value
# where the next eigenvalue is a hundredth away. What is found from nothing stands in for the dense solver, and what
# later rows are compared with is found there.
_TOLERANCE = 1e-4
_COLD_TOLERANCE = 1e-6
# From nothing σ is put this share below the quotient of a vector with a residual of this share.
_COLD_SHIFT = 5e-3
# Most vectors of a basis that starts from nothing.
_COLD_ROOM = 48
# σ lies below the quotient by this many times what the quotient was off by last time, but not nearer than this share.
_CAUTION = 4.0
_CLOSEST = 1e-6
_FIRST = 0.02
# In units of ρ: how much lower still σ is put, so that the rounding of a factorisation does not refuse it; what λ_min
# must exceed for one to distinguish it from 0; and the residual that is below rounding.
_LOWER = 10.0
_LEAST = 100.0
_ROUNDED = 4.0
# Where σ had to be 0, λ_min is certified afterwards to lie within this share of its Ritz value.
_CERTIFIED = 1e-3


@dataclass(frozen=True, slots=True)
class Extremes:
    """Both ends of a spectrum.

    Attributes:
        smallest: λ_min, or a Ritz value and so never below it.
        smallest_lower: A certified lower bound on λ_min, up to rounding (ρ).
        largest: λ_max, or a Ritz value and so never above it.
        largest_residual: An eigenvalue lies within this of ``largest``.
        dense: Whether the dense solver was used.
    """

    smallest: float
    smallest_lower: float
    largest: float
    largest_residual: float
    dense: bool


class Trail:
    """An eigenvector over the last rows, and where it will be next if it goes on as it went."""

    def __init__(self) -> None:
        self._held: dict[str, Array] = {}

    def starts(self) -> list[Array]:
        """Vectors to start from, the best guess first; none before the first row."""
        if "last" not in self._held:
            return []
        last = self._held["last"]
        # The Ritz vector next to it is needed when the two eigenvalues cross.
        continued = [2.0 * last - self._held["before"]] if "before" in self._held else []
        return [*continued, last, *([self._held["second"]] if "second" in self._held else [])]

    def add(self, found: Ritz) -> None:
        """Append the vector of a row; its sign is turned to that of the one before."""
        vector = found.vector
        if "last" in self._held:
            if float(np.dot(vector, self._held["last"])) < 0.0:
                vector = -vector
            self._held["before"] = self._held["last"]
        self._held["last"] = vector
        if found.second is not None:
            self._held["second"] = found.second

    def state(self) -> State:
        """The vectors by name."""
        return {name: torch.from_numpy(held) for name, held in self._held.items()}

    def restore(self, state: State, n: int) -> None:
        """Take up vectors of a length."""
        found = {name: vector(state, name, n) for name in ("last", "before", "second")}
        self._held = {name: held.cpu().numpy() for name, held in found.items() if held is not None}


class GramExtremes:
    """Follows both ends of the spectrum of one layer's Gram matrix."""

    def __init__(self) -> None:
        self._low = Trail()
        self._high = Trail()
        self._known: float | None = None  # λ_min of the row before
        self._off = _FIRST

    def measure(self, gram: Array, *, singular: bool = False) -> Extremes:
        """Both ends of a positive semi-definite matrix.

        Args:
            gram: G, (n, n), symmetric, finite.
            singular: Whether λ_min is known to be 0, as it is for n > width.

        Returns:
            The extremes. Cost: n³/3 flops for the factor (none if singular, two from nothing) and a few n² for each
            product or solve; memory for one more matrix. The dense solver's (4/3)n³ for n < 128, for the first row of
            n < 768, and where following fails.
        """
        cold = self._known is None
        if len(gram) < (COLD_FROM if cold else DENSE_BELOW):
            return self._dense(gram, singular)
        tolerance, room = (_COLD_TOLERANCE, _COLD_ROOM) if cold else (_TOLERANCE, ROOM)
        starts = self._high.starts() or [probe(len(gram))]
        high = Subspace(lambda v: gram @ v, starts, room).search("largest", tolerance)
        if high.residual > tolerance * high.value:
            self._high = Trail()
            return self._dense(gram, singular)
        self._high.add(high)
        if singular:
            self._known = 0.0
            return Extremes(0.0, 0.0, high.value, high.residual, dense=False)
        low = self._smallest(gram, high.value, tolerance)
        if low is None:
            self._low, self._off = Trail(), _FIRST
            return self._dense(gram, singular)
        self._known = low[0].value
        return Extremes(low[0].value, low[1], high.value, high.residual, dense=False)

    def _dense(self, gram: Array, singular: bool) -> Extremes:
        values = np.linalg.eigvalsh(gram)
        self._known = 0.0 if singular else float(values[0])
        return Extremes(self._known, self._known, float(values[-1]), 0.0, dense=True)

    def _smallest(self, gram: Array, largest: float, tolerance: float) -> tuple[Ritz, float] | None:
        """λ_min from above and from below; None where that cannot be certified."""
        rounding = resolution(largest, len(gram))
        starts, off = self._low.starts(), max(_CAUTION * self._off, _CLOSEST)
        space = Subspace(lambda v: gram @ v, starts) if starts else None
        if space is not None:
            quotient = space.ritz("smallest").value
        elif self._known is not None:
            quotient = self._known
        else:
            # From nothing a shift of 0 is good enough to find a shift that is better.
            factor, off = _cholesky_shifted(gram, 0.0), _COLD_SHIFT
            if factor is None:
                return None
            space = Subspace(lambda v: gram @ v, [_solve(factor, probe(len(gram)))], room=_COLD_ROOM)
            quotient = space.search("smallest", _COLD_SHIFT, precondition=functools.partial(_solve, factor)).value
            del factor  # else three matrices would be held
        if not quotient > _LEAST * rounding:
            return None  # too near to singular for a factorisation
        shift = (1.0 - off) * quotient - _LOWER * rounding
        factor = _cholesky_shifted(gram, shift) if shift > 0.0 else None
        if factor is None:
            shift, factor = 0.0, _cholesky_shifted(gram, 0.0)
        if factor is None:
            return None
        if space is None:
            space = Subspace(lambda v: gram @ v, [_solve(factor, probe(len(gram)))])
        found = space.search("smallest", tolerance, precondition=functools.partial(_solve, factor))
        if not shift < found.value or found.residual > max(tolerance * found.value, _ROUNDED * rounding):
            return None
        if not shift > 0.0:
            # That G is positive definite says nothing of λ_min: a second factorisation does.
            shift = (1.0 - _CERTIFIED) * found.value - _LOWER * rounding
            if _cholesky_shifted(gram, shift) is None:
                return None
        self._off = max(quotient / found.value - 1.0, 0.0) if starts else _FIRST
        self._low.add(found)
        return found, shift - rounding

    def state(self) -> State:
        """Vectors of both ends, and what is known of λ_min."""
        ends = {"low": self._low.state(), "high": self._high.state()}
        if self._known is None:
            return ends
        return ends | {"scalars": torch.tensor([self._known, self._off], dtype=torch.float64)}

    def restore(self, state: State, n: int) -> None:
        """Take up what is known of a matrix of order n."""
        self._low.restore(part(state, "low"), n)
        self._high.restore(part(state, "high"), n)
        scalars = vector(state, "scalars", 2)
        self._known, self._off = (None, _FIRST) if scalars is None else scalars.tolist()


class NormFollower:
    """‖M‖₂ from above, for a matrix given by products, followed from row to row.

    Args:
        tolerance: Residual of ‖M‖₂² at which it counts as found, relative: the bound is loose by half of it.
    """

    def __init__(self, tolerance: float = 1e-2) -> None:
        self._tolerance = tolerance
        self._vector: Array | None = None

    def measure(self, square: Callable[[Array], Array], order: int, dense: Callable[[], Array]) -> float:
        """√(θ + residual) of MᵀM, given as v ↦ MᵀMv of an order, and densely where that is needed or cheap."""
        if order >= DENSE_NORM_BELOW:
            start = probe(order) if self._vector is None else self._vector
            with np.errstate(over="ignore"):  # a run that diverges: the residual is infinite then
                found = Subspace(square, [start], room=40).search("largest", self._tolerance)
            if found.residual <= self._tolerance * found.value:
                self._vector = found.vector
                return math.sqrt(found.value + found.residual)
        return math.sqrt(max(float(np.linalg.eigvalsh(dense())[-1]), 0.0))

    def state(self) -> State:
        """The singular vector found last."""
        return {} if self._vector is None else {"vector": torch.from_numpy(self._vector)}

    def restore(self, state: State, order: int) -> None:
        """Take up the singular vector of a matrix with so many columns."""
        held = vector(state, "vector", order)
        self._vector = None if held is None else held.cpu().numpy()


def _cholesky_shifted(gram: Array, shift: float) -> Tensor | None:
    """The lower Cholesky factor of G − σI, or None if that is not positive definite."""
    factor = torch.from_numpy(gram.copy()).mT  # symmetric: in LAPACK's order, so that it is factorised where it lies
    factor.diagonal().sub_(shift)
    failed = torch.empty((), dtype=torch.int32)
    torch.linalg.cholesky_ex(factor, out=(factor, failed))
    return factor if int(failed) == 0 else None


def _solve(factor: Tensor, v: Array) -> Array:
    """(LLᵀ)⁻¹v."""
    half = torch.linalg.solve_triangular(factor, torch.from_numpy(v)[:, None], upper=False)
    solution: Array = torch.linalg.solve_triangular(factor.mT, half, upper=True)[:, 0].numpy()
    return solution
