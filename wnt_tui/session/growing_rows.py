"""Rows as they accumulate: arrays that grow at their end and hand out views that never change."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
FIRST_CAPACITY = 256


class GrowingRows:
    """Step rows, appended in order.

    A view of the first n rows stays true for good: rows are only ever written beyond every view handed out so
    far, and when space runs out the arrays are copied and the old ones left to their views.
    """

    def __init__(self) -> None:
        self._count = 0
        self._step: NDArray[np.int64] = np.empty(FIRST_CAPACITY, np.int64)
        self._columns: dict[str, Array] = {}

    @property
    def last(self) -> int:
        """Step of the newest row, −1 before the first."""
        return int(self._step[self._count - 1]) if self._count else -1

    def append(self, step: NDArray[np.int64], columns: Mapping[str, Array]) -> None:
        """Add rows after those that are there: ascending steps, shape (rows,), and metrics by name, likewise."""
        end = self._count + step.size
        capacity = self._step.size
        if end > capacity:
            capacity = max(end, 2 * capacity)
            self._step = np.concatenate([self._step[: self._count], np.empty(capacity - self._count, np.int64)])
            for name, values in self._columns.items():
                self._columns[name] = self._grown(values, capacity)
        for name in columns:
            if name not in self._columns:
                self._columns[name] = np.full(capacity, np.nan)
        self._step[self._count : end] = step
        for name, values in self._columns.items():
            values[self._count : end] = columns.get(name, np.nan)
        self._count = end

    def view(self) -> tuple[NDArray[np.int64], dict[str, Array]]:
        """The rows that are here now, read-only: steps and columns, each of shape (rows,)."""
        step = self._step[: self._count]
        step.flags.writeable = False
        columns = {name: values[: self._count] for name, values in self._columns.items()}
        for values in columns.values():
            values.flags.writeable = False
        return step, columns

    def _grown(self, values: Array, capacity: int) -> Array:
        grown = np.full(capacity, np.nan)
        grown[: self._count] = values[: self._count]
        return grown
