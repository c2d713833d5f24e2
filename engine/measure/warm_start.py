"""Warm start: the last eigenvector, extrapolated along its motion where that fitted better at the row before."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from engine.measure.base import State, vector


class WarmStart:
    """An eigenvector over the last rows, as a start for the next."""

    def __init__(self) -> None:
        self.last: Tensor | None = None
        self._before: Tensor | None = None
        self._extrapolate: Tensor | None = None  # a truth value where the vectors live

    def guess(self) -> Tensor | None:
        """A vector to start from, (dimension,), not normalised; None before the first row."""
        last, before = self.last, self._before
        if last is None or before is None or self._extrapolate is None:
            return last
        return _chosen(self._extrapolate, lambda: 2.0 * last - before, last)

    def add(self, vector: Tensor) -> None:
        """Append the vector of a row.

        Args:
            vector: Unit vector, (dimension,); its sign is turned to that of the one before. Cost: two dot products.
        """
        last, before = self.last, self._before
        if last is not None:
            cosine = vector @ last
            vector = _chosen(cosine < 0.0, lambda: -vector, vector)
            if before is not None:
                # |2a − b|² = 5 − 4⟨a, b⟩ for unit vectors a, b.
                along, turned = cosine.abs().double(), (before @ last).double()
                extrapolated = 2.0 * along - (vector @ before).double()
                self._extrapolate = extrapolated > along * (5.0 - 4.0 * turned).sqrt()
            else:
                self._extrapolate = torch.ones((), dtype=torch.bool, device=vector.device)
            self._before = last
        self.last = vector

    def restart_from(self, vector: Tensor) -> None:
        """Start from another vector next time, (dimension,), not zero."""
        self.last, self._before, self._extrapolate = vector / vector.norm(), None, None

    def state(self) -> State:
        """Vectors by name; which name the earlier one has says whether to extrapolate."""
        if self.last is None:
            return {}
        if self._before is None:
            return {"last": self.last}
        extrapolates = self._extrapolate is not None and bool(self._extrapolate)
        return {"last": self.last, "continued" if extrapolates else "before": self._before}

    def restore(self, state: State, length: int) -> None:
        """Take up a state of vectors of a length."""
        self.last = vector(state, "last", length)
        extrapolates = "continued" in state
        self._before = vector(state, "continued" if extrapolates else "before", length)
        self._extrapolate = None
        if self._before is not None:
            self._extrapolate = torch.tensor(extrapolates, device=self._before.device)


def _chosen(condition: Tensor, changed: Callable[[], Tensor], unchanged: Tensor) -> Tensor:
    """One of two vectors: on the host by looking, on a device by computing both, so that nothing waits for it."""
    if condition.device.type == "cpu":
        return changed() if bool(condition) else unchanged
    return torch.where(condition, changed(), unchanged)
