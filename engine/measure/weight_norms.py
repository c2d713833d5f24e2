"""‖W_l‖₂ and ‖W_l − W_l(0)‖₂ from above, at the price of a product now and then.

An update moves W_l by ηg_l, and ‖ηg_l‖_F is known from training. So a bound grows by at most that (Weyl), without any
product with W_l; it is found anew, from the singular vector it was found with, once it may be loose.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from engine.device.transfer import Arrival, Transfer
from engine.measure.base import State, part
from engine.measure.lanczos import is_read_from_memory
from engine.measure.layer_threads import LayerThreads
from engine.measure.norm_bound import NormBound, PendingNorms, frobenius_upper, queue_norms
from engine.measure.row_norms import squared_norm


class WeightNorms:
    """Follows all weight matrices.

    Args:
        weights: W_1 … W_L, updated in place by training.
        threads: In which norms of large matrices are found side by side.
        weights_loose: By what share a bound on ‖W‖₂ may become too large before it is found anew.
        distances_loose: The same for ‖W − W(0)‖₂.
    """

    def __init__(
        self,
        weights: list[Tensor],
        threads: LayerThreads | None = None,
        weights_loose: float = 1e-2,
        distances_loose: float = 5e-2,
    ) -> None:
        self._weights = weights
        self._threads = threads or LayerThreads()
        self._norms = [NormBound(weights_loose) for _ in weights]
        self._distances = [NormBound(distances_loose) for _ in weights]
        self._kinds = {"norm": self._norms, "distance": self._distances}
        self._change: Tensor | None = None
        # Of a row that has been launched; ‖W_l − W_l(0)‖_F² of matrices of a shape stand at the first of them.
        self._pending: dict[str, list[PendingNorms | None]] = {"norm": [], "distance": []}
        self._squares: dict[int, Arrival] = {}
        shapes: dict[torch.Size, list[int]] = {}
        for index, weight in enumerate(weights):
            shapes.setdefault(weight.shape, []).append(index)
        self._shapes = list(shapes.values())

    def moved(self, lengths: Sequence[float]) -> None:
        """The weights are about to move by at most these lengths in Frobenius norm, ‖ηg_l‖_F of each."""
        for index, (weight, length) in enumerate(zip(self._weights, lengths, strict=True)):
            frobenius = self._norms[index].upper * math.sqrt(min(weight.shape))
            length += torch.finfo(weight.dtype).eps * (frobenius + length)  # the update is rounded
            self._norms[index].move(length)
            self._distances[index].move(length)

    def launch(self, initial: list[Tensor] | None, transfer: Transfer) -> None:
        """Queue the products that :meth:`norms` and :meth:`distances` read; matrices of one shape together."""
        self._pending = {"norm": [], "distance": []}
        self._squares = {}
        for members in self._shapes:
            stack = torch.stack([self._weights[index] for index in members])
            self._pending["norm"].append(queue_norms(self._norms, members, stack, transfer))
            if initial is not None:
                change = stack.sub_(torch.stack([initial[index] for index in members]))
                squares = torch.linalg.vector_norm(torch.linalg.vector_norm(change, dim=2), dim=1, dtype=torch.float64)
                self._squares[members[0]] = transfer.add(squares.square())
                self._pending["distance"].append(queue_norms(self._distances, members, change, transfer))

    def norms(self) -> list[float]:
        """‖W_l‖₂ from above, one for each matrix."""
        known = self._resolved("norm")

        def measure(index: int) -> None:
            self._norms[index].measure(self._weights[index])

        rest = [index for index in range(len(self._weights)) if index not in known]
        large = [index for index in rest if is_read_from_memory(self._weights[index])]
        if large:
            self._threads.map(measure, large)
        for index in rest:
            if index not in large:
                measure(index)
        return [bound.upper for bound in self._norms]

    def distances(self, initial: list[Tensor]) -> tuple[list[float], list[float]]:
        """Distances of the weights from initialisation.

        Returns:
            ‖W_l − W_l(0)‖₂ from above, and ‖W_l − W_l(0)‖_F². Cost: one pass over all weights, and a product now
            and then.
        """
        known = self._resolved("distance")
        arrived = {
            index: float(square)
            for members in self._shapes
            if members[0] in self._squares
            for index, square in zip(members, self._squares[members[0]].array(), strict=True)
        }
        self._squares = {}
        spectral, squares = [], []
        for index, (bound, weight, then) in enumerate(zip(self._distances, self._weights, initial, strict=True)):
            if index in arrived and (index in known or not bound.is_loose(weight)):
                square, upper = arrived[index], bound.upper
            else:
                change = self._difference(weight, then)
                square = float(squared_norm(change))
                upper = bound.measure(change, frobenius_upper(square, weight.dtype))
            spectral.append(min(upper, frobenius_upper(square, weight.dtype)))
            squares.append(square)
        return spectral, squares

    def _difference(self, weight: Tensor, then: Tensor) -> Tensor:
        """W − W(0), in one buffer for all: fresh memory would cost more than the subtraction."""
        if self._change is None:
            self._change = torch.empty_like(max(self._weights, key=torch.Tensor.numel)).view(-1)
        return torch.sub(weight, then, out=self._change[: weight.numel()].view(weight.shape))

    def _resolved(self, kind: str) -> set[int]:
        """The matrices whose norms were found by queued products."""
        pending, self._pending[kind] = self._pending[kind], []
        return {index for one in pending if one is not None for index in one.resolve(self._kinds[kind])}

    def state(self) -> State:
        """Bounds of both kinds, by matrix."""
        return {
            kind: {str(index): bound.state() for index, bound in enumerate(bounds)}
            for kind, bounds in self._kinds.items()
        }

    def restore(self, state: State) -> None:
        """Take up bounds."""
        for kind, bounds in self._kinds.items():
            for index, (bound, weight) in enumerate(zip(bounds, self._weights, strict=True)):
                bound.restore(part(part(state, kind), str(index)), min(weight.shape))
