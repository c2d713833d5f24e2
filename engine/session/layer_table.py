"""Reading ``layers`` and its overview: a step, a layer over steps, or extremes over blocks of steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import LAYER_COLUMNS
from engine.session.bands import merge_blocks
from engine.session.cells import sound_rows, whole_and_ascending
from engine.session.columns import in_place, present
from engine.session.rows import LayerBlocks, LayerRows
from engine.session.schema import BLOCK_STEPS, LARGEST_STEP, listed
from engine.session.stored_blocks import StoredBlocks

Array = NDArray[np.float64]
Query = Callable[..., Array]
_Extremes = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], Array, Array]
"""First and last step and the layer of each row, shape (rows,); smallest and largest values, shape (names, rows)."""

RAW_STEPS = 2048
"""Windows of up to so many steps are read row by row, wider ones through ``layer_extremes``."""

RAW_ROWS = 100_000
"""… and never more rows of ``layers`` than this: a very deep network takes blocks earlier."""


class LayerTable:
    """The layers of a session. What a cell or column does not have is NaN.

    Args:
        query: Reads rows of numbers: cells in a row, the statement, its arguments; shape (cells, rows).
        columns: Columns of each table of the file.
        layers: Number of layers, depth + 1; rows of others are passed over.
    """

    def __init__(self, query: Query, columns: Mapping[str, Sequence[str]], layers: int) -> None:
        self._query = query
        self._columns = columns
        self._layers = layers
        self._blocks = StoredBlocks(query, columns["layer_extremes"], layers)

    def at(self, step: int) -> dict[str, Array]:
        """All layer metrics at a step.

        Args:
            step: A step.

        Returns:
            Every layer metric by name, each of shape (layers,); {} if the step has no row here.
        """
        found = self.rows(step, step)
        if not found.step.size:
            return {}
        result = {}
        for name, values in found.columns.items():
            result[name] = np.full(self._layers, np.nan)
            result[name][found.layer] = values
        return result

    def rows(self, first: int, last: int) -> LayerRows:
        """All rows over steps first..last.

        Args:
            first: First step.
            last: Last step.

        Returns:
            The rows, by step and layer.
        """
        names = present(self._columns["layers"], LAYER_COLUMNS)
        step, layer, matrix = self._raw(names, first, last)
        columns = dict(zip(names, matrix, strict=True))
        nothing = np.full(step.size, np.nan)
        return LayerRows(step, layer, {name: columns.get(name, nothing) for name in LAYER_COLUMNS})

    def series(self, name: str, layer: int, first: int, last: int) -> tuple[NDArray[np.int64], Array]:
        """One metric of one layer over steps.

        Args:
            name: A layer metric.
            layer: The layer.
            first: First step.
            last: Last step.

        Returns:
            Steps and values, each of shape (rows,).
        """
        step, _, values = self._metrics((name,), first, last, layer)
        return step, values[0]

    def bands(
        self,
        names: Sequence[str],
        first: int,
        last: int,
        blocks: int,
        only: int | None = None,
        *,
        rough: bool = False,
    ) -> dict[str, LayerBlocks]:
        """Layer metrics over steps first..last, reduced to blocks of steps: several cost little more than one.

        Args:
            names: Layer metrics.
            first: First step.
            last: Last step.
            blocks: The most blocks wanted.
            only: The only layer wanted, None for all.
            rough: Whether blocks of 64 steps will do where there could be narrower ones, which are much quicker: also
                those that reach out of the window.

        Returns:
            Exact extremes per block, by metric.
        """
        newest = self._newest_step()
        first, last = max(first, 0), min(last, newest)
        span = last - first + 1
        rows = span * (self._layers if only is None else 1)
        if not rough and span <= RAW_STEPS and rows <= RAW_ROWS:
            parts = [self._raw_extremes(names, first, last, only)]
        else:
            begin, after = -(-first // BLOCK_STEPS), (last + 1) // BLOCK_STEPS
            if rough:
                begin, after = first // BLOCK_STEPS, last // BLOCK_STEPS + 1
            # The newest block is not stored yet, even where all its steps are: a later step completes it.
            complete = max(newest // BLOCK_STEPS, 0)
            end = max(begin, min(after, complete))
            parts = [
                self._raw_extremes(names, first, min(last, begin * BLOCK_STEPS - 1), only),
                self._stored_extremes(names, begin, min(end, complete), only),
                self._raw_extremes(names, max(first, end * BLOCK_STEPS), last, only),
            ]
        start, stop, layer = (np.concatenate(part) for part in zip(*(part[:3] for part in parts), strict=True))
        low, high = (np.concatenate(part, axis=1) for part in zip(*(part[3:] for part in parts), strict=True))
        return {
            name: merge_blocks(start, stop, layer, smallest, largest, layers=self._layers, blocks=max(1, blocks))
            for name, smallest, largest in zip(names, low, high, strict=True)
        }

    def _newest_step(self) -> int:
        found = self._query(1, "SELECT max(step) FROM layers WHERE step <= ?", LARGEST_STEP)
        return int(found[0, 0]) if found.size and whole_and_ascending(found[0], strictly=True)[0] else -1

    def _raw(
        self, names: Sequence[str], first: int, last: int, layer: int | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
        """Return steps, layers and the columns asked for, the latter of shape (names, rows)."""
        if layer is not None and 0 <= layer < self._layers and 0 <= last - max(first, 0) <= RAW_STEPS:
            matrix = self._query(
                len(names) + 2,
                # A look-up a step instead of a walk through all layers of all steps.
                "WITH RECURSIVE wanted (k) AS (SELECT ? UNION ALL SELECT k + 1 FROM wanted WHERE k < ?)"
                f" SELECT {listed(('step', 'layer', *names))} FROM wanted CROSS JOIN layers"
                " WHERE step = k AND layer = ? ORDER BY k",
                max(first, 0),
                min(last, LARGEST_STEP),
                layer,
            )
            return sound_rows(matrix, self._layers)
        matrix = self._query(
            len(names) + 2,
            f"SELECT {listed(('step', 'layer', *names))} FROM layers WHERE step BETWEEN ? AND ?"
            " AND layer BETWEEN ? AND ? AND typeof(step) = 'integer' AND typeof(layer) = 'integer'"
            " ORDER BY step, layer",
            max(first, 0),
            min(last, LARGEST_STEP),
            0 if layer is None else max(layer, 0),
            self._layers - 1 if layer is None else min(layer, self._layers - 1),
        )
        return sound_rows(matrix, self._layers)

    def _metrics(
        self, names: Sequence[str], first: int, last: int, layer: int | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
        """Return steps and layers, each of shape (rows,), and the metrics, shape (names, rows)."""
        there = present(self._columns["layers"], names)
        step, layers, matrix = self._raw(there, first, last, layer)
        return step, layers, in_place(names, there, matrix)

    def _raw_extremes(self, names: Sequence[str], first: int, last: int, only: int | None) -> _Extremes:
        step, layer, values = self._metrics(names, first, last, only)
        return step, step, layer, values, values

    def _stored_extremes(self, names: Sequence[str], begin: int, end: int, only: int | None) -> _Extremes:
        found = self._blocks.rows(names, begin, end, only)
        first_step = found.block * BLOCK_STEPS
        return first_step, first_step + (BLOCK_STEPS - 1), found.layer, found.low, found.high
