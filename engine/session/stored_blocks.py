"""Whole blocks of ``layer_extremes``, kept in memory once they were read: a stored block does not change any more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.session.cells import sound_rows
from engine.session.columns import in_place, present
from engine.session.recent import Recent
from engine.session.schema import extreme_columns, listed

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Query = Callable[..., Array]

KEPT = 8
"""Questions (which metrics, which layer) whose blocks are kept; the one not asked for longest goes first."""

MOST_ROWS = 200_000
"""Of longer and deeper sessions than this is nothing kept: 7 MB for a metric, 400,000 steps of 30 layers."""


@dataclass(frozen=True, slots=True)
class BlockRows:
    """Extremes of metrics over blocks of steps, a row a block and layer.

    Attributes:
        block: Number of each row's block, shape (rows,), ascending.
        layer: Its layer, same shape.
        low: Smallest finite values, shape (metrics, rows); NaN where there is none.
        high: Largest finite values, same shape.
    """

    block: Integers
    layer: Integers
    low: Array
    high: Array

    def within(self, begin: int, end: int) -> BlockRows:
        """Return the rows of blocks begin … end − 1."""
        part = slice(*(int(place) for place in np.searchsorted(self.block, (begin, end))))
        return BlockRows(self.block[part], self.layer[part], self.low[:, part], self.high[:, part])

    def then(self, other: BlockRows) -> BlockRows:
        """Return these rows with those of later blocks after them."""
        return BlockRows(
            np.concatenate([self.block, other.block]),
            np.concatenate([self.layer, other.layer]),
            np.concatenate([self.low, other.low], axis=1),
            np.concatenate([self.high, other.high], axis=1),
        )


class StoredBlocks:
    """The blocks of a session; several threads may ask.

    Args:
        query: Reads rows of numbers: cells in a row, the statement, its arguments; shape (cells, rows).
        columns: Columns that the file's table has.
        layers: Number of layers, depth + 1; rows of others are passed over.
    """

    def __init__(self, query: Query, columns: Sequence[str], layers: int) -> None:
        self._query = query
        self._columns = columns
        self._layers = layers
        self._lock = threading.Lock()
        self._kept: Recent[tuple[int, BlockRows]] = Recent(KEPT)

    def rows(self, names: Sequence[str], begin: int, end: int, only: int | None) -> BlockRows:
        """Extremes of layer metrics over blocks; the first time all blocks up to there are read.

        Args:
            names: Layer metrics.
            begin: First block.
            end: Block after the last, all of them complete: no step of them is still to come.
            only: The only layer wanted, None for all.

        Returns:
            The rows.
        """
        if begin >= end or end * (self._layers if only is None else 1) > MOST_ROWS:
            return self._read(names, begin, end, only)
        with self._lock:
            key = (tuple(names), only)
            known, kept = self._kept.get(key) or (0, None)
            if kept is None or known < end:
                later = self._read(names, known, end, only).within(known, end)
                kept = later if kept is None else kept.then(later)
                self._kept.put(key, (end, kept))
            return kept.within(begin, end)

    def _read(self, names: Sequence[str], begin: int, end: int, only: int | None) -> BlockRows:
        there = [name for name in names if len(present(self._columns, extreme_columns(name))) == 2]
        columns = [column for name in there for column in extreme_columns(name)]
        matrix = self._query(
            2 + len(columns),
            f"SELECT {listed(('block', 'layer', *columns))} FROM layer_extremes"
            " WHERE block BETWEEN ? AND ? AND layer BETWEEN ? AND ? AND typeof(block) = 'integer'"
            " AND typeof(layer) = 'integer' ORDER BY block, layer",
            begin,
            end - 1,
            0 if only is None else max(only, 0),
            self._layers - 1 if only is None else min(only, self._layers - 1),
        )
        block, layer, extremes = sound_rows(matrix, self._layers)
        return BlockRows(block, layer, in_place(names, there, extremes[0::2]), in_place(names, there, extremes[1::2]))
