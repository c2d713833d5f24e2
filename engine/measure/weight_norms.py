"""‖W_l‖₂ and ‖W_l − W_l(0)‖₂ from above, at the price of a product now and then.

An update moves W_l by ηg_l, and ‖ηg_l‖_F is known from training. So a bound grows by at most that (Weyl), and stays a
bound without looking at W_l; it is found anew, from the singular vector it was found with, once it may be loose.
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

from engine.measure.krylov import Sweep, launch, normal_products
from engine.measure.lanczos import spectral_norm_upper, widened_norm
from engine.measure.row_norms import squared_norm
from engine.transfer import Arrival, Transfer

WEIGHTS_LOOSE = 1e-2
"""A bound on ‖W‖₂ is found anew when it may be too large by this share."""

DISTANCES_LOOSE = 5e-2
"""The same for ‖W − W(0)‖₂."""

# Up to this order the dense solver is as cheap as anything.
_SMALL = 65
# A bound that is followed is found this many times more closely than need be, so that it lasts.
_CLOSER = 4.0
# The residual at which ‖M‖₂² counts as found from nothing. With 5e-2 it was seen to miss the edge of a random spectrum.
_COLD_TOLERANCE = 1e-2
# Products of a look that is queued; a warm start seldom needs more.
_AHEAD_PRODUCTS = 4
# In units of eps: what a Frobenius norm in the weights' precision may be too small by.
_ROUNDED = 8.0


class NormBound:
    """An upper bound on the spectral norm of one matrix that training moves.

    Args:
        loose: How loose it may become, as a share.

    Attributes:
        upper: The bound as far as it is known without looking at the matrix; ∞ before the first look.
        vector: The singular vector found last, of the smaller dimension.
    """

    def __init__(self, loose: float) -> None:
        self._loose = loose
        self.upper = math.inf
        self._found = math.nan  # a lower estimate of the norm, less what the matrix has moved since
        self.vector: Tensor | None = None

    def move(self, length: float) -> None:
        """The matrix has moved.

        Args:
            length: By at most this in Frobenius norm.
        """
        self.upper += length
        self._found -= length

    def measure(self, matrix: Tensor) -> float:
        """The bound.

        Args:
            matrix: Shape (p, q), as it is now.

        Returns:
            At most ``loose`` above ‖M‖₂ (found from nothing: 1.5 times that), and not below it as far as residuals can
            tell. Cost: 4pq flops for each of a
            few products, in the matrix's own precision; none as long as the bound is tight. A small matrix takes the
            dense solver at each call.
        """
        if self.is_loose(matrix):
            norm, vector = spectral_norm_upper(matrix, self.vector, tolerance=self.tolerance)
            self.found(norm, vector, dense=min(matrix.shape) < _SMALL)
        return self.upper

    def is_loose(self, matrix: Tensor) -> bool:
        """Whether the norm is to be found anew.

        Args:
            matrix: Shape (p, q).

        Returns:
            True if the bound may be too loose; always for a small matrix.
        """
        return not self.upper <= (1.0 + self._loose) * self._found or min(matrix.shape) < _SMALL

    @property
    def tolerance(self) -> float:
        """The residual of ‖M‖₂² at which the norm counts as found, relative."""
        tolerance = self._loose / _CLOSER
        if self.vector is None:
            # From nothing, every factor of 2 costs several products, and training will soon move it anyway.
            tolerance = max(tolerance, min(self._loose, _COLD_TOLERANCE))
        return tolerance

    def found_densely(self, normal: NDArray[np.floating]) -> None:
        """Take up the norm of a small matrix.

        Args:
            normal: MᵀM in float64, of the smaller order.
        """
        square = float(np.linalg.eigvalsh(normal)[-1]) if np.isfinite(normal).all() else math.nan
        self.upper = self._found = math.sqrt(max(square, 0.0))

    def found(self, norm: float, vector: Tensor, *, dense: bool) -> None:
        """Take up a norm that was found at the tolerance asked for.

        Args:
            norm: The norm, widened by its residual.
            vector: The singular vector, of the smaller dimension.
            dense: Whether the dense solver found it.
        """
        # The norm was widened by its residual, so that this much less is a lower estimate. It is widened once more
        # than the one eigenvalue needs: at the edge of a random matrix's spectrum there is always another near it.
        widening = math.sqrt(1.0 + self.tolerance)
        if self.tolerance > self._loose / _CLOSER:
            widening *= widening  # found from nothing, and not closely: with less, 1 bound of 30 was seen to be none
        self._found, self.upper = norm / widening, norm if dense else norm * widening
        self.vector = vector

    def state(self) -> dict[str, Tensor]:
        """What is carried from row to row.

        Returns:
            Tensors by name, for :meth:`restore`.
        """
        if self.vector is None:
            return {}
        return {
            "vector": self.vector,
            "bounds": torch.tensor([self.upper, self._found], dtype=torch.float64),
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take up what :meth:`state` gave.

        Args:
            state: Tensors by name.
        """
        self.vector = state.get("vector")
        self.upper, self._found = state["bounds"].tolist() if "bounds" in state else (math.inf, math.nan)


@dataclass(frozen=True, slots=True)
class LateLooks:
    """Looks at matrices of one shape that were queued on a device.

    Attributes:
        members: Which matrices.
        shape: Of the matrices, (members, p, q).
        sweep: Products, if the matrices are large.
        normal: MᵀM of the smaller order, if they are small; float64, (members, order, order).
    """

    members: list[int]
    shape: torch.Size
    sweep: Sweep | None = None
    normal: Arrival | None = None

    def tell(self, bounds: list[NormBound]) -> list[int]:
        """Tell the bounds what was found.

        Args:
            bounds: All bounds, of which these are members.

        Returns:
            Which were told; for the others the products did not suffice.
        """
        told = []
        if self.normal is not None:
            for index, normal in zip(self.members, self.normal.array(), strict=True):
                bounds[index].found_densely(normal)
                told.append(index)
        if self.sweep is not None:
            ritz = self.sweep.ritz("largest")
            for index, pair, vector in zip(self.members, ritz, self.sweep.vectors(ritz), strict=True):
                bound = bounds[index]
                if pair is not None and pair.residual <= bound.tolerance * pair.value:
                    norm = widened_norm(pair.value, pair.residual, max(self.shape[1:]), vector.dtype)
                    bound.found(norm, vector, dense=False)
                    told.append(index)
        return told


def queue_looks(bounds: list[NormBound], members: list[int], stack: Tensor, transfer: Transfer) -> list[LateLooks]:
    """Queue a look at matrices of one shape, if the bound of one of them is loose.

    Args:
        bounds: Of all matrices.
        members: Which matrices these are.
        stack: The matrices, (members, p, q).
        transfer: By what the row's numbers come.

    Returns:
        What to read; nothing where a large matrix has never been looked at: how many products that takes cannot be
        foreseen. Cost: 16pq flops for each matrix.
    """
    if not any(bounds[index].is_loose(stack[0]) for index in members):
        return []
    p, q = stack.shape[1:]
    tall = stack.mT if p < q else stack
    if min(p, q) < _SMALL:
        wide = tall.to(torch.float64)
        return [LateLooks(members, stack.shape, normal=transfer.add(wide.mT @ wide))]
    vectors = [bounds[index].vector for index in members]
    starts = [vector for vector in vectors if vector is not None and vector.shape == (min(p, q),)]
    if len(starts) < len(members):
        return []
    sweep = launch(functools.partial(normal_products, tall), torch.stack(starts), _AHEAD_PRODUCTS, transfer)
    return [LateLooks(members, stack.shape, sweep=sweep)]


class WeightNorms:
    """Follows all weight matrices.

    Args:
        weights: W_1 … W_L, updated in place by training.
    """

    def __init__(self, weights: list[Tensor]) -> None:
        self._weights = weights
        self._norms = [NormBound(WEIGHTS_LOOSE) for _ in weights]
        self._distances = [NormBound(DISTANCES_LOOSE) for _ in weights]
        self._change: Tensor | None = None
        # Of a row that has been launched: looks, and ‖W_l − W_l(0)‖_F² of matrices of a shape, by the first of them.
        self._late: dict[str, list[LateLooks]] = {"norm": [], "distance": []}
        self._squares: dict[int, Arrival] = {}
        shapes: dict[torch.Size, list[int]] = {}
        for index, weight in enumerate(weights):
            shapes.setdefault(weight.shape, []).append(index)
        self._shapes = list(shapes.values())

    def moved(self, lengths: Sequence[float]) -> None:
        """The weights are about to move.

        Args:
            lengths: ‖ηg_l‖_F of each.
        """
        for index, (weight, length) in enumerate(zip(self._weights, lengths, strict=True)):
            frobenius = self._norms[index].upper * math.sqrt(min(weight.shape))
            length += torch.finfo(weight.dtype).eps * (frobenius + length)  # the update is rounded
            self._norms[index].move(length)
            self._distances[index].move(length)

    def launch(self, initial: list[Tensor] | None, transfer: Transfer) -> None:
        """Queue on the device what looking at the matrices takes, to be read by :meth:`norms` and :meth:`distances`.

        Matrices of one shape are taken together: that takes as many launches as one of them.

        Args:
            initial: W_1(0) … W_L(0), None before the first update.
            transfer: By what the row's numbers come.
        """
        self._late = {"norm": [], "distance": []}
        self._squares = {}
        for members in self._shapes:
            stack = torch.stack([self._weights[index] for index in members])
            self._late["norm"] += queue_looks(self._norms, members, stack, transfer)
            if initial is not None:
                change = stack.sub_(torch.stack([initial[index] for index in members]))
                squares = torch.linalg.vector_norm(torch.linalg.vector_norm(change, dim=2), dim=1, dtype=torch.float64)
                self._squares[members[0]] = transfer.add(squares.square())
                self._late["distance"] += queue_looks(self._distances, members, change, transfer)

    def norms(self) -> list[float]:
        """‖W_l‖₂ from above.

        Returns:
            One for each matrix.
        """
        told = self._take("norm")
        return [
            bound.upper if index in told else bound.measure(weight)
            for index, (bound, weight) in enumerate(zip(self._norms, self._weights, strict=True))
        ]

    def distances(self, initial: list[Tensor]) -> tuple[list[float], list[float]]:
        """How far the weights are from where they began.

        Args:
            initial: W_1(0) … W_L(0).

        Returns:
            ‖W_l − W_l(0)‖₂ from above, and ‖W_l − W_l(0)‖_F². Cost: one pass over all weights, and a product now and
            then.
        """
        told = self._take("distance")
        arrived = {
            index: float(square)
            for members in self._shapes
            if members[0] in self._squares
            for index, square in zip(members, self._squares[members[0]].array(), strict=True)
        }
        self._squares = {}
        spectral, squares = [], []
        for index, (bound, weight, then) in enumerate(zip(self._distances, self._weights, initial, strict=True)):
            if index in arrived and (index in told or not bound.is_loose(weight)):
                square, upper = arrived[index], bound.upper
            else:
                change = self._difference(weight, then)
                square, upper = float(squared_norm(change)), bound.measure(change)
            frobenius = math.sqrt(square) * (1.0 + _ROUNDED * torch.finfo(weight.dtype).eps)
            spectral.append(min(upper, frobenius))
            squares.append(square)
        return spectral, squares

    def _difference(self, weight: Tensor, then: Tensor) -> Tensor:
        """W − W(0), in one buffer for all: fresh memory would cost more than the subtraction."""
        if self._change is None:
            self._change = torch.empty_like(max(self._weights, key=torch.Tensor.numel)).view(-1)
        return torch.sub(weight, then, out=self._change[: weight.numel()].view(weight.shape))

    def _take(self, kind: str) -> set[int]:
        """Take up what the looks that were queued have found: of which matrices they did."""
        late, self._late[kind] = self._late[kind], []
        return {index for looks in late for index in looks.tell(self._kinds()[kind])}

    def state(self) -> dict[str, Tensor]:
        """What is carried from row to row.

        Returns:
            Tensors by name, for :meth:`restore`.
        """
        return {
            f"{kind}.{index}.{name}": held
            for kind, bounds in self._kinds().items()
            for index, bound in enumerate(bounds)
            for name, held in bound.state().items()
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take up what :meth:`state` gave.

        Args:
            state: Tensors by name.
        """
        for kind, bounds in self._kinds().items():
            for index, bound in enumerate(bounds):
                prefix = f"{kind}.{index}."
                bound.restore({name[len(prefix) :]: held for name, held in state.items() if name.startswith(prefix)})

    def _kinds(self) -> dict[str, list[NormBound]]:
        return {"norm": self._norms, "distance": self._distances}
