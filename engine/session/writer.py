"""The engine's side of a session: records go into a queue, a thread writes them, nothing is ever dropped.

``put`` costs some tenths of a millisecond and waits only when the queue is full: so a disk that does not keep up
pauses the engine between two steps. The thread writes what is queued in one transaction and repeats; it never waits to
fill a batch, so that a step is visible to viewers some milliseconds after it was put.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self, TypedDict, Unpack

from engine import __version__
from engine.config import RunConfig
from engine.errors import SessionError, UsageError
from engine.record import Event, StepRecord
from engine.session.backlog import Backlog
from engine.session.block_extremes import BlockExtremes
from engine.session.creation import (
    BUSY_SECONDS,
    bring_up_to_date,
    connect_writer,
    create_session,
    fresh_engine,
)
from engine.session.filesystem import appearing
from engine.session.heartbeat import Heartbeat, Signs
from engine.session.measuring_version import gone_on_with
from engine.session.opening import checked_columns, connect, sentence_of
from engine.session.parsing import LIVING_STATES, command_from
from engine.session.reader import SessionReader
from engine.session.recorded import RecordedRun
from engine.session.recording import (
    answer_row,
    checkpoint_rows,
    event_rows,
    kept_checkpoint,
    refusal_row,
    step_rows,
)
from engine.session.rows import Command, CommandState, Tensor
from engine.session.schema import COMMAND_COLUMNS, LARGEST_STEP, LARGEST_TENSOR
from engine.session.vocabulary import check_arguments


class Observers(TypedDict, total=False):
    """Callbacks for what a writer does.

    Attributes:
        heartbeat: The lock's signs of life, by which other processes see whether recording is blocked, also where the
            session itself cannot be written.
        on_event: Called with every event that is recorded, on whichever thread that happens.
    """

    heartbeat: Heartbeat | None
    on_event: Callable[[Event], None]


QUEUE_BYTES = 32 * 2**20
_LOCKED_SECONDS = 1.0
"""How long SQLite itself waits for another program that holds the session; the thread tries again, and says so."""

_CLOSING_SECONDS = 0.5
"""How long the end waits for viewers that read at this moment."""

FAILING_SECONDS = 30.0
"""How long the disk is waited for when the engine ends by an exception."""

_PENDING = f"SELECT {', '.join(COMMAND_COLUMNS)} FROM commands WHERE state = 'pending' ORDER BY id LIMIT 100"


class SessionWriter:
    """Records a run; made by :meth:`create` or :meth:`open`, under an EngineLock, and a context manager.

    Args:
        path: An existing session.
        queue_bytes: Bytes that may wait to be written before ``put`` waits.
        **observers: Who is to know.

    Raises:
        SessionError: Not a session, or it cannot be written.
    """

    def __init__(self, path: Path, *, queue_bytes: int = QUEUE_BYTES, **observers: Unpack[Observers]) -> None:
        self.path = path
        self._connection, notice = connect_writer(path)
        try:
            checked_columns(self._connection, path)
            self._last_step: int = self._connection.execute("SELECT ifnull(max(step), -1) FROM steps").fetchone()[0]
            self._polling = connect(path, "rw", seconds=_LOCKED_SECONDS)
            self._connection.execute(f"PRAGMA busy_timeout = {int(1000 * _LOCKED_SECONDS)}").fetchall()
            self._extremes = BlockExtremes(self._polling)
        except sqlite3.Error as error:
            self._connection.close()
            raise SessionError(f"Cannot open {path}: {sentence_of(error)}.") from None
        except SessionError:
            self._connection.close()
            raise
        self._on_event = observers.get("on_event", _ignore)
        self._backlog = Backlog(path, self._connection, queue_bytes, self._last_step, self._on_event)
        self._state = "starting"
        self._since = time.time()
        if (heartbeat := observers.get("heartbeat")) is not None:
            heartbeat.report(self._signs)
        self._answered: set[int] = set()
        self._closed = False
        if notice:
            self.put_event(Event(self._last_step, "notice", notice))

    @classmethod
    def create(
        cls,
        path: str | Path,
        config: RunConfig,
        meta: Mapping[str, str],
        *,
        queue_bytes: int = QUEUE_BYTES,
        **observers: Unpack[Observers],
    ) -> Self:
        """Make a new session, which appears with its configuration in it (:func:`create_session`), and open it."""
        create_session(Path(path), config, meta)
        return cls(Path(path), queue_bytes=queue_bytes, **observers)

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        newest_command: int | None = None,
        queue_bytes: int = QUEUE_BYTES,
        **observers: Unpack[Observers],
    ) -> Self:
        """Go on with a session whose engine has ended; commands up to the newest that it was sent are refused."""
        # Later commands wait: the engine that is loading will answer them.
        with SessionReader(path) as reader:  # refuses what is not a session, before anything is written to it
            recorded = RecordedRun(reader)
            lr = recorded.lr_in_force()
            measured_by = gone_on_with(recorded.meta, recorded.last + 1, __version__)
        bring_up_to_date(Path(path), lr, measured_by)
        writer = cls(Path(path), queue_bytes=queue_bytes, **observers)
        writer._backlog.add([refusal_row("The engine it was sent to has ended.", newest_command)], fresh_engine())
        writer.set_engine(step=writer.last_step)
        return writer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        try:
            # Ctrl+C and sys.exit are orderly ends.
            if self._state in LIVING_STATES and isinstance(error, Exception):
                self.set_engine(state="failed", message=str(error) or type(error).__name__)
            self.close(timeout=FAILING_SECONDS)
        except SessionError as unwritten:  # the first error is the one to report
            error.add_note(str(unwritten))

    @property
    def last_step(self) -> int:
        """The newest step put, −1 before the first."""
        return self._last_step

    @property
    def trouble(self) -> str | None:
        """The obstacle that keeps the thread from writing, in one sentence, or None."""
        return self._backlog.trouble

    @property
    def lost_file(self) -> str:
        """A sentence once the file was moved or removed while it is being recorded, else empty."""
        return self._backlog.lost_file

    def rescue(self) -> Path:
        """Save a session whose file was moved or removed as a new one beside where it was; return its path."""
        self.flush(BUSY_SECONDS)
        number = 1
        while (path := self.path.with_name(f"{self.path.stem}-rescued-{number}{self.path.suffix}")).exists():
            number += 1
        try:
            with appearing(path) as draft, contextlib.closing(connect(draft, "rw", seconds=BUSY_SECONDS)) as target:
                self._polling.backup(target)
                target.execute("PRAGMA journal_mode = DELETE").fetchall()
        except sqlite3.Error as error:
            raise SessionError(f"Cannot rescue {self.path} to {path}: {sentence_of(error)}.") from None
        return path

    @property
    def blocked_since(self) -> float | None:
        """Unix time since when recording is blocked (the queue full, or the disk), or None."""
        return self._backlog.blocked_since

    def put(self, record: StepRecord) -> None:
        """Record a step, greater than all before; returns at once unless the queue is full.

        Raises:
            SessionError: The step is recorded already, or the session cannot be written any more.
        """
        if not self._last_step < record.step <= LARGEST_STEP:
            raise SessionError(
                f"Step {record.step} cannot follow step {self._last_step} in {self.path}.",
                "History is never overwritten: branch into a new session.",
            )
        self._backlog.add_when_there_is_room(step_rows(record, time.time(), self._extremes), record.step)
        self._last_step = record.step
        for event in record.events:
            self._on_event(event)

    def put_event(self, event: Event) -> None:
        """Record an event that belongs to no row; never waits."""
        self._backlog.add([event_rows(event, time.time())])
        self._on_event(event)

    def put_checkpoint(self, step: int, tensors: Mapping[str, Tensor], *, rolling_kept: int | None = None) -> None:
        """Record the tensors by name from which training can go on at a step that has no checkpoint yet."""
        # Of one that newer ones replace, so many rolling ones stay, this one among them.
        for name, tensor in tensors.items():
            if len(tensor.data) > LARGEST_TENSOR:
                raise SessionError(f"Tensor {name!r} has {len(tensor.data):,} bytes; {LARGEST_TENSOR:,} is the most.")
        self._backlog.add_when_there_is_room(checkpoint_rows(step, tensors, rolling_kept), step)

    def keep_checkpoint(self, step: int) -> None:
        """Have a rolling checkpoint stay; does nothing to others."""
        self._backlog.add([kept_checkpoint(step)])

    def set_engine(
        self,
        *,
        state: str | None = None,
        step: int | None = None,
        message: str | None = None,
        device: str | None = None,
    ) -> None:
        """Say how the engine is (state, step, message or device): visible together with all that was put before."""
        given = {"state": state, "step": step, "message": message, "device": device}
        if step is not None or state not in {None, self._state}:
            self._since = time.time()
        self._state = state or self._state
        self._backlog.add(engine={name: value for name, value in given.items() if value is not None})

    def pending_commands(self) -> list[Command]:
        """The commands without an answer, oldest first; those that make no sense are refused here."""
        # A command comes again with every call until it is answered. Costs some tens of microseconds.
        try:
            rows = self._polling.execute(_PENDING).fetchall()
        except sqlite3.OperationalError:
            return []
        sensible = []
        for command in map(command_from, rows):
            if command.id in self._answered:
                continue
            try:
                arguments = check_arguments(command.name, command.arguments)
            except UsageError as error:
                self.answer(command.id, "refused", None, str(error))
            else:
                sensible.append(replace(command, arguments=arguments))
        return sensible

    def answer(self, command_id: int, state: CommandState, step: int | None, reply: str = "") -> None:
        """Answer a command: done or refused, at a step (None: at none), with a sentence; never waits."""
        self._answered.add(command_id)
        self._backlog.add([answer_row(command_id, state, step, reply)])

    def abandon(self, message: str, timeout: float) -> int:
        """Say that the engine ends here, without its own thread; return the newest step in the file."""
        # For a process that ends right after: nothing can be recorded then, and the session's side files stay.
        ended = {"state": "stopped", "message": message, "ended": time.time()}
        with contextlib.suppress(SessionError):
            self._backlog.add([refusal_row("The engine has ended.")], ended)
            self._backlog.finish(timeout)
        return self._backlog.saved_step

    def _signs(self) -> Signs:
        self._backlog.check()
        return self._since, self._backlog.blocked_since

    def flush(self, timeout: float | None = None) -> bool:
        """Wait, for ever or so many seconds, until all that was put is in the file; return whether it is."""
        return self._backlog.flush(timeout)

    def close(self, timeout: float | None = None) -> None:
        """Write what is queued, say that the engine ended, and leave one file if no viewer has it open."""
        if self._closed:
            return
        self._closed = True
        ended: dict[str, str | float] = {"ended": time.time()}
        if self._state in LIVING_STATES:
            ended["state"] = self._state = "stopped"
        with contextlib.suppress(SessionError):
            self._backlog.add([refusal_row("The engine has ended.")], ended)
        try:
            self._backlog.finish(timeout)
        finally:
            self._polling.close()
            if not self._backlog.is_writing:  # else the thread still waits for a lock with this connection
                _leave_one_file(self._connection)


def _ignore(_event: Event) -> None:
    pass


def _leave_one_file(connection: sqlite3.Connection) -> None:
    """Close; a viewer that has the session open keeps its side files, which is fine."""
    for pragma in (
        f"busy_timeout = {int(1000 * _CLOSING_SECONDS)}",
        "wal_checkpoint(TRUNCATE)",
        "journal_mode = DELETE",
    ):
        with contextlib.suppress(sqlite3.Error):
            connection.execute(f"PRAGMA {pragma}").fetchall()
    connection.close()
