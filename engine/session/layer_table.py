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
            end = max(begin, min(after, newest // BLOCK_STEPS))
            parts = [
                self._raw_extremes(names, first, min(last, begin * BLOCK_STEPS - 1), only),
                self._stored_extremes(names, begin, end - 1, only),
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

    def _metrics(
        self, names: Sequence[str], first: int, last: int, layer: int | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
        """Return steps and layers, each of shape (rows,), and the metrics, shape (names, rows)."""
        there = present(self._columns["layers"], names)
        step, layers, matrix = self._raw(there, first, last, layer)
        return step, layers, _in_place(names, there, matrix)

    def _raw_extremes(self, names: Sequence[str], first: int, last: int, only: int | None) -> _Extremes:
        step, layer, values = self._metrics(names, first, last, only)
        return step, step, layer, values, values

    def _stored_extremes(self, names: Sequence[str], first: int, last: int, only: int | None) -> _Extremes:
        columns = self._columns["layer_extremes"]
        there = [name for name in names if len(present(columns, extreme_columns(name))) == 2]
        found = self._query(
            2 + 2 * len(there),
            f"SELECT {listed(('block', 'layer', *(each for name in there for each in extreme_columns(name))))}"
            " FROM layer_extremes"
            " WHERE block BETWEEN ? AND ? AND layer BETWEEN ? AND ? AND typeof(block) = 'integer'"
            " AND typeof(layer) = 'integer' ORDER BY block, layer",
            first,
            last,
            0 if only is None else max(only, 0),
            self._layers - 1 if only is None else min(only, self._layers - 1),
        )
        block, layer, extremes = self._sound(found)
        low, high = (_in_place(names, there, extremes[side::2]) for side in (0, 1))
        first_step = block * BLOCK_STEPS
        return first_step, first_step + (BLOCK_STEPS - 1), layer, low, high


def _in_place(names: Sequence[str], there: Sequence[str], matrix: Array) -> Array:
    """Return the rows of some names in the place of each, NaN for those that are not there."""
    if tuple(names) == tuple(there):
        return matrix
    out = np.full((len(names), matrix.shape[1]), np.nan)
    for name, values in zip(there, matrix, strict=True):
        out[names.index(name)] = values
    return out


def present(columns: Sequence[str], names: Iterable[str]) -> tuple[str, ...]:
    """Those of some names that a table has.

    Args:
        columns: Columns of the table.
        names: Names wanted.

    Returns:
        Names that are columns, in the order wanted.
    """
    return tuple(name for name in names if name in columns)
