"""Whole blocks of ``layer_extremes``, kept in memory once they were read: a stored block does not change any more."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from engine.session.bands import Extremes, joined
from engine.session.cell_values import NumberQuery, sound_rows
from engine.session.recent import Recent
from engine.session.schema import BLOCK_STEPS, extreme_columns, selected

KEPT = 8
"""Questions (which metrics, which layer) whose blocks are kept; the one not asked for longest goes first."""

MOST_ROWS = 200_000
"""Of longer and deeper sessions than this nothing is kept: 7 MB for a metric, 400,000 steps of 30 layers."""


class StoredBlocks:
    """The blocks of a session; several threads may ask.

    Args:
        query: Reads rows of numbers.
        columns: Columns that the file's table has.
        layers: Number of layers, depth + 1; rows of others are passed over.
    """

    def __init__(self, query: NumberQuery, columns: Sequence[str], layers: int) -> None:
        self._query = query
        self._columns = columns
        self._layers = layers
        self._lock = threading.Lock()
        self._kept: Recent[tuple[int, Extremes]] = Recent(KEPT)

    def extremes(self, names: Sequence[str], begin: int, end: int, only: int | None) -> Extremes:
        """Extremes over blocks begin … end − 1, all complete: no step of them is still to come."""
        # The first time all blocks up to there are read.
        if begin >= end or end * (self._layers if only is None else 1) > MOST_ROWS:
            return self._read(names, begin, end, only)
        with self._lock:
            key = (tuple(names), only)
            known, kept = self._kept.get(key) or (0, self._read(names, 0, 0, only))
            if known < end:
                kept = joined([kept, self._read(names, known, end, only)])
                self._kept.put(key, (end, kept))
            return kept.within(begin * BLOCK_STEPS, end * BLOCK_STEPS)

    def _read(self, names: Sequence[str], begin: int, end: int, only: int | None) -> Extremes:
        columns = ("block", "layer", *(column for name in names for column in extreme_columns(name)))
        matrix = self._query(
            len(columns),
            f"SELECT {selected(columns, self._columns)} FROM layer_extremes"
            " WHERE block BETWEEN ? AND ? AND layer BETWEEN ? AND ? AND typeof(block) = 'integer'"
            " AND typeof(layer) = 'integer' ORDER BY block, layer",
            begin,
            end - 1,
            0 if only is None else max(only, 0),
            self._layers - 1 if only is None else min(only, self._layers - 1),
        )
        block, layer, values = sound_rows(matrix, self._layers)
        first = block * BLOCK_STEPS
        found = Extremes(first, first + (BLOCK_STEPS - 1), layer, values[0::2], values[1::2])
        return found.within(begin * BLOCK_STEPS, end * BLOCK_STEPS)  # the index of a damaged file may say otherwise
