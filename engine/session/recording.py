"""What is recorded, as rows for one statement each, and the transaction that writes them."""

from __future__ import annotations

import json
import math
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import LAYER_COLUMNS, RETIRED, STEP_COLUMNS
from engine.record import Event, StepRecord
from engine.session.block_extremes import INSERT_EXTREMES, BlockExtremes
from engine.session.rows import ROLLING, Tensor
from engine.session.schema import EVENT_COLUMNS, SPECTRA_COLUMNS, insert_into, quoted
from engine.session.spectra_table import NUMBERS

INSERT_STEP = insert_into("steps", ("step", "time", *STEP_COLUMNS))
INSERT_EVENT = insert_into("events", EVENT_COLUMNS[1:])
_INSERT_LAYER = insert_into("layers", ("step", "layer", *LAYER_COLUMNS))
_INSERT_SPECTRUM = insert_into("spectra", SPECTRA_COLUMNS)
_INSERT_TENSOR = insert_into("checkpoints", ("step", "name", "dtype", "shape", "data"))
_DELETE_ROLLING = (
    "DELETE FROM checkpoints WHERE step IN"
    " (SELECT DISTINCT step FROM checkpoints WHERE name = ? ORDER BY step DESC LIMIT -1 OFFSET ?)"
)
_KEEP_CHECKPOINT = "DELETE FROM checkpoints WHERE step = ? AND name = ?"
_ANSWER = "UPDATE commands SET state = ?, step = ?, reply = ?, answered = ? WHERE id = ? AND state = 'pending'"
_REFUSE_PENDING = (
    "UPDATE commands SET state = 'refused', reply = ?, answered = ? WHERE state = 'pending' AND id <= ifnull(?, id)"
)

_ROW_BYTES = 256
_CELL_BYTES = 32


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows for one statement.

    Attributes:
        statement: SQL with a parameter for each cell.
        rows: The cells, row by row.
        extra: Bytes of their long texts and tensors.
    """

    statement: str
    rows: Sequence[tuple[Any, ...]]
    extra: int = 0

    @property
    def size(self) -> int:
        """Bytes that they hold in the queue, about."""
        return self.extra + sum(_ROW_BYTES + _CELL_BYTES * len(row) for row in self.rows)


def step_rows(record: StepRecord, now: float, extremes: BlockExtremes) -> list[Rows]:
    """A step's rows, independent of the record; it is taken into the extremes of its block."""
    _refuse_unknown(record.values, STEP_COLUMNS, record.step)
    _refuse_unknown(record.layers, LAYER_COLUMNS, record.step)
    cells = [None if (value := record.values.get(name)) is None else float(value) for name in STEP_COLUMNS]
    items = [Rows(INSERT_STEP, [(record.step, now, *cells)])]
    if record.layers:
        matrix = _layer_matrix(record)
        rows = [(record.step, layer, *row) for layer, row in enumerate(matrix.tolist())]
        items += [Rows(_INSERT_LAYER, rows), Rows(INSERT_EXTREMES, extremes.add(record.step, matrix))]
    if record.spectra:
        items.append(_spectra_rows(record))
    return items + [event_rows(event, now) for event in record.events]


def event_rows(event: Event, now: float) -> Rows:
    """An event that happened at a Unix time; numbers of its data that are not finite become null."""
    finite = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in event.data.items()
    }
    data = json.dumps(finite, ensure_ascii=False, allow_nan=False, default=float)
    row = (now, event.step, event.kind, event.layer, event.message, data)
    return Rows(INSERT_EVENT, [row], len(event.message) + len(data))


def checkpoint_rows(step: int, tensors: Mapping[str, Tensor], rolling_kept: int | None) -> list[Rows]:
    """The tensors of a checkpoint; of a rolling one, so many of the newest stay."""
    rows: list[tuple[Any, ...]] = [
        (step, name, tensor.dtype, json.dumps(list(tensor.shape)), tensor.data) for name, tensor in tensors.items()
    ]
    items = [Rows(_INSERT_TENSOR, rows, sum(len(tensor.data) for tensor in tensors.values()))]
    if rolling_kept is None:
        return items
    marker = (step, ROLLING, "U8", "[0]", b"")
    return [*items, Rows(_INSERT_TENSOR, [marker]), Rows(_DELETE_ROLLING, [(ROLLING, rolling_kept)])]


def kept_checkpoint(step: int) -> Rows:
    """A rolling checkpoint that is to stay."""
    return Rows(_KEEP_CHECKPOINT, [(step, ROLLING)])


def answer_row(command_id: int, state: str, step: int | None, reply: str) -> Rows:
    """The answer to a command."""
    return Rows(_ANSWER, [(state, step, reply, time.time(), command_id)], len(reply))


def refusal_row(reply: str, newest: int | None = None) -> Rows:
    """The refusal of all commands that wait, or of those up to the newest."""
    return Rows(_REFUSE_PENDING, [(reply, time.time(), newest)])


def write_batch(connection: sqlite3.Connection, items: Iterable[Rows], engine: Mapping[str, Any]) -> None:
    """Write rows and the engine's changed columns in one transaction; after an error nothing was written."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for item in items:
            connection.executemany(item.statement, item.rows)
        if engine:
            columns = ", ".join(f"{quoted(name)} = ?" for name in engine)
            connection.execute(f"UPDATE engine SET {columns} WHERE id = 1", tuple(engine.values()))
        connection.execute("COMMIT")
    except BaseException:
        # SQLite has rolled back by itself after some errors, a full disk for one.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _spectra_rows(record: StepRecord) -> Rows:
    rows = [
        (record.step, name, layer, np.sort(spectrum).astype(NUMBERS).tobytes())
        for (name, layer), spectrum in record.spectra.items()
    ]
    return Rows(_INSERT_SPECTRUM, rows, sum(len(row[-1]) for row in rows))


def _layer_matrix(record: StepRecord) -> NDArray[np.float64]:
    """Layer metrics of shape (layers, metrics), in the catalogue's order."""
    lengths = {np.shape(values) for values in record.layers.values()}
    if len(lengths) > 1 or len(next(iter(lengths))) != 1:
        raise ValueError(f"Layer metrics of step {record.step} have shapes {sorted(map(str, lengths))}.")
    matrix = np.full((next(iter(lengths))[0], len(LAYER_COLUMNS)), np.nan)
    for column, name in enumerate(LAYER_COLUMNS):
        if name in record.layers:
            matrix[:, column] = record.layers[name]
    return matrix


def _refuse_unknown(names: Iterable[str], known: Sequence[str], step: int) -> None:
    unknown = sorted(set(names) - set(known) - {entry.name for entry in RETIRED})
    if unknown:
        raise ValueError(f"Step {step} has {unknown[0]!r}, which is not in the catalogue.")
