"""One row written into a session by somebody who is not its engine: a command, or a mark."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engine.session.opening import connect, primary_code

_PATIENCE = 30.0
"""Seconds that an engine which writes all the time, or another guest, is waited for."""

_POLL_SECONDS = 0.001
_MEANWHILE_SECONDS = 1.0


def insert_row(path: Path, statement: str, values: Sequence[Any], meanwhile: Callable[[], None] = lambda: None) -> int:
    """Insert one row, in a transaction of its own, as soon as nobody else writes.

    SQLite's own waiting sleeps up to 100 ms between two looks at the lock. An engine that records small rows as fast
    as it can leaves the lock for a millisecond between two commits (:mod:`engine.session.backlog`), which is then
    missed again and again; so the lock is looked at every millisecond.

    Args:
        path: The session file.
        statement: The INSERT.
        values: Its parameters.
        meanwhile: Called every second for as long as somebody else writes; may raise to give up.

    Returns:
        The row's number.

    Raises:
        sqlite3.OperationalError: It could not be written; the file is as it was.
    """
    deadline = time.monotonic() + _PATIENCE
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
            time.sleep(_POLL_SECONDS)
