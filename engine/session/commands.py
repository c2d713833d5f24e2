"""Commands to the engine, from a viewer's side: a row in the session, with the engine's answer in it."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.errors import SessionError
from engine.paths import shell_path, shown_path
from engine.session.liveness import engine_alive
from engine.session.opening import connect, primary_code, sentence_of
from engine.session.reader import SessionReader
from engine.session.rows import Argument, Command
from engine.session.text import clock
from engine.session.vocabulary import check_arguments

_INSERT = "INSERT INTO commands (time, sender, name, arguments) VALUES (?, ?, ?, ?)"
_POLL_SECONDS = 0.02

_INSERT_SECONDS = 30.0
"""How long a row waits for an engine that writes all the time, or for another writer."""

_INSERT_POLL_SECONDS = 0.001
_MEANWHILE_SECONDS = 1.0

_DOUBT_SECONDS = 1.0
"""How long an answer is waited for before it is asked whether the engine goes on at all."""


def send(path: str | Path, name: str, arguments: Mapping[str, Argument] | None = None, sender: str = "") -> int:
    """Ask the engine of a session for something; return the command's number, for :func:`wait`."""
    checked = check_arguments(name, arguments or {})
    session = Path(path)
    row = (time.time(), sender, name, json.dumps(checked, allow_nan=False))
    with SessionReader(session) as reader:  # refuses what is not a session, before anything is written to it
        if not engine_alive(session):
            raise _not_running(session)
        try:
            return insert_row(session, _INSERT, row, meanwhile=lambda: _require_going_on(reader, sent=False))
        except sqlite3.Error as error:
            if primary_code(error) not in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}:
                _require_going_on(reader, sent=False)
            raise SessionError(
                f"Cannot send {name!r} to the engine of {session}: {sentence_of(error)}.",
                "Only who may write to the session can command its engine.",
            ) from None


def wait(path: str | Path, command_id: int, timeout: float = 5.0) -> Command:
    """The engine's answer, ``pending`` where the time was up first; it comes between steps."""
    deadline, doubted = time.monotonic() + timeout, time.monotonic() + _DOUBT_SECONDS
    with SessionReader(path) as reader:
        while True:
            # Asked before the row is read: an engine answers first and dies then.
            alive = engine_alive(path)
            answer = reader.command(command_id)
            if answer is None:
                raise SessionError(f"{path} has no command {command_id}.")
            if answer.state != "pending":
                return answer
            if not alive:
                raise _not_running(Path(path))
            if time.monotonic() >= deadline:
                return answer
            if time.monotonic() >= doubted:
                _require_going_on(reader, sent=True)
            time.sleep(min(_POLL_SECONDS, max(0.0, deadline - time.monotonic())))


def insert_row(path: Path, statement: str, values: Sequence[Any], meanwhile: Callable[[], None] = lambda: None) -> int:
    """Insert one row in a transaction of its own, as soon as nobody else writes; return its number."""
    # SQLite's own waiting sleeps up to 100 ms between two looks at the lock. An engine that records small rows as fast
    # as it can leaves the lock for a millisecond between two commits, which is then missed again and again; so the lock
    # is looked at every millisecond. ``meanwhile`` may raise to give up.
    deadline = time.monotonic() + _INSERT_SECONDS
    called = time.monotonic() + _MEANWHILE_SECONDS
    with contextlib.closing(connect(path, "rw", seconds=0.0)) as connection:
        connection.execute("PRAGMA trusted_schema = OFF").fetchall()
        while True:
            try:
                return int(connection.execute(statement, values).lastrowid or 0)
            except sqlite3.OperationalError as error:
                if primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                    raise
            if time.monotonic() >= called:
                meanwhile()
                called = time.monotonic() + _MEANWHILE_SECONDS
            time.sleep(_INSERT_POLL_SECONDS)


def _require_going_on(reader: SessionReader, *, sent: bool) -> None:
    """Refuse to wait for an engine that gives no sign of life, or that cannot write its answer."""
    engine, name = reader.engine(), reader.name
    waits = "What was sent waits for it. " if sent else ""
    if not engine.alive:
        raise _not_running(reader.path)
    if engine.silent_since is not None:
        raise SessionError(
            f"{name}: its engine has given no sign of life since {clock(engine.silent_since)}.",
            waits + engine.remedy,
        )
    if engine.blocked_since is not None:
        raise SessionError(
            f"{name}: its recording has been blocked since {clock(engine.blocked_since)}, and so are its answers.",
            engine.remedy,
        )


def _not_running(session: Path) -> SessionError:
    return SessionError(
        f"{shown_path(session.stem)}: its engine is not running.",
        f"`wnt-tui replay {shell_path(session)}` shows what it recorded.",
    )
