"""Spectral norms of matrices that training moves, followed from row to row: the best value, and a certain upper end.

value   ‖M‖₂² is the largest Ritz value of MᵀM in a small space, which starts from last row's singular vectors and from
        one vector drawn at random, by which another singular vector that overtakes is seen.
high    A Cholesky factor of τI − MᵀM, or factors of τI ± M where M is symmetric, exist only if no eigenvalue lies above
        τ, which is put a little above the value. Without a factor the Ritz pairs give a bound, from what they leave of
        ‖M‖_F: close where few directions have moved.

Small matrices take the dense solver. Bounds hold with the rounding of what they are made of, by its deterministic
bounds: ku for a sum of k products, and (N + 2)u·tr A for the Cholesky factor of A (Rump, BIT 46 (2006), 433–452). So
factors are in float32 only up to some order. Matrices are divided by their Frobenius norm, so that nothing overflows.
Shapes: m matrices M of a group, (m, p, q) with p ≥ q; blocks (m, q, b).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.device.transfer import Arrival, Transfer, to_device
from engine.measure.base import State, vector
from engine.measure.block_krylov import krylov, small_products
from engine.measure.gram import product_with_transpose

Array = NDArray[np.float64]

DENSE_UP_TO = 80
"""Up to this order the dense solver costs little more than following."""

_SINGLE_UP_TO = 512  # the rounding of a factor of this order in float32 is a hundredth of τ
_SUMMED = 512  # products that are summed at once in float32
_KEPT = 2  # singular vectors
_COLD_PRODUCTS = 12
# τ above the square of the value: in a row's own operations, and where the row is repaired, one after the other.
_APART, _REPAIRS = 0.02, (0.02, 0.1, 0.4)
# A matrix of a smaller norm counts as 0 among products; up to this many times what squares of entries may have lost.
_LEAST, _VANISHED = 1e-30, 1e6
# A direction of a basis of unit vectors that keeps less than this of their squared length depends on the others.
_DEPENDENT = 1e-7


@dataclass(frozen=True, slots=True)
class Norms:
    """Norms of matrices, (count,); NaN where one is not finite.

    Attributes:
        value: ‖M‖₂, too large by rounding at most.
        high: Not below ‖M‖₂.
        frobenius: ‖M‖_F; 1 where it is not asked for.
    """

    value: Array
    high: Array
    frobenius: Array


@dataclass(frozen=True, slots=True)
class Queued:
    """What a row has queued for matrices of one shape."""

    members: list[int]
    basis: Tensor | None
    numbers: dict[str, Arrival]


class SpectralNorms:
    """Follows the norms of matrices.

    Args:
        shapes: Of the matrices.
        like: Gives the device, and the precision in which matrices come; their entries may be rounded there once.
        symmetric: Whether they are.
        factors: Whether their high ends may be found by factors.
        divided: Whether they are divided by ‖M‖_F first; else ‖M‖_F is not known.

    Attributes:
        followed: Whether singular vectors have been found at a row.
        products: How many a row makes; 1 suffices where directions hardly change.
    """

    def __init__(
        self,
        shapes: Sequence[Sequence[int]],
        like: Tensor,
        *,
        symmetric: bool = False,
        factors: bool = False,
        divided: bool = True,
    ) -> None:
        self._symmetric, self._factors, self._divided, self._given = symmetric, factors, divided, like.dtype
        self.products: Literal[1, 2] = 2
        self._shapes = [(max(shape), min(shape)) for shape in shapes]
        # Where they are, they stay, so that a row's operations find them there.
        self._starts = [
            torch.empty(q, _KEPT + 1, dtype=self._precision(q), device=like.device) for _, q in self._shapes
        ]
        self._begin()

    def _begin(self) -> None:
        """Know nothing of the matrices: blocks are drawn at random, of which the last vector stays."""
        draw = torch.Generator().manual_seed(0)
        for start in self._starts:
            drawn = torch.randn(start.shape, generator=draw, dtype=torch.float64)
            start.copy_(drawn / torch.linalg.vector_norm(drawn, dim=0))
        self.followed = False

    def variant(self, *, factor: bool = False) -> Hashable:
        """What tells the operations of rows apart; those of small matrices are always the same."""
        large = any(q > DENSE_UP_TO for _, q in self._shapes)
        return (self.followed, self.products, factor) if large else None

    def operations(self, members: list[int], matrices: Tensor, *, factor: bool = False) -> dict[str, Tensor]:
        """A row's operations.

        Args:
            members: Which matrices; they are of one shape.
            matrices: Theirs, (m, p, q) or (m, q, p).
            factor: Whether high ends are to be found by factors.

        Returns:
            What :meth:`queue` takes.
        """
        q = self._shapes[members[0]][1]
        tall = matrices if matrices.shape[-1] == q else matrices.mT
        lengths = self._lengths(tall)
        if q <= DENSE_UP_TO:
            unit = self._divided_by(tall, lengths)
            return {"lengths": lengths, "normal": unit.mT @ unit}
        start = torch.stack([self._starts[i] for i in members])
        if self._factors:
            unit = self._divided_by(tall, lengths)
            apply = functools.partial(_normal_product, unit, None)
        else:
            # It is cheaper to divide blocks.
            scale = torch.where(lengths > _LEAST, 1.0 / lengths, 0.0).to(tall.dtype)[:, None, None]
            apply = functools.partial(_normal_product, tall, scale if self._divided else None)
        if not self.followed:
            basis, image = krylov(apply, start, _COLD_PRODUCTS)
            return {"lengths": lengths, "basis": basis, "small": small_products(basis, image)}
        first = apply(start)
        if self.products == 1:
            # The product that gives the value is also the next row's block.
            return {"lengths": lengths, "basis": first, "small": small_products(start, first)}
        last = _of_unit_length(first)
        second = apply(last)
        basis, image = torch.cat([start, last], dim=2), torch.cat([first, second], dim=2)
        found = {"lengths": lengths, "basis": basis, "small": small_products(basis, image)}
        if factor:
            quotients = (last * second).sum(dim=1)
            residuals = torch.linalg.vector_norm(second - quotients[:, None] * last, dim=1)
            tau = (1.0 + _APART) * quotients.amax(dim=1) + residuals.amin(dim=1)
            found |= {
                "tau": tau.double(),
                "failed": self._failed(self._to_factorise(unit, self._factor_precision(q)), tau),
            }
        return found

    def queue(self, members: list[int], found: dict[str, Tensor], transfer: Transfer) -> Queued:
        """Ask for what :meth:`operations` has found."""
        numbers = {name: transfer.add(tensor) for name, tensor in found.items() if name != "basis"}
        return Queued(members, found.get("basis"), numbers)

    def collect(self, queued: Sequence[Queued], close: Callable[[int, float], Tensor | None]) -> Norms:
        """The norms of a row.

        Args:
            queued: All matrices.
            close: Makes a matrix, given with its value, anew where its high end is to be close; else None.

        Returns:
            The norms, in the order of the shapes.
        """
        norms = Norms(*(np.full(len(self._shapes), np.nan) for _ in range(3)))
        for together in self._of_one_kind(queued):
            with np.errstate(invalid="ignore", over="ignore"):  # a run that diverges
                self._take(together, norms)
        self.followed = True
        for i, (value, high) in enumerate(zip(norms.value, norms.high, strict=True)):
            if high > (1.0 + 2.0 * _APART) * value and (matrix := close(i, float(value))) is not None:
                norms.high[i] = min(high, self.certified(i, matrix, float(value)))
        return norms

    def _take(self, together: Sequence[Queued], norms: Norms) -> None:
        """Put the norms of groups of one kind in their places."""
        members = [i for group in together for i in group.members]
        arrays = {
            name: np.concatenate([group.numbers[name].array() for group in together]).astype(np.float64, copy=False)
            for name in together[0].numbers
        }
        p, q = (np.array([float(self._shapes[i][k]) for i in members]) for k in range(2))
        lengths, main = arrays["lengths"], arrays["normal" if together[0].basis is None else "small"]
        known = np.isfinite(lengths) & np.isfinite(main).reshape(len(main), -1).all(axis=1)
        main = np.where(known.reshape(-1, *[1] * (main.ndim - 1)), main, 0.0)
        if together[0].basis is None:
            squares = np.maximum(np.linalg.eigvalsh(main)[:, -1], 0.0)
            highs = squares + (p + 6.0 * q) * _unit(torch.float64) * main.trace(0, 1, 2)
        else:
            squares, highs = self._ritz(together, main, p, q)
        if "tau" in arrays:
            proved = np.where(
                arrays["failed"] > 0.0, np.inf, self._proved(arrays["tau"], p, q, self._factor_precision(int(q[0])))
            )
            highs = np.fmin(highs, proved)
        value, high, longest = np.sqrt(squares) * lengths, np.sqrt(highs) * lengths, np.full(len(lengths), np.inf)
        if self._divided:
            # Division rounds, the entries may have been rounded before, and squares of the smallest vanish.
            high += (2.0 * _unit(self._precision(int(q[0]))) + _unit(self._given)) * lengths
            vanished = 1.1 * np.sqrt(p * q * torch.finfo(self._given).tiny)
            longest = lengths * (1.0 + (p + q + 8.0) * _unit(self._given)) + vanished
            high = np.where(lengths > _VANISHED * vanished, high, longest)
        norms.value[members], norms.frobenius[members] = np.where(known, value, np.nan), lengths
        norms.high[members] = np.where(known, np.minimum(high, longest), longest)

    def _of_one_kind(self, queued: Sequence[Queued]) -> list[list[Queued]]:
        """Groups whose numbers have the same shapes, but for how many matrices they are of."""
        kinds: dict[object, list[Queued]] = {}
        for group in queued:
            q = self._shapes[group.members[0]][1]
            kind = q if group.basis is None else (group.basis.shape[2], self._factor_precision(q))
            kinds.setdefault(kind, []).append(group)
        return list(kinds.values())

    def certified(self, i: int, matrix: Tensor, value: float | None = None) -> float:
        """A high end of one matrix's norm by a factor, a hundredth or a few above its value; ∞ if there is none."""
        p, q = self._shapes[i]
        tall = (matrix if matrix.shape[-1] == q else matrix.mT)[None]
        lengths = self._lengths(tall)
        unit = self._divided_by(tall, lengths)
        length, matrices = float(lengths[0]), self._to_factorise(unit, torch.float64)
        if value is None:
            start = self._starts[i][None].to(torch.float64)
            basis, image = krylov(functools.partial(torch.matmul, matrices[0]), start, _COLD_PRODUCTS)
            square = float(_top_pairs(small_products(basis, image).cpu().numpy())[0][0, 0])
        else:
            square = (value / length) ** 2 if length else 0.0
        for apart in _REPAIRS if math.isfinite(square) else ():
            tau = (1.0 + apart) * square
            if not bool(self._failed(matrices, torch.full_like(lengths, tau)).any()):
                proved = self._proved(np.array([tau]), np.array([float(p)]), np.array([float(q)]), torch.float64)
                return (math.sqrt(float(proved[0])) + 3.0 * _unit(unit.dtype)) * length
        return math.inf

    def _precision(self, q: int) -> torch.dtype:
        if q <= DENSE_UP_TO:
            return torch.float64
        return torch.float32 if self._factors else self._given

    def _lengths(self, tall: Tensor) -> Tensor:
        """‖M‖_F, row by row in M's own precision; 1 where it is not to be found."""
        if not self._divided:
            return tall.new_ones(len(tall), dtype=torch.float64)
        rows = torch.linalg.vector_norm(tall, dim=2 if tall.stride(2) == 1 else 1)
        lengths: Tensor = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
        return lengths

    def _divided_by(self, tall: Tensor, lengths: Tensor) -> Tensor:
        precision = self._precision(tall.shape[2])
        if not self._divided:
            return tall.to(precision)
        wide = tall if tall.dtype == torch.float64 else tall.to(precision)
        return (wide / torch.where(lengths > _LEAST, lengths, 1.0).to(wide.dtype)[:, None, None]).to(precision)

    def _ritz(self, together: Sequence[Queued], small: Array, p: Array, q: Array) -> tuple[Array, Array]:
        """The largest Ritz values, squares of norms, and what is certainly not below the largest eigenvalues."""
        values, weights, residuals = _top_pairs(small)
        first = 0
        for group in together:
            assert group.basis is not None
            coefficients = to_device(weights[first : first + len(group.members)], group.basis)
            first += len(group.members)
            for i, found in zip(group.members, _of_unit_length(torch.matmul(group.basis, coefficients)), strict=True):
                self._starts[i][:, :_KEPT] = found
        if not self._divided:
            return values[:, 0], np.full(len(values), np.inf)
        # A = [T Rᵀ; R C] in a basis that begins with the Ritz vectors, T diagonal, and λ_max(C) ≤ tr C.
        error = ((p + q + 4.0) * _unit(self._precision(int(q[0]))))[:, None]
        top, between = values[:, :1], np.cumsum(residuals + error**2, axis=1)
        rest = np.maximum(1.0 - np.cumsum(values, axis=1), 0.0) + 4.0 * error
        bounds = (top + rest + np.sqrt((top - rest) ** 2 + 4.0 * between)) / 2.0
        return values[:, 0], np.minimum(bounds.min(axis=1), 1.0) + 2.0 * error[:, 0]

    def _to_factorise(self, unit: Tensor, precision: torch.dtype) -> list[Tensor]:
        """What the high end is found from: MᵀM, or ±M."""
        # In pieces, because a sum's rounding grows with its length.
        pieces = torch.split(unit, _SUMMED, dim=1) if unit.dtype == torch.float32 else [unit]
        found = unit if self._symmetric else functools.reduce(torch.Tensor.add_, map(product_with_transpose, pieces))
        found = found.to(precision)
        return [found, -found] if self._symmetric else [found]

    def _failed(self, matrices: list[Tensor], tau: Tensor) -> Tensor:
        """Where τI less one of the matrices is not known to be positive definite."""
        shift, failed = tau.sqrt() if self._symmetric else tau, torch.zeros_like(tau, dtype=torch.float64)
        for matrix in matrices:
            shifted = matrix.neg()
            shifted.diagonal(dim1=1, dim2=2).add_(shift.to(matrix.dtype)[:, None])
            failed = failed + torch.linalg.cholesky_ex(shifted)[1]
        return failed + ~torch.isfinite(tau)

    def _factor_precision(self, q: int) -> torch.dtype:
        return torch.float32 if DENSE_UP_TO < q <= _SINGLE_UP_TO else torch.float64

    def _proved(self, tau: Array, p: Array, q: Array, precision: torch.dtype) -> Array:
        """What λ_max(MᵀM), ‖M‖_F = 1, is at most where the factors of :meth:`_failed` exist."""
        summed, factor = _unit(self._precision(int(q[0]))), 1.1 * (q + 4.0) * _unit(precision)
        if self._symmetric:
            root = np.sqrt(tau)
            return np.asarray(root + factor * (q * root + np.sqrt(q)) + 2.0 * summed) ** 2
        return np.asarray(tau + factor * q * tau + 1.1 * (np.minimum(p, _SUMMED) + p / _SUMMED + 4.0) * summed)

    def state(self) -> State:
        """The vectors, by matrix; nothing before the first row."""
        found = {str(i): start[:, :_KEPT].reshape(-1) for i, start in enumerate(self._starts)}
        return found if self.followed else {}

    def restore(self, state: State) -> None:
        """Take up vectors of matrices of these shapes, or begin anew without."""
        self._begin()
        for i, start in enumerate(self._starts):
            held = vector(state, str(i), len(start) * _KEPT)
            if held is not None:
                start[:, :_KEPT] = held.to(start).view(len(start), _KEPT)
        self.followed = bool(state)


def _top_pairs(small: Array) -> tuple[Array, Array, Array]:
    """The last Ritz pairs of each of many matrices.

    Args:
        small: Of :func:`engine.measure.block_krylov.small_products`, (m, 3, r, r), float64.

    Returns:
        Values, (m, kept), the largest first; weights, (m, r, kept); squared residuals, (m, kept).
    """
    overlap, product, square = (small[:, k] for k in range(3))
    sizes, directions = np.linalg.eigh(overlap)
    scales = np.where(sizes > _DEPENDENT, 1.0 / np.sqrt(np.maximum(sizes, _DEPENDENT)), 0.0)
    whitened = directions * scales[:, None, :]
    values, inner = np.linalg.eigh(np.swapaxes(whitened, 1, 2) @ product @ whitened)
    values, weights = values[:, : -_KEPT - 1 : -1], (whitened @ inner)[:, :, : -_KEPT - 1 : -1]
    residuals = np.einsum("mik,mij,mjk->mk", weights, square, weights) - values**2
    return np.maximum(values, 0.0), np.ascontiguousarray(weights), np.maximum(residuals, 0.0)


def _normal_product(tall: Tensor, scale: Tensor | None, block: Tensor) -> Tensor:
    """(sM)ᵀ(sM)V."""
    # With the vectors in rows it takes a third of the time on the host.
    rows = block.mT.contiguous()
    if scale is None:
        return (rows @ tall.mT @ tall).mT
    return (((rows * scale) @ tall.mT @ tall) * scale).mT


def _of_unit_length(block: Tensor) -> Tensor:
    lengths = torch.linalg.vector_norm(block, dim=1, keepdim=True)
    found: Tensor = block / lengths.clamp_(min=torch.finfo(block.dtype).tiny)
    return found


def _unit(dtype: torch.dtype) -> float:
    """The unit roundoff."""
    return torch.finfo(dtype).eps / 2.0
