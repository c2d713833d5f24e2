"""Reading ``layers`` and its overview: rows of steps, or extremes over blocks of steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import LAYER_COLUMNS, RETIRED
from engine.session.bands import Extremes, joined, layer_blocks
from engine.session.cell_values import NumberQuery, sound_rows, whole_and_ascending
from engine.session.rows import LayerBlocks, LayerRows
from engine.session.schema import BLOCK_STEPS, LARGEST_STEP, selected
from engine.session.stored_blocks import StoredBlocks

RAW_STEPS = 2048
"""Windows of up to so many steps are read row by row, wider ones through ``layer_extremes``."""

RAW_ROWS = 100_000
"""… and never more rows of ``layers`` than this: a very deep network takes blocks earlier."""


class LayerTable:
    """The layers of a session. What a cell or column does not have is NaN.

    Args:
        query: Reads rows of numbers.
        columns: Columns of each table of the file.
        layers: Number of layers, depth + 1; rows of others are passed over.
    """

    def __init__(self, query: NumberQuery, columns: Mapping[str, Sequence[str]], layers: int) -> None:
        self._query = query
        self._columns = columns["layers"]
        self._layers = layers
        self._blocks = StoredBlocks(query, columns["layer_extremes"], layers)

    def at(self, step: int) -> dict[str, NDArray[np.float64]]:
        """Every layer metric by name at a step, each of shape (layers,); {} if the step has no row here."""
        found = self.rows(step, step)
        if not found.step.size:
            return {}
        result = {name: np.full(self._layers, np.nan) for name in found.columns}
        for name, values in found.columns.items():
            result[name][found.layer] = values
        return result

    def rows(self, first: int, last: int) -> LayerRows:
        """All rows over steps first … last, by step and layer, with retired metrics that the file has."""
        names = (*LAYER_COLUMNS, *(entry.name for entry in RETIRED if entry.name in self._columns))
        found = self._raw(names, first, last, None)
        return LayerRows(found.first, found.layer, dict(zip(names, found.low, strict=True)))

    def bands(
        self, names: Sequence[str], first: int, last: int, blocks: int, only: int | None = None, *, rough: bool = False
    ) -> dict[str, LayerBlocks]:
        """Layer metrics over steps first … last, reduced to blocks of steps: several cost little more than one.

        Narrow windows are read row by row. In wide ones whole blocks of 64 steps come from ``layer_extremes``, and only
        both ends row by row.

        Args:
            names: Layer metrics; one that the file does not have is NaN.
            first: First step.
            last: Last step.
            blocks: The most blocks wanted.
            only: The only layer wanted, which is quicker; the others are then NaN. None is all of them.
            rough: Whether to read narrow windows like wide ones, and whole blocks of 64 steps where they reach out of
                the window, which is much quicker.

        Returns:
            Exact extremes per block, by metric.
        """
        newest = self._newest_step()
        first, last = max(first, 0), min(last, newest)
        span = last - first + 1
        if not rough and span <= RAW_STEPS and span * (self._layers if only is None else 1) <= RAW_ROWS:
            found = self._raw(names, first, last, only)
        else:
            begin, after = -(-first // BLOCK_STEPS), (last + 1) // BLOCK_STEPS
            if rough:
                begin, after = first // BLOCK_STEPS, last // BLOCK_STEPS + 1
            # The newest block is not stored yet, even where all its steps are: a later step completes it.
            complete = max(newest // BLOCK_STEPS, 0)
            end = max(begin, min(after, complete))
            parts = [
                self._raw(names, first, min(last, begin * BLOCK_STEPS - 1), only),
                self._blocks.extremes(names, begin, min(end, complete), only),
                self._raw(names, max(first, end * BLOCK_STEPS), last, only),
            ]
            found = joined(parts)
        return layer_blocks(found, names, layers=self._layers, blocks=max(1, blocks))

    def _newest_step(self) -> int:
        found = self._query(1, "SELECT max(step) FROM layers WHERE step <= ?", LARGEST_STEP)
        return int(found[0, 0]) if found.size and whole_and_ascending(found[0], strictly=True)[0] else -1

    def _raw(self, names: Sequence[str], first: int, last: int, only: int | None) -> Extremes:
        """Rows as they are, each over one step."""
        columns = ("step", "layer", *names)
        cells = selected(columns, self._columns)
        first, last = max(first, 0), min(last, LARGEST_STEP)
        if only is not None and 0 <= only < self._layers and 0 <= last - first <= RAW_STEPS:
            matrix = self._query(
                len(columns),
                # A look-up a step instead of a walk through all layers of all steps.
                "WITH RECURSIVE wanted (k) AS (SELECT ? UNION ALL SELECT k + 1 FROM wanted WHERE k < ?)"
                f" SELECT {cells} FROM wanted CROSS JOIN layers WHERE step = k AND layer = ? ORDER BY k",
                first,
                last,
                only,
            )
        else:
            matrix = self._query(
                len(columns),
                f"SELECT {cells} FROM layers WHERE step BETWEEN ? AND ? AND layer BETWEEN ? AND ?"
                " AND typeof(step) = 'integer' AND typeof(layer) = 'integer'"
                " ORDER BY step, layer",
                first,
                last,
                0 if only is None else max(only, 0),
                self._layers - 1 if only is None else min(only, self._layers - 1),
            )
        step, layer, values = sound_rows(matrix, self._layers)
        return Extremes(step, step, layer, values, values)
