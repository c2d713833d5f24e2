"""‖W_l‖₂ and ‖W_l − W_l(0)‖₂ from above, at the price of a product now and then.

An update moves W_l by ηg_l, and ‖ηg_l‖_F is known from training. So a bound grows by at most that (Weyl), and stays a
bound without looking at W_l; it is found anew, from the singular vector it was found with, once it may be loose.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from engine.measure.lanczos import spectral_norm_upper
from engine.measure.row_norms import squared_norm

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
# In units of eps: what a Frobenius norm in the weights' precision may be too small by.
_ROUNDED = 8.0


class NormBound:
    """An upper bound on the spectral norm of one matrix that training moves.

    Args:
        loose: How loose it may become, as a share.

    Attributes:
        upper: The bound as far as it is known without looking at the matrix; ∞ before the first look.
    """

    def __init__(self, loose: float) -> None:
        self._loose = loose
        self.upper = math.inf
        self._found = math.nan  # a lower estimate of the norm, less what the matrix has moved since
        self._vector: Tensor | None = None

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
            At most ``loose`` above ‖M‖₂, and not below it as far as residuals can tell. Cost: 4pq flops for each of a
            few products, in the matrix's own precision; none as long as the bound is tight. A small matrix takes the
            dense solver at each call.
        """
        if not self.upper <= (1.0 + self._loose) * self._found or min(matrix.shape) < _SMALL:
            tolerance = self._loose / _CLOSER
            if self._vector is None:
                # From nothing, every factor of 2 costs several products, and training will soon move it anyway.
                tolerance = max(tolerance, min(self._loose, _COLD_TOLERANCE))
            norm, self._vector = spectral_norm_upper(matrix, self._vector, tolerance=tolerance)
            # The norm was widened by its residual, so that this much less is a lower estimate. It is widened once more
            # than the one eigenvalue needs: at the edge of a random matrix's spectrum there is always another near it.
            widening = math.sqrt(1.0 + tolerance)
            dense = min(matrix.shape) < _SMALL
            self._found, self.upper = norm / widening, norm if dense else norm * widening
        return self.upper

    def state(self) -> dict[str, Tensor]:
        """What is carried from row to row.

        Returns:
            Tensors by name, for :meth:`restore`.
        """
        if self._vector is None:
            return {}
        return {
            "vector": self._vector,
            "bounds": torch.tensor([self.upper, self._found], dtype=torch.float64),
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take up what :meth:`state` gave.

        Args:
            state: Tensors by name.
        """
        self._vector = state.get("vector")
        self.upper, self._found = state["bounds"].tolist() if "bounds" in state else (math.inf, 0.0)


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

    def norms(self) -> list[float]:
        """‖W_l‖₂ from above.

        Returns:
            One for each matrix.
        """
        return [bound.measure(weight) for bound, weight in zip(self._norms, self._weights, strict=True)]

    def distances(self, initial: list[Tensor]) -> tuple[list[float], list[float]]:
        """How far the weights are from where they began.

        Args:
            initial: W_1(0) … W_L(0).

        Returns:
            ‖W_l − W_l(0)‖₂ from above, and ‖W_l − W_l(0)‖_F². Cost: one pass over all weights, and a product now and
            then.
        """
        spectral, squares = [], []
        if self._change is None:
            self._change = torch.empty_like(max(self._weights, key=torch.Tensor.numel)).view(-1)
        for bound, weight, then in zip(self._distances, self._weights, initial, strict=True):
            # One buffer for all: fresh memory would cost more than the subtraction.
            change = torch.sub(weight, then, out=self._change[: weight.numel()].view(weight.shape))
            square = float(squared_norm(change))
            frobenius = math.sqrt(square) * (1.0 + _ROUNDED * torch.finfo(weight.dtype).eps)
            spectral.append(min(bound.measure(change), frobenius))
            squares.append(square)
        return spectral, squares

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
