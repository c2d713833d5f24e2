"""Reading ``layers`` and its overview: a step, a layer over steps, or extremes over blocks of steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import LAYER_COLUMNS
from engine.session.bands import merge_blocks
from engine.session.cells import whole_and_ascending
from engine.session.rows import LayerBlocks, LayerRows
from engine.session.schema import BLOCK_STEPS, LARGEST_STEP, extreme_columns, listed

Array = NDArray[np.float64]
Query = Callable[..., Array]

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
        step, _, values = self._metric(name, first, last, layer)
        return step, values

    def band(
        self, name: str, first: int, last: int, blocks: int, only: int | None = None, *, rough: bool = False
    ) -> LayerBlocks:
        """One layer metric over steps first..last, reduced to blocks of steps.

        Args:
            name: A layer metric.
            first: First step.
            last: Last step.
            blocks: The most blocks wanted.
            only: The only layer wanted, None for all.
            rough: Whether blocks of 64 steps will do, which are much quicker, where there could be narrower ones.

        Returns:
            Exact extremes per block.
        """
        newest = self._newest_step()
        first, last = max(first, 0), min(last, newest)
        span = last - first + 1
        rows = span * (self._layers if only is None else 1)
        if not rough and span <= RAW_STEPS and rows <= RAW_ROWS:
            parts = [self._raw_extremes(name, first, last, only)]
        else:
            begin = -(-first // BLOCK_STEPS)
            # The newest block is not stored yet, even where all its steps are: a later step completes it.
            end = max(begin, min((last + 1) // BLOCK_STEPS, newest // BLOCK_STEPS))
            parts = [
                self._raw_extremes(name, first, min(last, begin * BLOCK_STEPS - 1), only),
                self._stored_extremes(name, begin, end - 1, only),
                self._raw_extremes(name, end * BLOCK_STEPS, last, only),
            ]
        start, stop, layer, low, high = (np.concatenate(part) for part in zip(*parts, strict=True))
        return merge_blocks(
            start.astype(np.int64),
            stop.astype(np.int64),
            layer.astype(np.int64),
            low,
            high,
            layers=self._layers,
            blocks=max(1, blocks),
        )

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
            return self._sound(matrix)
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
        return self._sound(matrix)

    def _sound(self, matrix: Array) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
        """Return steps, layers and the rest of rows of which these two make sense."""
        with np.errstate(invalid="ignore"):
            layered = (matrix[1] >= 0) & (matrix[1] < self._layers) & (matrix[1] == np.floor(matrix[1]))
        sound = whole_and_ascending(np.where(layered, matrix[0], np.nan), strictly=False)
        matrix = matrix if sound.all() else matrix[:, sound]
        return matrix[0].astype(np.int64), matrix[1].astype(np.int64), matrix[2:]

    def _metric(
        self, name: str, first: int, last: int, layer: int | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
        """Return steps, layers and values of one metric, each of shape (rows,)."""
        names = present(self._columns["layers"], (name,))
        step, layers, matrix = self._raw(names, first, last, layer)
        return step, layers, matrix[0] if names else np.full(step.size, np.nan)

    def _raw_extremes(self, name: str, first: int, last: int, only: int | None) -> tuple[Array, ...]:
        step, layer, values = self._metric(name, first, last, only)
        steps = step.astype(np.float64)  # exact: no step is beyond 2⁵¹
        return steps, steps, layer.astype(np.float64), values, values

    def _stored_extremes(self, name: str, first: int, last: int, only: int | None) -> tuple[Array, ...]:
        columns = present(self._columns["layer_extremes"], extreme_columns(name))
        extremes = listed(columns) if len(columns) == 2 else "NULL, NULL"
        found = self._query(
            4,
            f"SELECT block, layer, {extremes} FROM layer_extremes"
            " WHERE block BETWEEN ? AND ? AND layer BETWEEN ? AND ? AND typeof(block) = 'integer'"
            " AND typeof(layer) = 'integer' ORDER BY block, layer",
            first,
            last,
            0 if only is None else max(only, 0),
            self._layers - 1 if only is None else min(only, self._layers - 1),
        )
        block, layers, (low, high) = self._sound(found)
        layer = layers.astype(np.float64)
        first_steps = block.astype(np.float64) * BLOCK_STEPS
        return first_steps, first_steps + (BLOCK_STEPS - 1), layer, low, high


def present(columns: Sequence[str], names: Iterable[str]) -> tuple[str, ...]:
    """Those of some names that a table has.

    Args:
        columns: Columns of the table.
        names: Names wanted.

    Returns:
        Names that are columns, in the order wanted.
    """
    return tuple(name for name in names if name in columns)
