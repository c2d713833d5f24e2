"""Smallest and largest finite values per block of 64 steps and layer, kept up while a session is written."""

from __future__ import annotations

import sqlite3
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import LAYER_COLUMNS
from engine.session.schema import BLOCK_STEPS, EXTREME_COLUMNS, insert_into, listed

Matrix = NDArray[np.float64]

INSERT_EXTREMES = insert_into("layer_extremes", ("block", "layer", *EXTREME_COLUMNS))
_READ_BLOCK = f"SELECT step, layer, {listed(LAYER_COLUMNS)} FROM layers WHERE step >= ? ORDER BY step, layer"


class BlockExtremes:
    """Extremes of the block that is being filled.

    Args:
        connection: A connection to the session, whose newest block is gone on with.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._block = -1
        self._low = self._high = np.empty((0, len(LAYER_COLUMNS)))
        newest = connection.execute("SELECT ifnull(max(step), -1) FROM layers").fetchone()[0]
        cells = connection.execute(_READ_BLOCK, (newest // BLOCK_STEPS * BLOCK_STEPS,)).fetchall()
        for step, found in groupby(cells, key=lambda row: row[0]):
            rows = list(found)
            values = np.full((rows[-1][1] + 1, len(LAYER_COLUMNS)), np.nan)
            values[[row[1] for row in rows]] = np.array([row[2:] for row in rows], dtype=np.float64)
            self.add(step, values)

    def add(self, step: int, values: Matrix) -> list[tuple[Any, ...]]:
        """Take a step's layers in.

        Args:
            step: The step, greater than all before.
            values: Its layer metrics, shape (layers, metrics), metrics in the catalogue's order.

        Returns:
            The rows of ``layer_extremes`` of the block before, where the step begins another.
        """
        block = step // BLOCK_STEPS
        finite = np.where(np.isfinite(values), values, np.nan)
        if block == self._block:
            low, high = _of_height(self._low, len(finite)), _of_height(self._high, len(finite))
            finite = _of_height(finite, len(low))
            self._low, self._high = np.fmin(low, finite), np.fmax(high, finite)
            return []
        pairs = np.stack([self._low, self._high], axis=2).reshape(len(self._low), len(EXTREME_COLUMNS))
        complete = [(self._block, layer, *row) for layer, row in enumerate(pairs.tolist())]
        self._block, self._low, self._high = block, finite, finite
        return complete


def _of_height(values: Matrix, layers: int) -> Matrix:
    """The values, with rows of NaN below where there are fewer layers."""
    missing = layers - len(values)
    return np.pad(values, ((0, missing), (0, 0)), constant_values=np.nan) if missing > 0 else values
