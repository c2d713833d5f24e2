"""A session may come from anyone: whatever is in it, it opens, or is refused with one sentence."""

import contextlib
import os
import sqlite3
import struct

import numpy as np
import pytest

from engine.catalogue import STEP_COLUMNS
from engine.errors import SessionError
from engine.session.commands import send
from engine.session.marks import put_mark
from engine.session.opening import open_session
from engine.session.reader import SessionReader
from engine.session.writer import SessionWriter
from tests.session.recorded import is_whole, record, tampering, write_session


def refused(path, match):
    with pytest.raises(SessionError, match=match) as caught:
        SessionReader(path)
    assert "\n" not in str(caught.value)
    return caught.value


def test_missing_file_is_a_sentence(tmp_path):
    assert refused(tmp_path / "a.wnt", "There is no session").hint


@pytest.mark.parametrize("content", [b"", b"dear diary", b"\0" * 5000, b"SQLite format 3\0" + b"x" * 2000])
def test_file_that_is_no_session_is_refused(tmp_path, content):
    path = tmp_path / "a.wnt"
    path.write_bytes(content)
    refused(path, r"not a wnt-tui session|damaged")
    assert path.read_bytes() == content


def test_folder_and_pipe_are_refused(tmp_path):
    refused(tmp_path, "not a wnt-tui session")
    os.mkfifo(tmp_path / "pipe.wnt")
    refused(tmp_path / "pipe.wnt", "not a wnt-tui session")


def test_database_of_another_program_is_refused_and_not_written(tmp_path):
    path = tmp_path / "a.wnt"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE steps (step INTEGER PRIMARY KEY)")
    connection.close()
    before = path.read_bytes()
    refused(path, "not a wnt-tui session")
    with pytest.raises(SessionError, match="not a wnt-tui session"):
        SessionWriter.open(path)
    with pytest.raises(SessionError, match="not a wnt-tui session"):
        send(path, "pause")
    assert path.read_bytes() == before


def test_newer_session_is_refused_with_the_way_out(tmp_path):
    path = write_session(tmp_path / "a.wnt")
    with tampering(path) as newer:
        newer.execute("PRAGMA user_version = 99")
    assert "Upgrade" in refused(path, "newer wnt-tui .format 99").hint


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_truncated_session_is_called_damaged(tmp_path, share):
    path = write_session(tmp_path / "a.wnt", range(300))
    size = path.stat().st_size
    os.truncate(path, int(size * share))

    def read_all():
        with SessionReader(path) as reader:
            reader.steps()
            for step in range(300):
                reader.layers_at(step)
            reader.layer_bands(("log10_cond",), 0, 300, 10)
            reader.events()

    with pytest.raises(SessionError, match=r"damaged|not a wnt-tui session"):
        read_all()


def test_every_flipped_header_byte_opens_or_is_refused(tmp_path):
    path = write_session(tmp_path / "a.wnt")
    whole = path.read_bytes()
    for position in range(100):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
        try:
            with SessionReader(path) as reader:
                reader.steps()
        except SessionError:
            pass


def test_cells_of_a_wrong_type_are_nan(tmp_path):
    path = write_session(tmp_path / "a.wnt", range(4))
    with tampering(path) as connection:
        connection.execute("UPDATE steps SET loss = 'low' WHERE step = 1")
        connection.execute("UPDATE steps SET loss = x'3132' WHERE step = 2")
        connection.execute("UPDATE layers SET log10_cond = 'high' WHERE step = 2 AND layer = 1")
        connection.execute("INSERT INTO layers (step, layer) VALUES ('two', 'three'), (1, 'x'), (1, 99), (1, -1)")
        connection.execute("INSERT INTO events (time, step, kind, data) VALUES ('noon', x'00', 7, '[1')")
        connection.execute('INSERT INTO events (kind, data) VALUES (\'notice\', \'{"a": {"b": 1}, "c": 2}\')')
        connection.execute("UPDATE engine SET pid = 'x', state = 'asleep', heartbeat = 'y', step = 1e300")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("INSERT INTO commands (name, state, arguments) VALUES (5, 'eaten', 'nothing')")
    with SessionReader(path) as reader:
        steps, columns = reader.steps()
        assert steps.tolist() == [0, 1, 2, 3]
        np.testing.assert_array_equal(np.isnan(columns["loss"]), [False, True, True, False])
        assert is_whole(reader, 3)
        assert np.isnan(reader.layers_at(2)["log10_cond"]).tolist() == [False, True, False, False]
        assert reader.layers_at(1)["log10_cond"].shape == (4,)
        assert np.isfinite(reader.layer_bands(("log10_cond",), 0, 9, 1)["log10_cond"].high).all()
        garbage, nested = reader.events()
        assert (garbage.event.kind, garbage.event.step, dict(garbage.event.data)) == ("notice", -1, {})
        assert nested.event.data == {"c": 2}
        engine = reader.engine()
        assert (engine.pid, engine.state, engine.heartbeat, engine.step) == (0, "stopped", None, -1)
        assert reader.commands()[0].state == "refused"


def test_text_from_the_file_cannot_command_the_terminal(tmp_path):
    path = write_session(tmp_path / "a.wnt")
    evil = "\x1b]0;owned\x07\x1b[2Jred\r\n\u202egnp.exe\x9b31m"
    with tampering(path) as connection:
        connection.execute(
            "INSERT INTO events (kind, message, data) VALUES ('notice', ?, ?)", (evil, '{"\x1b[1m": "\x1b"}')
        )
        connection.execute("UPDATE engine SET message = ?, device = ?, host = ?, state = ?", (evil,) * 4)
        connection.execute("INSERT INTO meta VALUES (?, ?)", (evil, evil))
        connection.execute("INSERT INTO commands (name, sender, reply) VALUES (?, ?, ?)", (evil,) * 3)
        connection.execute('UPDATE meta SET value = replace(value, \'"data": "auto"\', \'"data": "\\u001b[2J"\')')
    with SessionReader(path) as reader:
        shown = [reader.config().data, *reader.meta().keys(), *reader.meta().values()]
        for row in reader.events():
            shown += [row.event.message, *row.event.data.keys(), *map(str, row.event.data.values())]
        engine = reader.engine()
        shown += [engine.message, engine.device, engine.host, engine.state]
        for command in reader.commands():
            shown += [command.name, command.sender, command.reply]
    assert reader.config().data == "[2J"
    assert not any(character in text for text in shown for character in "\x1b\x07\x9b\r\n\u202e")


def test_damaged_schema_that_is_not_utf8_is_a_sentence(tmp_path):
    path = write_session(tmp_path / "a.wnt")
    # SQLite quotes what it cannot parse in its message.
    changed = path.read_bytes().replace(b"CREATE INDEX commands_pending ON", b"CREATE INDEX commands_pending \x80\x80")
    path.write_bytes(changed)
    connection = sqlite3.connect(path)
    with pytest.raises(UnicodeDecodeError):
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    connection.close()
    refused(path, "damaged|Cannot open")


def test_text_that_is_not_utf8_is_read(tmp_path):
    path = write_session(tmp_path / "a.wnt")
    with tampering(path) as connection:
        connection.execute("INSERT INTO events (kind, message) VALUES ('notice', CAST(x'ff41' AS TEXT))")
    with SessionReader(path) as reader:
        assert reader.events()[0].event.message == "\ufffdA"


@pytest.mark.parametrize(
    "value", ["", "nonsense", "[]", '{"width": -1}', '{"width": "\\u001b[2J"}', '{"colour": 1}', "[" * 100_000]
)
def test_session_with_an_impossible_configuration_is_refused(tmp_path, value):
    path = write_session(tmp_path / "a.wnt")
    with tampering(path) as connection:
        connection.execute("UPDATE meta SET value = ? WHERE key = 'config'", (value,))
    assert "\x1b" not in str(refused(path, "onfiguration"))
    with tampering(path) as connection:
        connection.execute("DELETE FROM meta")
    refused(path, "configuration")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON commands BEGIN DELETE FROM steps; END",
        "CREATE VIEW v AS SELECT * FROM steps",
        "DROP TABLE engine",
    ],
)
def test_file_with_code_or_without_a_table_is_refused(tmp_path, statement):
    path = write_session(tmp_path / "a.wnt")
    with tampering(path) as connection:
        connection.execute(statement)
    refused(path, "not a wnt-tui session")


def test_view_in_the_place_of_a_table_is_refused(tmp_path):
    path = write_session(tmp_path / "a.wnt")
    with tampering(path) as connection:
        connection.execute("ALTER TABLE steps RENAME TO rows")
        connection.execute("CREATE VIEW steps AS SELECT * FROM rows, rows AS r2, rows AS r3")
    refused(path, "not a wnt-tui session")


def test_table_without_its_key_is_refused(tmp_path):
    path = write_session(tmp_path / "a.wnt")
    with tampering(path) as connection:
        connection.execute("DROP TABLE steps")
        connection.execute(f"CREATE TABLE steps (step, time, {', '.join(STEP_COLUMNS)})")
    refused(path, "not a wnt-tui session")


def test_journal_that_names_another_file_is_refused_and_that_file_survives(tmp_path):
    path = write_session(tmp_path / "a.wnt")
    precious = tmp_path / "precious"
    precious.write_bytes(b"mine\0")
    # What SQLite would roll back: a header, no page, and at the end the name of a "super-journal", which it deletes.
    magic, name = bytes.fromhex("d9d505f920a163d7"), os.fsencode(precious)
    header = magic + struct.pack(">5I", 0, 0, path.stat().st_size // 4096, 512, 4096)
    end = struct.pack(">I", 0x40000000 // 4096 + 1) + name + struct.pack(">II", len(name), sum(name)) + magic
    (tmp_path / "a.wnt-journal").write_bytes(header.ljust(512, b"\0") + end)
    (tmp_path / "link.wnt").symlink_to(path)
    for opened in (path, tmp_path / "link.wnt"):
        assert "move a.wnt-journal away" in refused(opened, "names another file").hint
    with pytest.raises(SessionError):
        SessionWriter.open(path)
    with pytest.raises(SessionError):
        put_mark(path, 1)
    assert precious.exists()
    (tmp_path / "a.wnt-journal").unlink()
    with SessionReader(path) as reader:
        assert reader.steps()[0].size == 5


def test_long_texts_are_cut_and_long_cells_where_numbers_should_be_are_refused(tmp_path):
    path = write_session(tmp_path / "a.wnt")
    with tampering(path) as connection:
        connection.execute("INSERT INTO events (kind, message) VALUES ('notice', printf('%.*c', 9000000, 'x'))")
        connection.execute("INSERT INTO meta VALUES ('long', printf('%.*c', 9000000, 'x'))")
    with SessionReader(path) as reader:
        assert len(reader.events()[0].event.message) == 4096
        assert len(reader.meta()["long"]) == 65_536
        with tampering(path) as connection:
            connection.execute("UPDATE steps SET loss = printf('%.*c', 9000000, 'x') WHERE step = 2")
        with pytest.raises(SessionError, match="too big"):
            reader.steps()


def test_steps_no_float_can_tell_apart_are_passed_over(tmp_path):
    path = write_session(tmp_path / "a.wnt", range(2))
    with tampering(path) as connection:
        connection.execute("INSERT INTO steps (step) VALUES (9223372036854775807), (-5)")
        connection.execute("INSERT INTO layers (step, layer) VALUES (9223372036854775807, 0), (-5, 0)")
    with SessionReader(path) as reader:
        assert reader.last_step() == 1
        assert reader.steps()[0].size == 2
        assert reader.steps()[0].tolist() == [0, 1]
        assert reader.layer_bands(("log10_cond",), 0, 2**62, 5)["log10_cond"].last.tolist() == [0, 1]


def test_reading_changes_nothing(tmp_path):
    path = write_session(tmp_path / "a.wnt")
    before = path.read_bytes(), path.stat().st_mtime_ns
    with SessionReader(path) as reader:
        reader.steps()
    with (
        contextlib.closing(open_session(path).connection) as connection,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        connection.execute("DELETE FROM steps")
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert [found.name for found in tmp_path.iterdir()] == ["a.wnt"]


def test_reader_that_was_closed_says_so(tmp_path):
    path = write_session(tmp_path / "a.wnt")
    with SessionReader(path) as reader:
        pass
    with pytest.raises(SessionError, match="closed"):
        reader.steps()
    reader.close()


def test_session_may_have_any_name(tmp_path):
    path = write_session(tmp_path / "100% ?#a b&mode=memory.wnt")
    with SessionReader(path) as reader:
        assert reader.steps()[0].size == 5
    with SessionWriter.open(path) as writer:
        writer.put(record(5))
    assert len(list(tmp_path.iterdir())) == 1
