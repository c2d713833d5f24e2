"""Opening a session's file to read it, wherever it lies and whoever wrote it.

A session is tried read-write, then read-only, then as immutable if nothing lies beside it that SQLite would
have to take in. A ``-wal`` (or a journal) that cannot be opened in place is copied with its session to a
temporary folder and read there. Copying is done by another process: opening and closing the file in this one
would drop the SQLite locks that this process holds on it (POSIX locks belong to process and file).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote_from_bytes

from engine.errors import SessionError
from engine.paths import real_path, shell_path
from engine.session.filesystem import ASK_OWNER, side_files
from engine.session.schema import ADDED_IN, APPLICATION_ID, PRIMARY_KEYS, USER_VERSION, quoted

Mode = Literal["rw", "ro", "immutable", "copy"]

READER_BUSY_SECONDS = 5.0
LONGEST_VALUE = 16 * 2**20
"""Bytes of one stored text that a reader takes; tensors have their own limit."""

LONGEST_PATH = 500
"""Bytes of a path that SQLite opens, files beside it included."""

_COPY_PATIENCE = 600.0
_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")

# Run by another interpreter: argv is the session and the copy. The WAL is copied after the session; where it
# was begun anew meanwhile (its header changed), the pair does not belong together and is copied again.
_COPY_PROGRAM = """
import os, shutil, sys
source, copy = sys.argv[1:]
def header(name):
    try:
        with open(name, "rb") as file:
            return file.read(32)
    except FileNotFoundError:
        return b""
for attempt in range(20):
    before = header(source + "-wal")
    for suffix in ("", "-wal", "-journal"):
        try:
            shutil.copyfile(source + suffix, copy + suffix)
        except FileNotFoundError:
            if not suffix:
                raise
            if os.path.exists(copy + suffix):
                os.remove(copy + suffix)
    if header(copy + "-wal") == before == header(source + "-wal"):
        break
"""


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session that is open for reading.

    Attributes:
        connection: Reads only; every statement is its own transaction.
        mode: ``rw`` and ``ro`` follow a live engine; ``immutable`` and ``copy`` do not.
        columns: Columns of each table that the file has.
        folder: The temporary folder of a copy, or None.
    """

    connection: sqlite3.Connection
    mode: Mode
    columns: dict[str, tuple[str, ...]]
    folder: tempfile.TemporaryDirectory[str] | None = None

    def close(self) -> None:
        """Close the connection and remove the copy, if there is one."""
        self.connection.close()
        if self.folder is not None:
            self.folder.cleanup()


def connect(path: Path, mode: Mode, *, seconds: float) -> sqlite3.Connection:
    """Connect to an existing file in autocommit, waiting so many seconds for locks; one thread at a time."""
    option = "mode=ro&immutable=1" if mode == "immutable" else f"mode={mode}"
    return sqlite3.connect(
        # With an (empty) authority: without one, SQLite takes what follows two slashes for a machine's name.
        f"file://{quote_from_bytes(os.fsencode(path.absolute()))}?{option}",
        uri=True,
        timeout=seconds,
        isolation_level=None,
        check_same_thread=False,
    )


def open_session(path: str | Path) -> OpenSession:
    """Open a session for reading; a SessionError where it is none, or a newer program's, damaged or unreadable."""
    session = Path(path)
    _check_file(session)
    alone = not side_files(session)
    modes: tuple[Mode, ...] = ("rw", "ro", "immutable") if alone else ("rw", "ro")
    for mode in modes:
        with contextlib.suppress(sqlite3.OperationalError):
            return _opened(session, session, mode)
    if alone:
        raise _closed(session)
    return _open_copy(session)


def sentence_of(error: sqlite3.Error) -> str:
    """What went wrong in words that fit into a sentence: ``the disk is full``."""
    words = {
        sqlite3.SQLITE_FULL: "the disk is full",
        sqlite3.SQLITE_BUSY: "another program has locked it",
        sqlite3.SQLITE_LOCKED: "another program has locked it",
        sqlite3.SQLITE_IOERR: "reading or writing the disk failed",
        sqlite3.SQLITE_READONLY: "it may not be written",
        sqlite3.SQLITE_CANTOPEN: "it, or a file beside it, cannot be opened",
        sqlite3.SQLITE_CORRUPT: "it is damaged",
        sqlite3.SQLITE_NOTADB: "it is damaged",
    }
    return words.get(primary_code(error), str(error))


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code, 1 where the error carries none."""
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF


def not_a_session(session: Path) -> SessionError:
    """The error about a file that is something else."""
    return SessionError(f"{session} is not a wnt-tui session.", "`wnt-tui ls` lists the sessions there are.")


def _closed(session: Path) -> SessionError:
    """The error about a session that is there and cannot be opened."""
    for part in (session, *side_files(session)):
        if not os.access(part, os.R_OK):
            return SessionError(f"Cannot open {session}: you may not read {part.name}.", ASK_OWNER)
    if len(os.fsencode(real_path(session))) > LONGEST_PATH:
        hint = f"SQLite opens paths of {LONGEST_PATH} bytes: move it."
        return SessionError(f"Cannot open {session}: the path is too long.", hint)
    return SessionError(f"Cannot open {session}.", "Check that it and the files beside it can be read.")


def damaged(session: Path) -> SessionError:
    """The error about a file that SQLite cannot read through."""
    hint = f"`sqlite3 {shell_path(session)} .recover` of SQLite's own shell saves what can be read."
    return SessionError(f"{session} is damaged.", hint)


def checked_columns(connection: sqlite3.Connection, session: Path) -> dict[str, tuple[str, ...]]:
    """The columns of each table, () of those an older file lacks; a SessionError where it is no session of ours."""
    identity = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if identity != APPLICATION_ID or version < 1:
        raise not_a_session(session)
    if version > USER_VERSION:
        raise SessionError(
            f"{session} was written by a newer wnt-tui (format {version}; this one reads {USER_VERSION}).",
            "Upgrade wnt-tui to open it.",
        )
    # An untrusted file may hold views, triggers and virtual tables under our names, which do more than store.
    entries = connection.execute("SELECT type, name, rootpage FROM sqlite_master LIMIT 1000").fetchall()
    tables = {name for kind, name, page in entries if kind == "table" and isinstance(page, int) and page > 0}
    wanted = {table: key for table, key in PRIMARY_KEYS.items() if ADDED_IN.get(table, 0) <= version}
    if not set(wanted) <= tables or any(kind not in {"table", "index"} for kind, _, _ in entries):
        raise not_a_session(session)
    columns: dict[str, tuple[str, ...]] = dict.fromkeys(PRIMARY_KEYS, ())
    for table, key in wanted.items():
        described = connection.execute(f"PRAGMA table_info({quoted(table)})").fetchall()
        columns[table] = tuple(str(column[1]) for column in described)
        ranks = {column[5]: column[1] for column in described if column[5]}
        if tuple(ranks[rank] for rank in sorted(ranks)) != key:
            raise not_a_session(session)
    return columns


def _check_file(session: Path) -> None:
    try:
        kind = session.stat().st_mode
    except FileNotFoundError:
        there = f"{session} is a link to nothing" if session.is_symlink() else f"There is no session {session}"
        raise SessionError(f"{there}.", "`wnt-tui ls` lists the sessions there are.") from None
    except (OSError, ValueError) as error:
        raise SessionError(f"Cannot open {session}: {getattr(error, 'strerror', '') or error}.") from None
    if not stat.S_ISREG(kind):
        raise not_a_session(session)
    _refuse_super_journal(session)


def _refuse_super_journal(session: Path) -> None:
    """Refuse a journal that names a file: rolling it back SQLite may delete that file, wherever it lies."""
    # SQLite names a "super-journal" at the end of a journal when a transaction spans several databases, which none of
    # ours does. Reading the journal plainly is safe: SQLite holds its locks on the session.
    journal = Path(os.path.realpath(session) + "-journal")
    try:
        if not stat.S_ISREG(journal.stat().st_mode):
            raise not_a_session(session)
        with journal.open("rb") as file:
            file.seek(-len(_JOURNAL_MAGIC), os.SEEK_END)
            names_a_file = file.read() == _JOURNAL_MAGIC
    except (OSError, ValueError):  # there is none, or it is shorter, or SQLite cannot read it either
        return
    if names_a_file:
        raise SessionError(
            f"{session} has a journal beside it that names another file, which opening it could delete.",
            f"If the session is yours, move {journal.name} away; it holds nothing that wnt-tui wrote.",
        )


def _opened(file: Path, session: Path, mode: Mode) -> OpenSession:
    """Open and check a file, under the session's name; an OperationalError where another mode may work."""
    connection = connect(file, mode, seconds=READER_BUSY_SECONDS)
    try:
        _restrict(connection)
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return OpenSession(connection, mode, checked_columns(connection, session))
    except sqlite3.OperationalError as error:
        connection.close()
        if primary_code(error) == sqlite3.SQLITE_BUSY:
            raise SessionError(
                f"{session} is locked by another program.", "Close what else has it open and try again."
            ) from None
        raise
    except sqlite3.DatabaseError as error:
        connection.close()
        if primary_code(error) == sqlite3.SQLITE_NOTADB:
            raise not_a_session(session) from None
        raise damaged(session) from None
    except UnicodeDecodeError:  # what SQLite says of a damaged schema quotes it, and Python takes that for UTF-8
        connection.close()
        raise damaged(session) from None
    except SessionError:
        connection.close()
        raise


def _restrict(connection: sqlite3.Connection) -> None:
    """Take from a reader of an untrusted file what it does without."""
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
    connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, 1_000_000)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.setlimit(sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 1)
    for pragma in (
        "trusted_schema = OFF",
        "cell_size_check = ON",
        "mmap_size = 0",
        "query_only = ON",
        "wal_autocheckpoint = 0",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()


def _open_copy(session: Path) -> OpenSession:
    folder = tempfile.TemporaryDirectory(prefix="wnt-tui-", ignore_cleanup_errors=True)
    copy = Path(folder.name) / "session.wnt"
    try:
        finished = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _COPY_PROGRAM, str(real_path(session)), str(copy)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_COPY_PATIENCE,
            check=False,
        )
        if finished.returncode:
            raise SessionError(
                f"Cannot open {session}, nor copy it to {folder.name}.",
                "Check that you may read it and that there is room for temporary files.",
            )
        opened = _opened(copy, session, "rw")
    except (OSError, subprocess.TimeoutExpired, sqlite3.OperationalError):
        folder.cleanup()
        raise _closed(session) from None
    except SessionError:
        folder.cleanup()
        raise
    return OpenSession(opened.connection, "copy", opened.columns, folder)
