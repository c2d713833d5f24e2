"""Reading a session, live or not: bounded reads, each fetched whole, no transaction left open.

The file is not trusted: cells of a wrong type are NaN, text is made plain, and what cannot be read is one
sentence.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import RETIRED, STEP_COLUMNS
from engine.config import RunConfig
from engine.errors import ConfigError, SessionError
from engine.paths import shown_path
from engine.record import Spectra
from engine.session.cell_values import number_matrix, whole_and_ascending
from engine.session.heartbeat import read_beat
from engine.session.layer_table import LayerTable
from engine.session.liveness import engine_alive, lock_path
from engine.session.opening import LONGEST_VALUE, Mode, OpenSession, damaged, open_session, primary_code, sentence_of
from engine.session.parsing import command_from, engine_from, event_from, tensor_from
from engine.session.rows import ROLLING, Command, EngineRow, EventRow, LayerBlocks, LayerRows, StepSpectra, Tensor
from engine.session.schema import (
    COMMAND_COLUMNS,
    ENGINE_COLUMNS,
    EVENT_COLUMNS,
    LARGEST_STEP,
    LARGEST_TENSOR,
    quoted,
    selected,
)
from engine.session.spectra_table import SpectraTable
from engine.session.text import LONGEST_TEXT, plain_text

Array = NDArray[np.float64]

LONGEST_META = 65_536
"""Characters of a value of `meta` that are shown: lists of versions are longer than sentences."""


MOST_EVENTS = 100_000
"""Events, or commands, that are read at once."""

LONGEST_NUMBER = 65_536
"""Bytes of a cell where a number should be. Not less: SQLite reads its own schema under the same limit."""

_ROWS_AT_A_TIME = 512


def _cut(columns: Sequence[str]) -> str:
    """Columns as SQL lists them, texts of them cut by SQLite to one character more than is ever shown."""
    return ", ".join(
        f"iif(typeof({name}) IN ('text', 'blob'), substr({name}, 1, {LONGEST_TEXT + 1}), {name})"
        for name in map(quoted, columns)
    )


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
        columns, layers = self._session.columns, self._config.depth + 1
        self._layers = LayerTable(self._numbers, columns, layers)
        self._spectra = SpectraTable(self._one_by_one, bool(columns["spectra"]), layers)

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
        return shown_path(self.path.stem)

    @property
    def mode(self) -> Mode:
        """The mode in which the file is open; ``immutable`` and ``copy`` see no new rows."""
        return self._session.mode

    def config(self) -> RunConfig:
        """The configuration of the run."""
        return self._config

    def meta(self) -> dict[str, str]:
        """The ``meta`` table as plain text, by key."""
        # Cut by SQLite: a thousand values of an untrusted file could be sixteen megabytes each.
        rows = self._rows(
            f"SELECT substr(key, 1, {LONGEST_META}), substr(value, 1, {LONGEST_META + 1}) FROM meta"
            " ORDER BY meta.key LIMIT 1000"
        )
        return {plain_text(key): plain_text(value, limit=LONGEST_META) for key, value in rows}

    def data_version(self) -> int:
        """A number that changes whenever another connection has written; costs some microseconds."""
        return self._whole("PRAGMA data_version")

    def last_step(self) -> int:
        """The newest step recorded, −1 before the first."""
        return self._whole("SELECT max(step) FROM steps WHERE step BETWEEN 0 AND ?", LARGEST_STEP, default=-1)

    def first_step(self) -> int:
        """The oldest step recorded, −1 if there is none: 0, or where a branch begins."""
        return self._whole("SELECT min(step) FROM steps WHERE step BETWEEN 0 AND ?", LARGEST_STEP, default=-1)

    def columns(self, table: str) -> tuple[str, ...]:
        """The columns that a table has in this file: an older catalogue's has fewer than today's."""
        return self._session.columns[table]

    def steps(self, after: int = -1, limit: int = -1) -> tuple[NDArray[np.int64], dict[str, Array]]:
        """The rows of ``steps`` that are newer than a step.

        Args:
            after: Only steps greater than it.
            limit: At most so many rows, the oldest of them; −1 is all. A hundred thousand take about a second.

        Returns:
            The steps, ascending, shape (rows,), and every step metric of the catalogue by name, retired ones that the
            file has and ``time`` (Unix time of recording), each of shape (rows,), NaN where not computed or not in
            this file.
        """
        columns = self.columns("steps")
        names = ("step", "time", *STEP_COLUMNS, *(entry.name for entry in RETIRED if entry.name in columns))
        matrix = self._numbers(
            len(names),
            f"SELECT {selected(names, columns)} FROM steps WHERE typeof(step) = 'integer'"
            " AND step > ? AND step <= ? ORDER BY step LIMIT ?",
            max(after, -1),
            LARGEST_STEP,
            limit,
        )
        sound = whole_and_ascending(matrix[0], strictly=True)
        matrix = matrix if sound.all() else matrix[:, sound]
        return matrix[0].astype(np.int64), dict(zip(names[1:], matrix[1:], strict=True))

    def layers_at(self, step: int) -> dict[str, Array]:
        """Every layer metric by name at a step, each of shape (depth + 1,); {} if it has no row of layers."""
        return self._layers.at(step)

    def layers(self, first: int, last: int) -> LayerRows:
        """The rows of ``layers`` over steps first … last, by step and layer."""
        return self._layers.rows(first, last)

    def layer_bands(
        self, names: Sequence[str], first: int, last: int, blocks: int, layer: int | None = None, *, rough: bool = False
    ) -> dict[str, LayerBlocks]:
        """Layer metrics over steps first … last, reduced to blocks of steps: see :meth:`LayerTable.bands`."""
        return self._layers.bands(names, first, last, blocks, layer, rough=rough)

    def spectra(self, step: int = LARGEST_STEP) -> StepSpectra | None:
        """The newest whole spectra that are not later than a step, None where there are none."""
        return self._spectra.newest(step)

    def spectra_at(self, step: int) -> Spectra:
        """The whole spectra of a step, {} if it has none."""
        return self._spectra.at(step)

    def spectra_steps(self) -> tuple[int, ...]:
        """The steps that have whole spectra, ascending."""
        return self._spectra.steps()

    def events(self, after_id: int = 0) -> tuple[EventRow, ...]:
        """The events after one, in the order of recording; at most :data:`MOST_EVENTS` at once."""
        rows = self._rows(
            f"SELECT {_cut(EVENT_COLUMNS)} FROM events WHERE id > ? ORDER BY events.id LIMIT {MOST_EVENTS}", after_id
        )
        return tuple(event_from(row) for row in rows)

    def all_events(self) -> Iterator[EventRow]:
        """Yield every event, read some at a time."""
        after = 0
        while found := self.events(after):
            yield from found
            newest = max(row.id for row in found)
            if newest <= after:  # the index of a damaged file
                return
            after = newest

    def engine(self) -> EngineRow:
        """What the session says of its engine, and whether a process holds its lock."""
        alive = engine_alive(self.path)
        rows = self._rows(f"SELECT {_cut(ENGINE_COLUMNS)} FROM engine WHERE id = 1")
        found = engine_from(rows[0] if rows else (None,) * len(ENGINE_COLUMNS), alive)
        beat = read_beat(lock_path(self.path)) if alive or found.state == "died" else None
        if not alive:
            times = [time for time in (found.heartbeat, beat.time if beat else None) if time is not None]
            return replace(found, silent_since=max(times, default=None)) if found.state == "died" else found
        if beat is None:
            return found
        blocked = found.blocked_since or beat.blocked_since
        return replace(found, since=beat.since, silent_since=beat.silent_since, blocked_since=blocked)

    def commands(self, after_id: int = 0) -> tuple[Command, ...]:
        """The commands after one, in the order of sending, with their answers."""
        rows = self._rows(
            f"SELECT {_cut(COMMAND_COLUMNS)} FROM commands WHERE id > ? ORDER BY commands.id LIMIT {MOST_EVENTS}",
            after_id,
        )
        return tuple(command_from(row) for row in rows)

    def newest_command(self) -> int:
        """The number of the command that was sent last, 0 if none was."""
        return self._whole("SELECT max(id) FROM commands WHERE typeof(id) = 'integer'")

    def command(self, command_id: int) -> Command | None:
        """A command with what became of it so far, None if there is none of this number."""
        rows = self._rows(f"SELECT {_cut(COMMAND_COLUMNS)} FROM commands WHERE id = ?", command_id)
        return command_from(rows[0]) if rows else None

    def checkpoints(self) -> tuple[int, ...]:
        """The steps that have a checkpoint, ascending."""
        sql = "SELECT DISTINCT step FROM checkpoints WHERE step BETWEEN 0 AND ? ORDER BY step"
        return tuple(int(step) for (step,) in self._rows(sql, LARGEST_STEP))

    def rolling_checkpoints(self) -> tuple[int, ...]:
        """The steps of the checkpoints that newer ones will replace, ascending."""
        sql = "SELECT step FROM checkpoints WHERE name = ? AND step BETWEEN 0 AND ? ORDER BY step"
        return tuple(int(step) for (step,) in self._rows(sql, ROLLING, LARGEST_STEP))

    def checkpoint_bytes(self, step: int) -> int:
        """The size of a checkpoint without reading it, 0 if there is none."""
        return self._whole("SELECT sum(length(data)) FROM checkpoints WHERE step = ?", step)

    def checkpoint(self, step: int) -> dict[str, Tensor]:
        """The tensors of a checkpoint by name, {} if there is none; a SessionError if one is damaged."""
        sql = "SELECT name, dtype, shape, data FROM checkpoints WHERE step = ? ORDER BY name"
        tensors = {}
        for name, *cells in self._rows(sql, step, longest=LARGEST_TENSOR):
            tensor = tensor_from(cells)
            if tensor is None:
                raise SessionError(f"The checkpoint of step {step} in {self.path} is damaged.")
            tensors[plain_text(name)] = tensor
        return tensors

    def backup(self, target: sqlite3.Connection) -> None:
        """Write the session as it is now into another, empty database, with SQLite's own backup."""
        with self._lock:
            self._connection.backup(target)

    @contextlib.contextmanager
    def _reading(self, longest: int) -> Generator[sqlite3.Connection]:
        """The connection, whose values have so many bytes at most; errors become a SessionError."""
        try:
            with self._lock:
                self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, longest)
                yield self._connection
        except sqlite3.ProgrammingError:
            raise SessionError(f"{self.path} is closed.") from None
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise self._trouble(error) from None

    def _rows(self, sql: str, *arguments: Any, longest: int = LONGEST_VALUE) -> list[tuple[Any, ...]]:
        with self._reading(longest) as connection:
            return connection.execute(sql, arguments).fetchall()

    def _one_by_one(self, sql: str, *arguments: Any) -> Generator[tuple[Any, ...]]:
        """Yield rows as they are read: whoever takes them stops where there is enough."""
        with self._reading(LONGEST_VALUE) as connection, contextlib.closing(connection.execute(sql, arguments)) as rows:
            yield from rows

    def _whole(self, sql: str, *arguments: Any, default: int = 0) -> int:
        found = self._rows(sql, *arguments)[0][0]
        return default if found is None else int(found)

    def _numbers(self, width: int, sql: str, *arguments: Any) -> Array:
        """Rows of numbers, shape (width, rows), read some at a time: each may be as long as a value may be."""
        parts = [np.empty((width, 0))]
        with self._reading(LONGEST_NUMBER) as connection:
            cursor = connection.execute(sql, arguments)
            while rows := cursor.fetchmany(_ROWS_AT_A_TIME):
                parts.append(number_matrix(rows, width))
        return np.concatenate(parts, axis=1)

    def _trouble(self, error: sqlite3.Error | UnicodeDecodeError) -> SessionError:
        # What SQLite says of a damaged schema quotes it, and Python takes that for UTF-8.
        if isinstance(error, UnicodeDecodeError) or primary_code(error) in {
            sqlite3.SQLITE_CORRUPT,
            sqlite3.SQLITE_NOTADB,
        }:
            return damaged(self.path)
        return SessionError(f"Cannot read {self.path}: {plain_text(sentence_of(error))}.")

    def _read_config(self) -> RunConfig:
        rows = self._rows("SELECT value FROM meta WHERE key = 'config'")
        try:
            values = json.loads(rows[0][0])
            if not isinstance(values, dict):
                raise ConfigError("It is no table of options.")
            plain = {name: plain_text(value) if isinstance(value, str) else value for name, value in values.items()}
            return RunConfig.from_mapping(plain)
        except (IndexError, TypeError, ValueError, RecursionError):
            raise SessionError(f"{self.path} has no readable configuration.") from None
        except ConfigError as error:
            reason = plain_text(error.message)
            raise SessionError(f"The configuration in {self.path} cannot be used: {reason}") from None
