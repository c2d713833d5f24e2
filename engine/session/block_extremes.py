"""Smallest and largest finite values per block of 64 steps and layer, kept up while a session is written."""

from __future__ import annotations

import sqlite3
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import LAYER_COLUMNS
from engine.session.schema import BLOCK_STEPS, EXTREME_COLUMNS, insert_into, quoted

Matrix = NDArray[np.float64]

_INSERT = insert_into("layer_extremes", ("block", "layer", *EXTREME_COLUMNS))
_READ_BLOCK = (
    f"SELECT step, layer, {', '.join(map(quoted, LAYER_COLUMNS))} FROM layers WHERE step >= ? ORDER BY step, layer"
)


@dataclass(frozen=True, slots=True)
class BlockExtremes:
    """Extremes of the block that is being filled; a new value for each step, so that it can be rolled back.

    Attributes:
        block: Number of the block, −1 before the first.
        low: Smallest finite values so far, shape (layers, metrics), NaN where there is none.
        high: Largest finite values so far, same shape.
    """

    block: int = -1
    low: Matrix | None = None
    high: Matrix | None = None

    def add(self, step: int, values: Matrix) -> tuple[BlockExtremes, list[tuple[float | int, ...]]]:
        """Take a step's layers in.

        Args:
            step: The step, greater than all before.
            values: Its layer metrics, shape (layers, metrics), metrics in the catalogue's order.

        Returns:
            The extremes with this step, and the rows of the block that it completes, if it starts another.
        """
        block = step // BLOCK_STEPS
        finite = np.where(np.isfinite(values), values, np.nan)
        if block != self.block or self.low is None or self.high is None:
            return BlockExtremes(block, finite, finite), self.rows()
        low, high = _same_height(self.low, finite), _same_height(self.high, finite)
        finite = _same_height(finite, low)
        return BlockExtremes(block, np.fmin(low, finite), np.fmax(high, finite)), []

    def rows(self) -> list[tuple[float | int, ...]]:
        """Return the block as rows of ``layer_extremes``."""
        if self.low is None or self.high is None:
            return []
        pairs = np.stack([self.low, self.high], axis=2).reshape(self.low.shape[0], -1)
        return [(self.block, layer, *row) for layer, row in enumerate(pairs.tolist())]


def insert_extremes(connection: sqlite3.Connection, rows: list[tuple[float | int, ...]]) -> None:
    """Write a completed block.

    Args:
        connection: A connection inside a transaction.
        rows: What :meth:`BlockExtremes.rows` gave.
    """
    connection.executemany(_INSERT, rows)


def unfinished_block(connection: sqlite3.Connection) -> BlockExtremes:
    """The extremes of a session's newest block, from its rows, for going on with it.

    Args:
        connection: A connection to a session.

    Returns:
        The block that the newest rows are in.
    """
    newest = connection.execute("SELECT max(step) FROM layers").fetchone()[0]
    if newest is None:
        return BlockExtremes()
    first = newest // BLOCK_STEPS * BLOCK_STEPS
    rows = np.array(connection.execute(_READ_BLOCK, (first,)).fetchall(), dtype=np.float64)
    layers = rows[:, 1].astype(np.int64)
    low = np.full((int(layers.max()) + 1, rows.shape[1] - 2), np.nan)
    high = low.copy()
    finite = np.where(np.isfinite(rows[:, 2:]), rows[:, 2:], np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # nanmin of all-NaN is NaN, as wanted
        for layer in np.unique(layers):
            low[layer] = np.nanmin(finite[layers == layer], axis=0)
            high[layer] = np.nanmax(finite[layers == layer], axis=0)
    return BlockExtremes(newest // BLOCK_STEPS, low, high)


def _same_height(values: Matrix, other: Matrix) -> Matrix:
    """Return the values with rows of NaN below, where the other matrix has more rows."""
    missing = other.shape[0] - values.shape[0]
    return np.pad(values, ((0, missing), (0, 0)), constant_values=np.nan) if missing > 0 else values
