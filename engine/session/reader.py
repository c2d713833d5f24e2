"""Reading a session, live or not: bounded reads, each fetched whole, no transaction left open.

The file is not trusted: cells of a wrong type are NaN, text is made plain, and what cannot be read is one sentence.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, get_args

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import LAYER_COLUMNS, STEP_COLUMNS
from engine.config import RunConfig
from engine.errors import ConfigError, SessionError
from engine.record import Event, EventKind
from engine.session.bands import merge_blocks
from engine.session.cells import number_matrix, real, real_or_none, scalars, whole, whole_or_none
from engine.session.liveness import engine_alive
from engine.session.opening import OpenSession, damaged, open_session, primary_code, sentence_of
from engine.session.rows import (
    Command,
    CommandAnswer,
    CommandState,
    EngineRow,
    EventRow,
    LayerBlocks,
    LayerRows,
)
from engine.session.schema import (
    BLOCK_STEPS,
    COMMAND_COLUMNS,
    ENGINE_COLUMNS,
    EVENT_COLUMNS,
    LARGEST_STEP,
    extreme_columns,
    quoted,
)
from engine.session.text import plain_text

Array = NDArray[np.float64]

RAW_STEPS = 2048
"""Windows of up to so many steps are read row by row, wider ones through ``layer_extremes``."""

RAW_ROWS = 100_000
"""… and never more rows of ``layers`` than this: a very deep network takes blocks earlier."""

LONGEST_META = 65_536
"""Characters of a value of `meta` that are shown: lists of versions are longer than sentences."""

_LIVING_STATES = frozenset({"starting", "running", "paused"})
_ENGINE_STATES = _LIVING_STATES | {"finished", "stopped", "diverged", "failed"}
_KINDS = frozenset(get_args(EventKind))
_COMMAND_STATES: dict[str, CommandState] = {"pending": "pending", "done": "done", "refused": "refused"}


class SessionReader:
    """A session open for reading; a context manager. It may be used by several threads, one read at a time.

    Args:
        path: The session file.

    Raises:
        SessionError: There is no such file, or it is no session, or a newer program's, or damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._session: OpenSession = open_session(self.path)
        self._connection = self._session.connection
        try:
            self._config = self._read_config()
        except SessionError:
            self.close()
            raise
        self._layers = self._config.depth + 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what was read stays valid."""
        with self._lock:
            self._session.close()

    @property
    def name(self) -> str:
        """The session's name for people: the file's without its suffix."""
        return plain_text(self.path.stem)

    @property
    def follows(self) -> bool:
        """Whether new rows become visible here; False for an immutable file and for a temporary copy."""
        return self._session.how in {"read-write", "read-only"}

    def config(self) -> RunConfig:
        """The configuration of the run."""
        return self._config

    def meta(self) -> dict[str, str]:
        """The ``meta`` table as plain text, by key."""
        rows = self._rows("SELECT key, value FROM meta ORDER BY key LIMIT 1000")
        return {plain_text(key): plain_text(value, limit=LONGEST_META) for key, value in rows}

    def data_version(self) -> int:
        """A number that changes whenever another connection has written; asking costs some microseconds."""
        return int(self._rows("PRAGMA data_version")[0][0])

    def row_count(self) -> int:
        """Number of steps recorded; counts them, so it takes time proportional to it."""
        return int(self._rows("SELECT count(*) FROM steps WHERE step BETWEEN 0 AND ?", LARGEST_STEP)[0][0])

    def last_step(self) -> int:
        """The newest step recorded, −1 before the first."""
        rows = self._rows(
            "SELECT step FROM steps WHERE step BETWEEN 0 AND ? ORDER BY step DESC LIMIT 1", LARGEST_STEP
        )
        return int(rows[0][0]) if rows else -1

    def steps(self, after: int = -1) -> tuple[NDArray[np.int64], dict[str, Array]]:
        """The rows of ``steps`` that are newer than a step.

        Args:
            after: Only steps greater than it.

        Returns:
            The steps, ascending, shape (rows,), and every step metric of the catalogue by name, as well as ``time``
            (Unix time of recording), each of shape (rows,), NaN where not computed or not in this file.
        """
        names = self._present("steps", ("time", *STEP_COLUMNS))
        rows = self._rows(
            f"SELECT step, {_listed(names)} FROM steps WHERE typeof(step) = 'integer' AND step > ? AND step <= ?"
            " ORDER BY step",
            max(after, -1),
            LARGEST_STEP,
        )
        matrix = number_matrix(rows, len(names) + 1)
        columns = dict(zip(names, matrix[1:], strict=True))
        nothing = np.full(len(rows), np.nan)
        return matrix[0].astype(np.int64), {
            name: columns.get(name, nothing) for name in ("time", *STEP_COLUMNS)
        }

    def layers_at(self, step: int) -> dict[str, Array]:
        """All layer metrics at a step.

        Args:
            step: A step.

        Returns:
            Every layer metric of the catalogue by name, each of shape (depth + 1,), NaN where not computed; {} if
            the step has no row of layers.
        """
        found = self.layers(step, step)
        if not found.step.size:
            return {}
        result = {}
        for name, values in found.columns.items():
            result[name] = np.full(self._layers, np.nan)
            result[name][found.layer] = values
        return result

    def layers(self, first: int, last: int) -> LayerRows:
        """The rows of ``layers`` over steps first..last.

        Args:
            first: First step.
            last: Last step.

        Returns:
            The rows, by step and layer.
        """
        names = self._present("layers", LAYER_COLUMNS)
        step, layer, matrix = self._layer_rows(names, first, last)
        columns = dict(zip(names, matrix, strict=True))
        nothing = np.full(step.size, np.nan)
        return LayerRows(step, layer, {name: columns.get(name, nothing) for name in LAYER_COLUMNS})

    def layer_series(self, name: str, layer: int, first: int, last: int) -> tuple[NDArray[np.int64], Array]:
        """One metric of one layer over steps.

        Args:
            name: A layer metric; one that the file does not have is NaN.
            layer: 0 … depth.
            first: First step.
            last: Last step.

        Returns:
            Steps and values, each of shape (rows,).
        """
        step, _, matrix = self._layer_rows(self._present("layers", (name,)), first, last, layer)
        return step, matrix[0] if matrix.size else np.full(step.size, np.nan)

    def layer_band(self, name: str, first: int, last: int, blocks: int) -> LayerBlocks:
        """One layer metric over steps first..last, reduced to blocks of steps.

        Args:
            name: A layer metric; one that the file does not have is NaN.
            first: First step.
            last: Last step.
            blocks: The most blocks wanted.

        Returns:
            Exact extremes per block. Narrow windows are read row by row; in wide ones whole blocks of 64 steps come
            from ``layer_extremes`` and only both ends row by row.
        """
        first, last = max(first, 0), min(last, LARGEST_STEP, self._last_step_with_layers())
        span = last - first + 1
        parts = []
        if span <= RAW_STEPS and span * self._layers <= RAW_ROWS:
            parts.append(self._raw_extremes(name, first, last))
        else:
            begin, end = -(-first // BLOCK_STEPS), (last + 1) // BLOCK_STEPS
            # The newest block is complete only when a later one has begun, unless it ends the window's interior.
            end = max(begin, min(end, self._last_step_with_layers() // BLOCK_STEPS))
            parts.append(self._raw_extremes(name, first, begin * BLOCK_STEPS - 1))
            parts.append(self._stored_extremes(name, begin, end - 1))
            parts.append(self._raw_extremes(name, end * BLOCK_STEPS, last))
        step, until, layer, low, high = (np.concatenate(part) for part in zip(*parts, strict=True))
        return merge_blocks(
            step.astype(np.int64),
            until.astype(np.int64),
            layer.astype(np.int64),
            low,
            high,
            layers=self._layers,
            blocks=max(1, blocks),
        )

    def events(self, after_id: int = 0) -> tuple[EventRow, ...]:
        """The events that were recorded after one of them.

        Args:
            after_id: Only events with greater numbers.

        Returns:
            The events, in the order of recording.
        """
        rows = self._rows(f"SELECT {_listed(EVENT_COLUMNS)} FROM events WHERE id > ? ORDER BY id", after_id)
        return tuple(_event(row) for row in rows)

    def engine(self) -> EngineRow:
        """What the session says of its engine, and whether a process holds its lock."""
        alive = engine_alive(self.path)
        rows = self._rows(f"SELECT {_listed(ENGINE_COLUMNS)} FROM engine WHERE id = 1")
        return _engine(rows[0] if rows else (None,) * len(ENGINE_COLUMNS), alive)

    def commands(self, after_id: int = 0) -> tuple[Command, ...]:
        """The commands that were sent, with their answers.

        Args:
            after_id: Only commands with greater numbers.

        Returns:
            The commands, in the order of sending.
        """
        rows = self._rows(
            f"SELECT {_listed(COMMAND_COLUMNS)} FROM commands WHERE id > ? ORDER BY id", after_id
        )
        return tuple(command_from(row) for row in rows)

    def answer(self, command_id: int) -> CommandAnswer | None:
        """What became of a command so far.

        Args:
            command_id: Its number.

        Returns:
            The answer, ``pending`` as long as there is none; None if there is no such command.
        """
        rows = self._rows(f"SELECT {_listed(COMMAND_COLUMNS)} FROM commands WHERE id = ?", command_id)
        if not rows:
            return None
        command = command_from(rows[0])
        return CommandAnswer(command.id, command.state, command.step, command.reply)

    def backup(self, target: sqlite3.Connection) -> None:
        """Write the session as it is at this moment into another database, with SQLite's own backup.

        Args:
            target: An open connection to an empty database.
        """
        with self._lock:
            self._connection.backup(target)

    def _rows(self, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Read all rows of a statement; nothing stays open."""
        try:
            with self._lock:
                return self._connection.execute(sql, arguments).fetchall()
        except sqlite3.ProgrammingError:
            raise SessionError(f"{self.path} is closed.") from None
        except sqlite3.Error as error:
            if primary_code(error) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
                raise damaged(self.path) from None
            raise SessionError(f"Cannot read {self.path}: {sentence_of(error)}.") from None

    def _present(self, table: str, names: Iterable[str]) -> tuple[str, ...]:
        columns = self._session.columns[table]
        return tuple(name for name in names if name in columns)

    def _read_config(self) -> RunConfig:
        rows = self._rows("SELECT value FROM meta WHERE key = 'config'")
        try:
            values = json.loads(rows[0][0])
            if not isinstance(values, dict):
                raise ConfigError("It is no table of options.")
            plain = {
                name: plain_text(value) if isinstance(value, str) else value for name, value in values.items()
            }
            return RunConfig.from_mapping(plain)
        except (IndexError, TypeError, ValueError, RecursionError):
            raise SessionError(f"{self.path} has no readable configuration.") from None
        except ConfigError as error:
            reason = plain_text(error.message)
            raise SessionError(f"The configuration in {self.path} cannot be used: {reason}") from None

    def _last_step_with_layers(self) -> int:
        rows = self._rows("SELECT max(step) FROM layers WHERE step <= ?", LARGEST_STEP)
        return whole(rows[0][0], -1)

    def _layer_rows(
        self, names: Sequence[str], first: int, last: int, layer: int | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
        """Steps, layers and columns, the latter of shape (names, rows)."""
        low, high = (0, self._layers - 1) if layer is None else (layer, layer)
        rows = self._rows(
            f"SELECT {_listed(('step', 'layer', *names))} FROM layers WHERE step BETWEEN ? AND ?"
            " AND layer BETWEEN ? AND ? AND typeof(step) = 'integer' AND typeof(layer) = 'integer'"
            " ORDER BY step, layer",
            max(first, 0),
            min(last, LARGEST_STEP),
            max(low, 0),
            min(high, self._layers - 1),
        )
        matrix = number_matrix(rows, len(names) + 2)
        return matrix[0].astype(np.int64), matrix[1].astype(np.int64), matrix[2:]

    def _raw_extremes(self, name: str, first: int, last: int) -> tuple[Array, ...]:
        step, layer, matrix = self._layer_rows(self._present("layers", (name,)), first, last)
        values = matrix[0] if matrix.size else np.full(step.size, np.nan)
        return step, step, layer, values, values

    def _stored_extremes(self, name: str, first: int, last: int) -> tuple[Array, ...]:
        columns = self._present("layer_extremes", extreme_columns(name))
        if len(columns) < 2:
            columns = ("NULL", "NULL")
        rows = self._rows(
            f"SELECT block, layer, {_listed(columns)} FROM layer_extremes WHERE block BETWEEN ? AND ?"
            " AND layer BETWEEN 0 AND ? AND typeof(block) = 'integer' AND typeof(layer) = 'integer'"
            " ORDER BY block, layer",
            first,
            last,
            self._layers - 1,
        )
        block, layer, low, high = number_matrix(rows, 4)
        return block * BLOCK_STEPS, block * BLOCK_STEPS + (BLOCK_STEPS - 1), layer, low, high


def command_from(row: Sequence[Any]) -> Command:
    """A command from its row.

    Args:
        row: The cells of COMMAND_COLUMNS.

    Returns:
        The command; a state that there is not counts as refused.
    """
    number, time, sender, name, arguments, state, step, reply, answered = row
    return Command(
        whole(number, 0),
        real(time),
        plain_text(sender),
        plain_text(name),
        scalars(arguments),
        _COMMAND_STATES.get(state, "refused") if isinstance(state, str) else "refused",
        whole_or_none(step),
        plain_text(reply),
        real_or_none(answered),
    )


def _event(row: Sequence[Any]) -> EventRow:
    number, time, step, kind, layer, message, data = row
    known: EventKind = kind if isinstance(kind, str) and kind in _KINDS else "notice"  # type: ignore[assignment]
    event = Event(whole(step, -1), known, plain_text(message), whole_or_none(layer), scalars(data))
    return EventRow(whole(number, 0), real(time), event)


def _engine(row: Sequence[Any], alive: bool) -> EngineRow:
    pid, host, state, step, message, heartbeat, started, ended, device, blocked_since = row
    said = plain_text(state)
    if said not in _ENGINE_STATES:
        said = "running" if alive else "stopped"
    if said in _LIVING_STATES and not alive:
        said = "died"
    return EngineRow(
        whole(pid, 0),
        plain_text(host),
        said,
        whole(step, -1),
        plain_text(message),
        real_or_none(heartbeat),
        real_or_none(started),
        real_or_none(ended),
        plain_text(device),
        real_or_none(blocked_since) if alive else None,
        alive,
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name if name == "NULL" else quoted(name) for name in names)
