"""The bounded queue between the engine and the file, and the thread that empties it."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.errors import SessionError
from engine.record import Event
from engine.session.opening import primary_code, sentence_of
from engine.session.recording import INSERT_STEP, Rows, event_rows, write_batch
from engine.session.text import clock

_TICK = 1.0
"""Seconds between signs of life, and between passive checkpoints."""

_GIVING_WAY = 0.001
"""Seconds after each commit in which the file is left to others: a command could wait for ever on an engine that
commits without a break."""

_QUIET = 10.0
"""Seconds within which recording that is blocked again is the same episode, and no new event."""

_PATIENCE = 3.0
"""Seconds that a write may take, beside a second for each so many bytes, before recording counts as blocked."""

_SLOWEST_DISK = 10e6
"""Bytes a second."""

_RETRIES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds before each new attempt to write; the last is repeated."""

# What can pass by itself: a disk that is freed or mounted again, a lock that is given back.
_PASSING = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PROTOCOL,
    }
)


class Backlog:
    """What is not written yet; it is written in the order in which it was added, and nothing is dropped.

    The thread takes all there is, writes it in one transaction and repeats; what it is writing still counts against
    the limit. An episode in which recording is blocked begins when the queue is full, or writing fails or takes too
    long. It leaves an event where it begins and one where it ends, and shows as ``blocked_since`` in the engine's row,
    as far as that can be written.

    Args:
        path: The session, for sentences.
        connection: The connection that writes, used by nobody else from now on.
        limit: Bytes that may wait.
        last_step: The newest step that is in the file, −1 if there is none.
        on_event: Called with the events that are added here, on whichever thread that happens.

    Attributes:
        blocked_since: Unix time since when recording is blocked, or None.
        saved_step: The newest step that is in the file, −1 if there is none.
        lost_file: A sentence once the file is no longer where it was, else empty.
    """

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        limit: int,
        last_step: int,
        on_event: Callable[[Event], None],
    ) -> None:
        self.blocked_since: float | None = None
        self.saved_step = self._last_step = last_step
        self.lost_file = ""
        self._path = path
        self._connection = connection
        self._limit = limit
        self._identity = _identity(path)
        mutex = threading.Lock()
        self._more = threading.Condition(mutex)
        self._less = threading.Condition(mutex)
        self._items: list[Rows] = []
        self._engine: dict[str, Any] = {}
        self._bytes = 0
        self._busy = False
        self._waiting = False
        self._on_event = on_event
        self._unreported: list[Event] = []
        self._attempt: tuple[float, int] | None = None
        self._blocked_last = float("-inf")
        self._announced = False
        self._obstacle = ""
        self._failure: SessionError | None = None
        self._closing = False
        self._given_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="session-writer", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> str | None:
        """The obstacle that keeps the thread from writing, in one sentence, or None."""
        if self._failure is not None:
            return self._failure.message
        return self._obstacle or self.lost_file or None

    @property
    def is_writing(self) -> bool:
        """Whether the thread lives, which owns the connection as long as it does."""
        return self._thread.is_alive()

    def check(self) -> None:
        """Notice a write that takes too long, which its thread cannot; to be called every now and then."""
        with self._more:
            attempt = self._attempt  # the writing thread clears it without the mutex
            if attempt is not None and self._failure is None:
                began, size = attempt
                if time.monotonic() - began > _PATIENCE + size / _SLOWEST_DISK:
                    self._obstacle = f"Recording waits: the disk does not answer ({self._path})."
                    self._block("the disk does not answer")
        self._report()

    def add(self, items: Sequence[Rows] = (), engine: Mapping[str, Any] | None = None) -> None:
        """Add rows, and columns of the engine's row; never waits. A SessionError once writing has failed."""
        with self._more:
            self._append(items, engine or {})

    def add_when_there_is_room(self, items: Sequence[Rows], step: int) -> None:
        """Add the rows of a step; wait as long as the queue is full.

        Args:
            items: What to record. What is larger than the limit is taken when nothing else waits.
            step: The step they belong to.

        Raises:
            SessionError: Writing has failed for good.
        """
        size = sum(item.size for item in items)
        with self._less:
            self._last_step = step
            if self._is_full(size):
                self._block("the disk does not keep up")
                self._waiting = True
                try:
                    self._less.wait_for(lambda: self._failure is not None or not self._is_full(size))
                finally:
                    self._waiting = False
                    self._blocked_last = time.monotonic()
            self._append(items, {})
        self._report()

    def flush(self, timeout: float | None) -> bool:
        """Wait, for ever or so many seconds, until all that was added is in the file; return whether it is."""
        with self._less:
            self._less.wait_for(lambda: self._failure is not None or self._is_empty(), timeout)
            return self._failure is None and self._is_empty()

    def finish(self, timeout: float | None) -> None:
        """Write all there is and end the thread.

        Args:
            timeout: Seconds to wait for the disk at most; None is for ever.

        Raises:
            SessionError: Not everything could be written.
        """
        with self._more:
            self._closing = True
            self._more.notify_all()
        self._thread.join(timeout)
        if self._thread.is_alive():
            self._given_up.set()
            self._thread.join(_TICK if timeout is None else min(timeout, _TICK))
            if self._failure is None:
                raise SessionError(f"Not everything could be written to {self._path}.", self.trouble or "")
        if self._failure is not None:
            raise self._failure

    def _is_full(self, size: int) -> bool:
        return self._bytes > 0 and self._bytes + size > self._limit

    def _is_empty(self) -> bool:
        return not (self._items or self._engine or self._busy)

    def _append(self, items: Sequence[Rows], engine: Mapping[str, Any]) -> None:
        if self._failure is not None:
            raise self._failure
        self._items += items
        self._bytes += sum(item.size for item in items)
        self._engine |= engine
        self._more.notify_all()

    def _block(self, reason: str) -> None:
        """Begin an episode, or go on with one; the mutex is held."""
        if self.blocked_since is None:
            self.blocked_since = time.time()
            if time.monotonic() - self._blocked_last > _QUIET:
                data = {"saved": self.saved_step}
                self._add_event(Event(self._last_step, "blocked", f"Recording waits: {reason}.", data=data))
                self._announced = True
            self._append((), {"blocked_since": self.blocked_since})
        self._blocked_last = time.monotonic()

    def _unblock(self) -> None:
        """End the episode if nothing has been in the way for a tick; the mutex is held."""
        quiet = time.monotonic() - self._blocked_last
        if self.blocked_since is not None and not self._waiting and (quiet > _TICK or self._closing):
            if self._announced:
                began = clock(self.blocked_since, exact=True)
                self._add_event(Event(self._last_step, "notice", f"Recording goes on; it had waited since {began}."))
            self.blocked_since, self._announced = None, False
            self._append((), {"blocked_since": None})

    def _add_event(self, event: Event) -> None:
        """Record an event of the recording's own, to be reported once the mutex is free."""
        self._unreported.append(event)
        self._append([event_rows(event, time.time())], {})

    def _report(self) -> None:
        while self._unreported:
            with contextlib.suppress(IndexError):  # another thread has reported it
                self._on_event(self._unreported.pop(0))

    def _run(self) -> None:
        next_tick = time.monotonic() + _TICK
        while True:
            with self._more:
                while not (self._items or self._engine or self._closing):
                    left = next_tick - time.monotonic()
                    if left <= 0:
                        break
                    self._more.wait(left)
                items, engine, size = self._items, self._engine, self._bytes
                if self._closing and not items and not engine:
                    return
                self._items, self._engine, self._busy = [], {}, True
            written = self._write(items, engine, size)
            with self._less:
                self._bytes -= size
                self._busy = False
                if written:
                    self._unblock()
                self._less.notify_all()
            self._report()
            if not written:
                return
            if time.monotonic() >= next_tick:
                self._tick()
                next_tick = time.monotonic() + _TICK
            time.sleep(_GIVING_WAY)

    def _write(self, items: Sequence[Rows], engine: Mapping[str, Any], size: int) -> bool:
        """Whether a batch was written, however long it took; False if it cannot be written at all."""
        attempt = 0
        while True:
            self._attempt = (time.monotonic(), size)
            try:
                write_batch(self._connection, items, {"heartbeat": time.time(), **engine})
            except sqlite3.Error as error:
                if primary_code(error) not in _PASSING:
                    return self._fail(sentence_of(error))
                with self._more:
                    self._obstacle = f"Recording waits: {sentence_of(error)} ({self._path})."
                    self._block(sentence_of(error))
                # A small write can succeed where a large one cannot, and then viewers know.
                with contextlib.suppress(sqlite3.Error):
                    write_batch(self._connection, (), {"heartbeat": time.time(), "blocked_since": self.blocked_since})
                self._report()
            except Exception as error:
                return self._fail(str(error))
            else:
                self._obstacle = ""
                steps = [item.rows[0][0] for item in items if item.statement == INSERT_STEP]
                self.saved_step = max(steps, default=self.saved_step)
                return True
            finally:
                self._attempt = None
            if self._given_up.wait(_RETRIES[min(attempt, len(_RETRIES) - 1)]):
                return self._fail("it was closed before the disk was back")
            attempt += 1

    def _fail(self, reason: str) -> bool:
        with self._less:
            self._failure = SessionError(f"Recording in {self._path} failed: {reason}.")
            self._less.notify_all()
        return False

    def _tick(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        moved = self._identity is not None and _identity(self._path) != self._identity
        self.lost_file = f"{self._path} was moved or removed while it is being recorded." if moved else ""


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
