"""Mutations. Each is a function of a random generator and a copy of a sound session; the seed tells all."""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

from engine.session.schema import PRIMARY_KEYS

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp\r\n\x00tail"
"""Sets a title, clears the screen, colours, reorders, breaks lines, ends strings."""

VALUES: tuple[object, ...] = (
    None, 0, 1, -1, 2**51, 2**53, 2**63 - 1, -(2**63), 0.5, float("inf"), float("-inf"), 1e308, 5e-324, "", "text",
    EVIL, "NaN", "1e999", "-0", b"", b"\xff\x00", "\ud7ff", "9" * 400, '{"a": 1}', "[" * 5000, '{"x":' * 300, "null",
    '{"lr": 1e400, "set": "pl < 1", "breakpoint": ["a"]}', json.dumps({EVIL: EVIL}), "../../etc/passwd",
)  # fmt: skip

LARGEST_FILE = 64 * 2**20
"""Bytes of a file beyond which nothing more is done to it."""

Mutation = Callable[[random.Random, Path], None]


@contextlib.contextmanager
def hand(path: Path):  # type: ignore[no-untyped-def]
    """A connection with every safeguard off."""
    connection = sqlite3.connect(path, isolation_level=None)
    # Nothing that is lost in a power cut is missed: waiting for the disk is what would take longest.
    for pragma in ("synchronous = OFF", "ignore_check_constraints = ON", "writable_schema = ON", "foreign_keys = OFF"):
        connection.execute(f"PRAGMA {pragma}")
    with contextlib.suppress(AttributeError, sqlite3.Error):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, False)
    try:
        yield connection
    finally:
        connection.close()


def columns_of(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA table_info('{table}')")]


def value(rng: random.Random) -> object:
    if rng.random() < 0.03:
        return rng.choice([b"\x00", b"\x1b"]) * rng.randrange(1, 3_000_000)
    if rng.random() < 0.03:
        return "\x1b[31m" * rng.randrange(1, 100_000)
    return rng.choice(VALUES)


def cells(rng: random.Random, path: Path) -> None:
    """Values of any type in any cells."""
    with hand(path) as connection:
        for _ in range(rng.randrange(1, 12)):
            table = rng.choice(list(PRIMARY_KEYS))
            column = rng.choice(columns_of(connection, table))
            with contextlib.suppress(sqlite3.Error, OverflowError):
                connection.execute(
                    f'UPDATE OR REPLACE "{table}" SET "{column}" = ? WHERE abs(random()) % ? = 0',
                    (value(rng), rng.choice([1, 2, 5])),
                )


def rows(rng: random.Random, path: Path) -> None:
    """More rows: steps in the wrong places, layers that there are not, events and commands without an author."""
    with hand(path) as connection:
        for _ in range(rng.randrange(1, 40)):
            table = rng.choice(list(PRIMARY_KEYS))
            names = rng.sample(columns_of(connection, table), k=rng.randrange(1, 4))
            listed, marks = ", ".join(f'"{name}"' for name in names), ", ".join("?" * len(names))
            with contextlib.suppress(sqlite3.Error, OverflowError):
                connection.execute(
                    f'INSERT OR REPLACE INTO "{table}" ({listed}) VALUES ({marks})', [value(rng) for _ in names]
                )


def configuration(rng: random.Random, path: Path) -> None:
    """A configuration with other values, other names, other depths of nesting."""
    with hand(path) as connection:
        config = json.loads(connection.execute("SELECT value FROM meta WHERE key = 'config'").fetchone()[0])
        for _ in range(rng.randrange(1, 4)):
            name = rng.choice([*config, EVIL, "unheard_of"])
            config[name] = rng.choice(
                [0, -1, 1, 2, 1000, 10**6, 10**30, 0.5, 1e308, None, True, EVIL, "relu", "", [EVIL], {"a": 1},
                 ["pl < 1"] * 60, ["log10_cond[any] > 1"], "diverging"]
            )  # fmt: skip
        text = json.dumps(config)
        if rng.random() < 0.2:
            text = text[: rng.randrange(len(text))]
        connection.execute("UPDATE meta SET value = ? WHERE key = 'config'", (text,))


SCHEMAS = (
    "CREATE VIEW v AS SELECT * FROM steps, steps, steps",
    "CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM steps; END",
    "DROP TABLE engine",
    "DROP TABLE layer_extremes",
    "ALTER TABLE steps ADD COLUMN generated AS (randomblob(1000000000))",
    "ALTER TABLE layers ADD COLUMN generated AS (hex(zeroblob(100000000))) VIRTUAL",
    "ALTER TABLE steps RENAME COLUMN loss TO lost",
    "ALTER TABLE events RENAME COLUMN message TO massage",
    "CREATE TABLE extra (a, b, c)",
    "CREATE INDEX i ON layers (layer)",
    "CREATE INDEX j ON steps (abs(loss)) WHERE loss > 0",
    "CREATE VIRTUAL TABLE f USING fts5(a)",
    "CREATE VIRTUAL TABLE r USING rtree(a, b, c)",
    "PRAGMA user_version = 0",
    "PRAGMA user_version = 99",
    "PRAGMA application_id = 1",
    "PRAGMA auto_vacuum = FULL",
    "PRAGMA encoding = 'UTF-16'",
    "VACUUM",
    "UPDATE sqlite_master SET sql = 'CREATE TABLE steps AS SELECT 1' WHERE name = 'steps'",
    "UPDATE sqlite_master SET rootpage = 2 WHERE type = 'table'",
    "UPDATE sqlite_master SET rootpage = rootpage + 1 WHERE name = 'layers'",
    "UPDATE sqlite_master SET sql = replace(sql, 'REAL', 'REAL DEFAULT (load_extension(''x''))') WHERE name = 'steps'",
    "UPDATE sqlite_master SET sql = replace(sql, 'REAL', 'REAL CHECK (writefile(''x'', 1))') WHERE name = 'layers'",
    "UPDATE sqlite_master SET sql = sql || printf('%.*c', 200000, ' ') WHERE name = 'events'",
    "UPDATE sqlite_master SET name = 'steps' WHERE name = 'layers'",
    "DELETE FROM sqlite_master WHERE name = 'checkpoints'",
    "INSERT INTO events (kind, message) WITH RECURSIVE n (k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < 9999)"
    " SELECT 'break', 'again' FROM n",
    "INSERT INTO meta WITH RECURSIVE n (k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < 3000)"
    " SELECT k, printf('%.*c', 3000, 'x') FROM n",
    "INSERT INTO checkpoints (step, name, dtype, shape, data) VALUES (1, 'w', 'F32', '[1000000000,1000000000]', x'00')",
    "INSERT INTO checkpoints (step, name, dtype, shape, data) VALUES (2, 'w', 'F32', '[-1]', NULL)",
)  # fmt: skip


def schema(rng: random.Random, path: Path) -> None:
    """Tables, views, triggers, generated columns and pragmas that no engine writes."""
    with hand(path) as connection:
        for statement in rng.sample(SCHEMAS, k=rng.randrange(1, 3)):
            with contextlib.suppress(sqlite3.Error):
                connection.execute(statement)


def flips(rng: random.Random, path: Path) -> None:
    """Bytes that are others."""
    data = bytearray(path.read_bytes())
    for _ in range(rng.choice([1, 1, 2, 5, 20, 200])):
        place = rng.randrange(100) if rng.random() < 0.2 else rng.randrange(len(data))
        data[place] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256), data[place] ^ (1 << rng.randrange(8))])
    path.write_bytes(data)


def pages(rng: random.Random, path: Path) -> None:
    """Pages that are swapped, copied over others, or pointed elsewhere."""
    data = bytearray(path.read_bytes())
    size = int.from_bytes(data[16:18], "big") or 4096
    size = 65536 if size == 1 else size
    count = max(len(data) // size, 1)
    for _ in range(rng.randrange(1, 5)):
        one, other = rng.randrange(count) * size, rng.randrange(count) * size
        data[one : one + size] = data[other : other + size]
        if rng.random() < 0.5:
            place = rng.randrange(count) * size + 100 * (rng.random() < 0.3) + rng.randrange(0, 64, 2)
            data[place : place + 2] = rng.randrange(65536).to_bytes(2, "big")
    path.write_bytes(data)


def lengths(rng: random.Random, path: Path) -> None:
    """A file that ends too early, or goes on."""
    data = path.read_bytes()
    if rng.random() < 0.7:
        path.write_bytes(data[: rng.randrange(len(data))])
    else:
        path.write_bytes(data + rng.randbytes(rng.randrange(1, 20000)))


def sides(rng: random.Random, path: Path) -> None:
    """Journals that belong to nothing, to another file, or half to this one."""
    suffix = rng.choice(["-wal", "-shm", "-journal", "-wal"])
    beside = path.with_name(path.name + suffix)
    if suffix == "-wal" and rng.random() < 0.7:
        keeper = sqlite3.connect(path, isolation_level=None)
        keeper.execute("PRAGMA journal_mode = WAL")
        keeper.execute("PRAGMA wal_autocheckpoint = 0")
        for _ in range(rng.randrange(1, 4)):
            keeper.execute("INSERT INTO events (kind, message) VALUES ('notice', ?)", (EVIL * 50,))
        saved, log = path.read_bytes(), beside.read_bytes()
        keeper.close()
        path.write_bytes(saved)
        data = bytearray(log)
        for _ in range(rng.choice([0, 1, 5, 50])):
            data[rng.randrange(len(data))] = rng.randrange(256)
        beside.write_bytes(data[: rng.randrange(len(data))] if rng.random() < 0.3 else data)
        return
    magic = {
        "-journal": b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7",
        "-wal": b"\x37\x7f\x06\x82\x00\x2d\xe2\x18\x00\x00\x10\x00",
        "-shm": b"\x18\xe2\x2d\x00",
    }[suffix]
    beside.write_bytes(magic + rng.randbytes(rng.choice([0, 20, 512, 5000, 40000])))


MUTATIONS: tuple[Mutation, ...] = (cells, rows, configuration, schema, flips, pages, lengths, sides)


def make(seed: int, sound: bytes, path: Path) -> list[str]:
    """Write the session of a seed.

    Args:
        seed: Any number; the same one gives the same file.
        sound: A sound session's bytes.
        path: Where.

    Returns:
        Names of what was done to it.
    """
    rng = random.Random(seed)
    path.write_bytes(sound)
    done = []
    # What works on tables comes first, what works on bytes last: a damaged file takes no more statements.
    chosen = sorted(rng.sample(MUTATIONS, k=rng.choice([1, 1, 1, 2, 3])), key=MUTATIONS.index)
    for mutation in chosen:
        if path.stat().st_size > LARGEST_FILE:
            break
        done.append(mutation.__name__)
        # A session that another mutation broke may not take this one.
        with contextlib.suppress(sqlite3.Error, IndexError, ValueError, TypeError, RecursionError):
            mutation(rng, path)
    return done
