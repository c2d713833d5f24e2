"""Copying a session, live or not: SQLite's backup, for a plain copy of a live file would lose rows."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path

from engine.errors import SessionError
from engine.paths import beside_links, is_folder, real_path
from engine.session.filesystem import appearing
from engine.session.opening import connect, sentence_of
from engine.session.reader import SessionReader

_NO_ENGINE = (
    "UPDATE engine SET state = 'stopped', message = ?, ended = ?, blocked_since = NULL"
    " WHERE state IN ('starting', 'running', 'paused')"
)


def copy_session(source: str | Path, target: str | Path) -> Path:
    """Copy a session as it is at this moment into one file, which appears whole or not at all.

    Where the engine is at work the copy says that it was stopped there: the copy has no engine.

    Args:
        source: The session file.
        target: Where to; an existing folder takes the session's own name. Nothing may be there.

    Returns:
        The file written.

    Raises:
        SessionError: Not a session, or something is there already, or it cannot be written.
    """
    path = beside_links(target)
    if is_folder(path):
        path = real_path(path) / Path(source).name
    with SessionReader(source) as reader, appearing(path) as draft:
        try:
            with contextlib.closing(connect(draft, "rw", seconds=5.0)) as connection:
                reader.backup(connection)
                connection.execute("PRAGMA journal_mode = DELETE").fetchall()
                last = connection.execute("SELECT ifnull(max(step), -1) FROM steps").fetchone()[0]
                said = f"Copied at step {last} while its engine was at work."
                connection.execute(_NO_ENGINE, (said, time.time()))
        except sqlite3.Error as error:
            raise SessionError(f"Cannot copy {source} to {path}: {sentence_of(error)}.") from None
    return path
