"""Things to record, each with its size in the queue, and what writes them: a transaction a batch."""

from __future__ import annotations

import json
import math
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import LAYER_COLUMNS, STEP_COLUMNS
from engine.record import Event, StepRecord
from engine.session.block_extremes import BlockExtremes, insert_extremes, unfinished_block
from engine.session.rows import ROLLING, CommandState, Tensor
from engine.session.schema import EVENT_COLUMNS, insert_into, quoted

_INSERT_STEP = insert_into("steps", ("step", "time", *STEP_COLUMNS))
_INSERT_LAYER = insert_into("layers", ("step", "layer", *LAYER_COLUMNS))
_INSERT_EVENT = insert_into("events", EVENT_COLUMNS[1:])
_INSERT_TENSOR = insert_into("checkpoints", ("step", "name", "dtype", "shape", "data"))
_INSERT_META = insert_into("meta", ("key", "value"))
_ARE_ROLLING = "SELECT DISTINCT step FROM checkpoints WHERE name = ? ORDER BY step DESC"
_ANSWER = "UPDATE commands SET state = ?, step = ?, reply = ?, answered = ? WHERE id = ? AND state = 'pending'"
_REFUSE_PENDING = (
    "UPDATE commands SET state = 'refused', reply = ?, answered = ? WHERE state = 'pending' AND id <= ifnull(?, id)"
)

_ROW_BYTES = 256
"""What a queued row is counted with beside its numbers."""


class Item(Protocol):
    """Something in the queue."""

    @property
    def size(self) -> int:
        """Bytes it holds in the queue, about."""
        ...

    def write(self, recorder: Recorder) -> None:
        """Write it, inside a transaction.

        Args:
            recorder: What writes.
        """
        ...


@dataclass(frozen=True, slots=True)
class QueuedEvent:
    """An event and when it happened."""

    row: tuple[Any, ...]

    @property
    def size(self) -> int:
        """Bytes it holds in the queue, about."""
        return _ROW_BYTES + len(self.row[4]) + len(self.row[5])

    def write(self, recorder: Recorder) -> None:
        """Write it, inside a transaction.

        Args:
            recorder: What writes.
        """
        recorder.connection.execute(_INSERT_EVENT, self.row)


@dataclass(frozen=True, slots=True)
class QueuedStep:
    """A step, its layers as one matrix of shape (layers, metrics), and its events."""

    step: int
    row: tuple[Any, ...]
    layers: NDArray[np.float64] | None
    events: tuple[QueuedEvent, ...]

    @property
    def size(self) -> int:
        """Bytes it holds in the queue, about."""
        layers = 0 if self.layers is None else self.layers.nbytes
        return _ROW_BYTES + 32 * len(self.row) + layers + sum(event.size for event in self.events)

    def write(self, recorder: Recorder) -> None:
        """Write it, inside a transaction.

        Args:
            recorder: What writes.
        """
        connection = recorder.connection
        connection.execute(_INSERT_STEP, self.row)
        if self.layers is not None:
            rows = [(self.step, layer, *cells) for layer, cells in enumerate(self.layers.tolist())]
            connection.executemany(_INSERT_LAYER, rows)
            recorder.extremes, complete = recorder.extremes.add(self.step, self.layers)
            insert_extremes(connection, complete)
        for event in self.events:
            event.write(recorder)


@dataclass(frozen=True, slots=True)
class QueuedAnswer:
    """The answer to a command."""

    command_id: int
    state: CommandState
    step: int | None
    reply: str
    time: float

    @property
    def size(self) -> int:
        """Bytes it holds in the queue, about."""
        return _ROW_BYTES + len(self.reply)

    def write(self, recorder: Recorder) -> None:
        """Write it, inside a transaction.

        Args:
            recorder: What writes.
        """
        recorder.connection.execute(_ANSWER, (self.state, self.step, self.reply, self.time, self.command_id))


@dataclass(frozen=True, slots=True)
class QueuedTensors:
    """The tensors of a checkpoint; of the rolling ones, so many of the newest stay."""

    step: int
    tensors: Mapping[str, Tensor]
    rolling_kept: int

    @property
    def size(self) -> int:
        """Bytes it holds in the queue, about."""
        return sum(_ROW_BYTES + len(tensor.data) for tensor in self.tensors.values())

    def write(self, recorder: Recorder) -> None:
        """Write it, inside a transaction.

        Args:
            recorder: What writes.
        """
        connection = recorder.connection
        for name, tensor in self.tensors.items():
            shape = json.dumps(list(tensor.shape))
            connection.execute(_INSERT_TENSOR, (self.step, name, tensor.dtype, shape, tensor.data))
        if ROLLING in self.tensors:
            older = connection.execute(_ARE_ROLLING, (ROLLING,)).fetchall()[self.rolling_kept :]
            connection.executemany("DELETE FROM checkpoints WHERE step = ?", older)


@dataclass(frozen=True, slots=True)
class QueuedKeeping:
    """Makes a rolling checkpoint one that stays."""

    step: int

    @property
    def size(self) -> int:
        """Bytes it holds in the queue, about."""
        return _ROW_BYTES

    def write(self, recorder: Recorder) -> None:
        """Write it, inside a transaction.

        Args:
            recorder: What writes.
        """
        recorder.connection.execute("DELETE FROM checkpoints WHERE step = ? AND name = ?", (self.step, ROLLING))


@dataclass(frozen=True, slots=True)
class QueuedMeta:
    """Facts about the run that were not known at its start."""

    items: tuple[tuple[str, str], ...]

    @property
    def size(self) -> int:
        """Bytes it holds in the queue, about."""
        return sum(_ROW_BYTES + len(key) + len(value) for key, value in self.items)

    def write(self, recorder: Recorder) -> None:
        """Write it, inside a transaction.

        Args:
            recorder: What writes.
        """
        recorder.connection.executemany(_INSERT_META, self.items)


@dataclass(frozen=True, slots=True)
class QueuedRefusal:
    """Refuses the commands that nobody will obey any more: all, or those up to one of them."""

    reply: str
    newest: int | None = None

    @property
    def size(self) -> int:
        """Bytes it holds in the queue, about."""
        return _ROW_BYTES

    def write(self, recorder: Recorder) -> None:
        """Write it, inside a transaction.

        Args:
            recorder: What writes.
        """
        recorder.connection.execute(_REFUSE_PENDING, (self.reply, time.time(), self.newest))


class Recorder:
    """Writes batches to a session, each whole or not at all.

    Args:
        connection: A connection in autocommit, used by nobody else.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.extremes: BlockExtremes = unfinished_block(connection)

    def write(self, items: Iterable[Item], engine: Mapping[str, Any]) -> None:
        """Write a batch and the state of the engine in one transaction; after an error nothing was written.

        Args:
            items: What is to be recorded, in order.
            engine: Columns of the ``engine`` row that changed.
        """
        before = self.extremes
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            for item in items:
                item.write(self)
            if engine:
                columns = ", ".join(f"{quoted(name)} = ?" for name in engine)
                self.connection.execute(f"UPDATE engine SET {columns} WHERE id = 1", tuple(engine.values()))
            self.connection.execute("COMMIT")
        except BaseException:
            self.extremes = before
            # SQLite has rolled back by itself after some errors, a full disk for one.
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise


def queued_step(record: StepRecord, now: float) -> QueuedStep:
    """Make an independent copy of a record in the form that is written.

    A metric that is not in the catalogue, or a layer metric that is no vector of the others' length, is a
    programming error and raises ValueError.

    Args:
        record: A step.
        now: Unix time.

    Returns:
        What goes into the queue.
    """
    _refuse_unknown(record.values, STEP_COLUMNS, record.step)
    _refuse_unknown(record.layers, LAYER_COLUMNS, record.step)
    cells = [None if (value := record.values.get(name)) is None else float(value) for name in STEP_COLUMNS]
    events = tuple(queued_event(event, now) for event in record.events)
    return QueuedStep(record.step, (record.step, now, *cells), _layer_matrix(record), events)


def queued_event(event: Event, now: float) -> QueuedEvent:
    """Make a row of an event.

    Args:
        event: What happened.
        now: Unix time.

    Returns:
        What goes into the queue.
    """
    finite = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in event.data.items()
    }
    data = json.dumps(finite, ensure_ascii=False, allow_nan=False, default=float)
    return QueuedEvent((now, event.step, event.kind, event.layer, event.message, data))


def _layer_matrix(record: StepRecord) -> NDArray[np.float64] | None:
    if not record.layers:
        return None
    lengths = {np.shape(values) for values in record.layers.values()}
    if len(lengths) > 1 or len(next(iter(lengths))) != 1:
        raise ValueError(f"Layer metrics of step {record.step} have shapes {sorted(map(str, lengths))}.")
    matrix = np.full((next(iter(lengths))[0], len(LAYER_COLUMNS)), np.nan)
    for column, name in enumerate(LAYER_COLUMNS):
        if name in record.layers:
            matrix[:, column] = record.layers[name]
    return matrix


def _refuse_unknown(names: Iterable[str], known: Sequence[str], step: int) -> None:
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ValueError(f"Step {step} has {unknown[0]!r}, which is not in the catalogue.")
