"""Where an iteration starts that ran at the rows before."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor


class WarmStart:
    """An eigenvector over the last rows: the last one, or where it will be next if it goes on as it went.

    Both guesses are held against what was then found, and the better one of last time is given.
    """

    def __init__(self) -> None:
        self._last: Tensor | None = None
        self._before: Tensor | None = None
        self._continue: Tensor | None = None  # whether to, a truth value where the vectors live

    def guess(self) -> Tensor | None:
        """A vector to start from.

        Returns:
            Shape (dimension,), not normalised; None before the first row.
        """
        last, before = self._last, self._before
        if last is None or before is None or self._continue is None:
            return last
        return _chosen(self._continue, lambda: 2.0 * last - before, last)

    def found(self, vector: Tensor) -> None:
        """Tell what was found.

        Args:
            vector: Unit vector, (dimension,); its sign is turned to that of the one before. Cost: two dot products.
        """
        last, before = self._last, self._before
        if last is not None:
            turned_away = vector @ last
            vector = _chosen(turned_away < 0.0, lambda: -vector, vector)
            if before is not None:
                # |2a − b|² = 5 − 4⟨a, b⟩ for unit vectors a, b.
                along, turned = turned_away.abs().double(), (before @ last).double()
                continued = 2.0 * along - (vector @ before).double()
                self._continue = continued > along * (5.0 - 4.0 * turned).sqrt()
            else:
                self._continue = torch.ones((), dtype=torch.bool, device=vector.device)
            self._before = last
        self._last = vector

    def jump(self, vector: Tensor) -> None:
        """Start from elsewhere next time.

        Args:
            vector: Shape (dimension,), not zero.
        """
        self._last, self._before, self._continue = vector / vector.norm(), None, None

    def state(self) -> dict[str, Tensor]:
        """What is carried from row to row.

        Returns:
            Vectors by name, for :meth:`restore`.
        """
        if self._last is None:
            return {}
        if self._before is None:
            return {"last": self._last}
        # Whether to go on along the line is told by which vectors there are under which name.
        continues = self._continue is not None and bool(self._continue)
        return {"last": self._last, "continued" if continues else "before": self._before}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up what :meth:`state` gave.

        Args:
            state: Vectors by name.
        """
        self._last = state.get("last")
        self._before = state.get("continued", state.get("before"))
        self._continue = None
        if self._before is not None:
            self._continue = torch.tensor("continued" in state, device=self._before.device)


def _chosen(condition: Tensor, changed: Callable[[], Tensor], unchanged: Tensor) -> Tensor:
    """One of two vectors: on the host by looking, on a device by computing both, so that nothing waits for it."""
    if condition.device.type == "cpu":
        return changed() if bool(condition) else unchanged
    return torch.where(condition, changed(), unchanged)
