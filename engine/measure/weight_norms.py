"""‖W_l‖₂ and ‖W_l − W_l(0)‖₂, with certain upper ends at the price of a factor now and then.

A reference is certified by a factor: W(0) at the first row, and W anew where its bound has become loose. An update
moves W_l by ηg_l, and ‖ηg_l‖_F is known from training; so ‖W_l‖₂ is at most that of a reference and what W_l has moved
since (Weyl), and at most ‖W_l(0)‖₂ + ‖W_l − W_l(0)‖₂.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.device.transfer import Transfer
from engine.measure.base import State, part
from engine.measure.layer_threads import LayerThreads, batches, stacked
from engine.measure.spectral_norms import DENSE_UP_TO, Norms, Queued, SpectralNorms

Array = NDArray[np.float64]

# By what share a bound may grow above the one that was certified before W is certified anew.
_LOOSE = 0.05
# By what share of its norm W has to move in a step for its singular vectors to be followed by two products.
_FAR = 0.02
# Most rows or columns of a part whose factor certifies it, of a matrix and of one that is much larger: ‖W‖₂² is at
# most the sum over parts.
_PART, _SMALL_PART = 1024, 512


@dataclass(frozen=True, slots=True)
class WeightRow:
    """The weights at a row.

    Attributes:
        norms: ‖W_l‖₂; the Frobenius norm is not found.
        distances: ‖W_l − W_l(0)‖.
    """

    norms: Norms
    distances: Norms


@dataclass(frozen=True, slots=True)
class Launched:
    """What a row has queued, of W and of W − W(0)."""

    norms: list[Queued]
    distances: list[Queued]


class WeightNorms:
    """Follows all weight matrices.

    Args:
        weights: W_1 … W_L, updated in place by training.
        threads: In which the host works on several.
    """

    def __init__(self, weights: Sequence[Tensor], threads: LayerThreads | None = None) -> None:
        self._weights, self._threads = weights, threads or LayerThreads()
        shapes, count = [tuple(weight.shape) for weight in weights], len(weights)
        self._batches = batches(shapes, [w.numel() * w.element_size() for w in weights], weights[0].device)
        self._norms = SpectralNorms(shapes, weights[0], divided=False)
        self._distances = SpectralNorms(shapes, weights[0])
        self._initial_highs: list[float] | None = None  # certified, of W(0)
        # Above ‖W‖₂ by a reference, with what W has moved since; and how loose it was when it was certified.
        self._references, self._looseness = [math.inf] * count, [1.0] * count

    def variant(self) -> Hashable:
        """Whatever decides the operations of the next row, beside whether there is a W(0) to compare with."""
        return self._norms.variant(), self._distances.variant()

    def moved(self, lengths: Sequence[float]) -> None:
        """The weights are about to move by at most these lengths in Frobenius norm, ‖ηg_l‖_F of each."""
        far = any(length > _FAR * of for length, of in zip(lengths, self._references, strict=True))
        self._norms.products = 2 if far else 1
        for index, (weight, length) in enumerate(zip(self._weights, lengths, strict=True)):
            # Lengths are sums of squares in the training precision, and the update is rounded.
            rounded = torch.finfo(weight.dtype).eps * (self._references[index] * math.sqrt(min(weight.shape)) + length)
            self._references[index] += length * (1.0 + sum(weight.shape) * torch.finfo(weight.dtype).eps) + rounded

    def launch(self, initial: Sequence[Tensor] | None, transfer: Transfer) -> Launched:
        """A row's operations; ``initial`` are W_1(0) … W_L(0) once they have moved."""

        def work(members: list[int]) -> list[dict[str, Tensor]]:
            matrices = stacked(self._weights, members)
            found = [self._norms.operations(members, matrices)]
            if initial is not None:
                found.append(self._distances.operations(members, matrices - stacked(initial, members)))
            return found

        found = self._threads.each(work, self._batches, self._weights[0].device)
        pairs = list(zip(self._batches, found, strict=True))
        return Launched(
            [self._norms.queue(members, batch[0], transfer) for members, batch in pairs],
            [self._distances.queue(members, batch[1], transfer) for members, batch in pairs if initial is not None],
        )

    def collect(self, row: Launched) -> WeightRow:
        """The norms of the row that was launched; the first one is of W(0)."""
        norms = self._norms.collect(row.norms, lambda *_: None)
        if row.distances:
            distances = self._distances.collect(row.distances, lambda *_: None)
        else:
            distances = Norms(*(np.zeros(len(self._weights)) for _ in range(3)))
        if self._initial_highs is None:
            self._certify(list(range(len(self._weights))), norms)
            self._initial_highs = list(self._references)
        highs = self._highs(norms, distances)
        self._certify([i for i, high in enumerate(highs) if self._is_loose(i, high, norms)], norms)
        return WeightRow(Norms(norms.value, self._highs(norms, distances), norms.frobenius), distances)

    def _highs(self, norms: Norms, distances: Norms) -> Array:
        assert self._initial_highs is not None
        return np.fmin(np.fmin(norms.high, self._references), np.array(self._initial_highs) + distances.high)

    def _is_loose(self, i: int, high: float, norms: Norms) -> bool:
        value = float(norms.value[i])
        return math.isfinite(value) and high > (1.0 + _LOOSE) * self._looseness[i] * value

    def _certify(self, members: list[int], norms: Norms) -> None:
        """Make W of today the reference of these matrices."""

        def bound(i: int) -> float:
            weight, value = self._weights[i], float(norms.value[i])
            if min(weight.shape) <= DENSE_UP_TO or not math.isfinite(value):
                return float(norms.high[i])
            order = min(weight.shape)
            count = math.ceil(order / (_PART if order <= 2 * _PART else _SMALL_PART))
            parts = weight.chunk(count, dim=int(weight.shape[0] > weight.shape[1]))
            factors = SpectralNorms([of.shape for of in parts], weight, factors=True)
            known = value if len(parts) == 1 else None
            return math.sqrt(sum(factors.certified(k, of, known) ** 2 for k, of in enumerate(parts)))

        for i, high in zip(members, self._threads.each(bound, members, self._weights[0].device), strict=True):
            self._references[i] = high
            self._looseness[i] = max(high / float(norms.value[i]), 1.0) if norms.value[i] > 0.0 else 1.0

    def state(self) -> State:
        """Vectors and references."""
        return {
            "norm": self._norms.state(),
            "distance": self._distances.state(),
            "references": list(self._references),
            "looseness": list(self._looseness),
            "far": self._norms.products > 1,
        }

    def restore(self, state: State) -> None:
        """Take up vectors and references; without them W(0) is the only reference."""
        self._norms.products = 2 if state.get("far", True) else 1
        self._norms.restore(part(state, "norm"))
        self._distances.restore(part(state, "distance"))
        count = len(self._weights)
        references, looseness = state.get("references", [math.inf] * count), state.get("looseness", [1.0] * count)
        if len(references) != count or len(looseness) != count:
            raise ValueError("it has references of another depth")
        self._references, self._looseness = [float(x) for x in references], [float(x) for x in looseness]
