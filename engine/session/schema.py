"""The tables of a session file, generated from the catalogue: a new metric is a new column and nothing else.

``steps`` has a row a step, ``layers`` a row a step and layer, ``layer_extremes`` the smallest and largest
finite value of each layer metric over each whole block of 64 steps, for overviews. NULL is "not computed"; ±∞
is kept. ``spectra`` has a row a matrix at the steps that record whole spectra: ``G`` with its layer, ``K`` with
NULL, and ``eigenvalues`` as float64 numbers in bytes, little-endian, ascending.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from engine.catalogue import EARLIER_NAMES, LAYER_COLUMNS, STEP_COLUMNS

APPLICATION_ID = 0x774E_5431
"""``wNT1``, in the header of every session: what makes an SQLite file one of ours."""

USER_VERSION = 2
"""Version of the tables. A file with a greater one is refused; columns may be added without raising it."""

BLOCK_STEPS = 64
"""Steps of a block of ``layer_extremes``; block b is steps 64·b … 64·b + 63."""

LARGEST_STEP = 2**51
"""Steps beyond it are no steps: floats could not tell their halves apart, which an axis of one step needs."""

LARGEST_TENSOR = 10**9
"""SQLite's own limit on one value, in bytes."""

ENGINE_COLUMNS = (
    "pid",
    "host",
    "state",
    "step",
    "message",
    "heartbeat",
    "started",
    "ended",
    "device",
    "blocked_since",
)
EVENT_COLUMNS = ("id", "time", "step", "kind", "layer", "message", "data")
SPECTRA_COLUMNS = ("step", "name", "layer", "eigenvalues")
COMMAND_COLUMNS = ("id", "time", "sender", "name", "arguments", "state", "step", "reply", "answered")

PRIMARY_KEYS = {
    "meta": ("key",),
    "steps": ("step",),
    "layers": ("step", "layer"),
    "events": ("id",),
    "commands": ("id",),
    "engine": ("id",),
    "checkpoints": ("step", "name"),
    "layer_extremes": ("block", "layer"),
    "spectra": ("step", "name", "layer"),
}
"""Every table of a session and its primary key, which readers insist on."""

ADDED_IN = {"spectra": 2}
"""Tables that files of an older version do not have, and the version that brought them."""


def quoted(name: str) -> str:
    """A name of a table or column as SQL takes it, whatever is in it: in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def listed(names: Iterable[str]) -> str:
    """Names of columns as SQL lists them: quoted, between commas."""
    return ", ".join(map(quoted, names))


def selected(names: Iterable[str], columns: Collection[str]) -> str:
    """Names of columns as SQL lists them, NULL for those that a table of an older catalogue does not have."""
    return ", ".join(_cell(name, columns) for name in names)


def _cell(name: str, columns: Collection[str]) -> str:
    """A column, or what an earlier catalogue called it where it is empty."""
    there = [quoted(one) for one in (name, _EARLIER.get(name)) if one in columns and one is not None]
    return f"ifnull({', '.join(there)})" if len(there) > 1 else (there[0] if there else "NULL")


def extreme_columns(name: str) -> tuple[str, str]:
    """The columns of ``layer_extremes`` with a layer metric's smallest and largest values."""
    return f"min_{name}", f"max_{name}"


_EARLIER = EARLIER_NAMES | {
    now: before
    for name, earlier in EARLIER_NAMES.items()
    for now, before in zip(extreme_columns(name), extreme_columns(earlier), strict=True)
}


def insert_into(table: str, columns: tuple[str, ...]) -> str:
    """An INSERT with a parameter a column; it fails where the row exists: history is never overwritten."""
    return f"INSERT INTO {quoted(table)} ({listed(columns)}) VALUES ({', '.join('?' * len(columns))})"


def _reals(names: tuple[str, ...]) -> str:
    return ", ".join(f"{quoted(name)} REAL" for name in names)


EXTREME_COLUMNS = tuple(column for name in LAYER_COLUMNS for column in extreme_columns(name))

METRIC_COLUMNS = {"steps": STEP_COLUMNS, "layers": LAYER_COLUMNS, "layer_extremes": EXTREME_COLUMNS}
"""Columns that come from the catalogue, by table; a file of an older catalogue lacks some."""

SPECTRA_DDL = (
    "CREATE TABLE spectra (step INTEGER, name TEXT, layer INTEGER, eigenvalues BLOB, PRIMARY KEY (step, name, layer))"
)

DDL: tuple[str, ...] = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    f"CREATE TABLE steps (step INTEGER PRIMARY KEY, time REAL, {_reals(STEP_COLUMNS)})",
    f"CREATE TABLE layers (step INTEGER, layer INTEGER, {_reals(LAYER_COLUMNS)}, PRIMARY KEY (step, layer))"
    " WITHOUT ROWID",
    "CREATE TABLE events (id INTEGER PRIMARY KEY, time REAL, step INTEGER, kind TEXT, layer INTEGER,"
    " message TEXT, data TEXT)",
    "CREATE TABLE commands (id INTEGER PRIMARY KEY, time REAL, sender TEXT, name TEXT, arguments TEXT,"
    " state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'refused')), step INTEGER,"
    " reply TEXT, answered REAL)",
    "CREATE INDEX commands_pending ON commands (id) WHERE state = 'pending'",
    "CREATE TABLE engine (id INTEGER PRIMARY KEY CHECK (id = 1), pid INTEGER, host TEXT, state TEXT,"
    " step INTEGER, message TEXT, heartbeat REAL, started REAL, ended REAL, device TEXT, blocked_since REAL)",
    "CREATE TABLE checkpoints (step INTEGER, name TEXT, dtype TEXT, shape TEXT, data BLOB, PRIMARY KEY (step, name))",
    f"CREATE TABLE layer_extremes (block INTEGER, layer INTEGER, {_reals(EXTREME_COLUMNS)},"
    " PRIMARY KEY (block, layer)) WITHOUT ROWID",
    SPECTRA_DDL,
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {USER_VERSION}",
)
"""Run in one transaction: a file has all of it or none."""
