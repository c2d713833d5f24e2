"""A new session file, whole from the moment it can be seen; and the connection that writes it."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from engine.config import RunConfig
from engine.errors import SessionError
from engine.paths import printable
from engine.session.filesystem import appearing, filesystem_type, is_network_type, own_copy
from engine.session.opening import connect, sentence_of
from engine.session.schema import (
    ADDED_IN,
    DDL,
    ENGINE_COLUMNS,
    METRIC_COLUMNS,
    SPECTRA_DDL,
    USER_VERSION,
    insert_into,
    quoted,
)

BUSY_SECONDS = 30.0
_OWN_KEYS = frozenset({"config", "created"})


def create_session(path: Path, config: RunConfig, meta: Mapping[str, str]) -> None:
    """Make a new session file, readable by its owner only.

    Args:
        path: Where; nothing may be there.
        config: The run's configuration.
        meta: What else is known of the run at its start: versions, device, data fingerprint, parent …

    Raises:
        SessionError: Something is there already, or nothing can be written there.
        ValueError: ``meta`` has a key that is written here.
    """
    if _OWN_KEYS & set(meta):
        raise ValueError(f"meta may not contain {sorted(_OWN_KEYS & set(meta))[0]!r}.")
    created = datetime.now(UTC).isoformat(timespec="seconds")
    # A command line names files, which may be no UTF-8.
    facts = {"config": config.to_json(), "created": created, **{key: printable(text) for key, text in meta.items()}}
    with appearing(path) as draft:
        try:
            with contextlib.closing(connect(draft, "rw", seconds=BUSY_SECONDS)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                for statement in DDL:
                    connection.execute(statement)
                connection.executemany(insert_into("meta", ("key", "value")), list(facts.items()))
                engine = {**fresh_engine(), "id": 1}
                connection.execute(insert_into("engine", tuple(engine)), tuple(engine.values()))
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise SessionError(
                f"Cannot write {path}: {sentence_of(error)}.", "Give a --session on a disk with room."
            ) from None


def bring_up_to_date(path: Path, lr: float, measured_by: Mapping[str, str]) -> None:
    """Bring an older session to this version's tables.

    Args:
        path: The session.
        lr: The η that its last row is left with, where the row has none.
        measured_by: Entries of ``meta`` that say which version measures the rows to come.

    Raises:
        SessionError: It cannot be written.
    """
    try:
        with contextlib.closing(connect(path, "rw", seconds=BUSY_SECONDS)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            for table, wanted in METRIC_COLUMNS.items():
                there = {row[1] for row in connection.execute(f"PRAGMA table_info({table})").fetchall()}
                for name in wanted:
                    if name not in there:
                        connection.execute(f"ALTER TABLE {table} ADD COLUMN {quoted(name)} REAL")
            if connection.execute("PRAGMA user_version").fetchone()[0] < ADDED_IN["spectra"]:
                connection.execute(SPECTRA_DDL)
                connection.execute(f"PRAGMA user_version = {USER_VERSION}")
            connection.executemany("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", list(measured_by.items()))
            connection.execute(
                "UPDATE steps SET lr = ? WHERE step = (SELECT max(step) FROM steps) AND lr IS NULL", (lr,)
            )
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise SessionError(f"Cannot write {path}: {sentence_of(error)}.", own_copy(path)) from None


def fresh_engine() -> dict[str, str | int | float | None]:
    """Every column but the id of the engine's row at its start."""
    now = time.time()
    row: dict[str, str | int | float | None] = dict.fromkeys(ENGINE_COLUMNS)
    row |= {"pid": os.getpid(), "host": socket.gethostname(), "state": "starting", "step": -1, "message": ""}
    return row | {"heartbeat": now, "started": now, "device": ""}


def connect_writer(path: Path) -> tuple[sqlite3.Connection, str]:
    """Connect the writer; return the connection, and a sentence if the journal is not WAL, else ""."""
    # Where WAL does not work the journal is a rollback journal.
    kind = filesystem_type(path)
    wanted = "DELETE" if is_network_type(kind) else "WAL"
    connection = None
    try:
        connection = connect(path, "rw", seconds=BUSY_SECONDS)
        mode = connection.execute(f"PRAGMA journal_mode = {wanted}").fetchone()[0]
        # A rollback journal is safe against power cuts only with FULL; WAL with NORMAL can lose the last
        # commits then, never the file.
        for pragma in (
            f"synchronous = {'NORMAL' if mode == 'wal' else 'FULL'}",
            "wal_autocheckpoint = 1000",
            f"journal_size_limit = {64 * 2**20}",
            "trusted_schema = OFF",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise SessionError(
            f"Cannot write {path}: {sentence_of(error)}.",
            own_copy(path),
        ) from None
    if mode == "wal":
        return connection, ""
    where = f"a network file system ({kind})" if wanted == "DELETE" else "a file system without shared memory"
    return connection, f"The session lies on {where}: recording uses a rollback journal, which is slower."
