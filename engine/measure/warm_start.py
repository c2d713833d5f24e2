"""Where an iteration starts that ran at the rows before."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor


class WarmStart:
    """An eigenvector over the last rows: the last one, or where it will be next if it goes on as it went.

    Both guesses are held against what was then found, and the better one of last time is given.
    """

    def __init__(self) -> None:
        self._last: Tensor | None = None
        self._before: Tensor | None = None
        self._continue = False

    def guess(self) -> Tensor | None:
        """A vector to start from.

        Returns:
            Shape (dimension,), not normalised; None before the first row.
        """
        if self._last is None or self._before is None or not self._continue:
            return self._last
        return 2.0 * self._last - self._before

    def found(self, vector: Tensor) -> None:
        """Tell what was found.

        Args:
            vector: Unit vector, (dimension,); its sign is turned to that of the one before. Cost: two dot products.
        """
        if self._last is not None:
            along = float(vector @ self._last)
            if along < 0.0:
                vector, along = -vector, -along
            if self._before is not None:
                # |2a − b|² = 5 − 4⟨a, b⟩ for unit vectors a, b.
                turned = float(self._before @ self._last)
                continued = 2.0 * along - float(vector @ self._before)
                self._continue = continued > along * math.sqrt(5.0 - 4.0 * turned)
            else:
                self._continue = True
            self._before = self._last
        self._last = vector

    def jump(self, vector: Tensor) -> None:
        """Start from elsewhere next time.

        Args:
            vector: Shape (dimension,), not zero.
        """
        self._last, self._before, self._continue = vector / vector.norm(), None, False

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
        return {"last": self._last, "continued" if self._continue else "before": self._before}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up what :meth:`state` gave.

        Args:
            state: Vectors by name.
        """
        self._last = state.get("last")
        self._continue = "continued" in state
        self._before = state.get("continued", state.get("before"))
