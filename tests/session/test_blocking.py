import contextlib
import sqlite3
import threading

import pytest

from engine.config import RunConfig
from engine.errors import SessionError
from engine.record import Event
from engine.session.creation import connect_writer
from engine.session.liveness import EngineLock
from engine.session.reader import SessionReader
from engine.session.writer import SessionWriter
from tests.session.recorded import is_whole, record, until


@pytest.fixture
def full_disk(monkeypatch):
    """The file cannot grow by more than two pages: SQLite says that the disk is full."""
    connections = {}

    def connecting(path):
        connections[path], notice = connect_writer(path)
        return connections[path], notice

    @contextlib.contextmanager
    def limited(writer):
        writer.flush()
        connection = connections[writer.path]
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 2}").fetchall()
        try:
            yield
        finally:
            with contextlib.suppress(sqlite3.ProgrammingError):  # closed
                connection.execute("PRAGMA max_page_count = 1000000").fetchall()

    monkeypatch.setattr("engine.session.writer.connect_writer", connecting)
    return limited


def put_all(writer, steps):
    for step in steps:
        writer.put(record(step))


def test_full_queue_holds_the_engine_up_and_drops_nothing(tmp_path):
    path = tmp_path / "a.wnt"
    with SessionWriter.create(path, RunConfig(depth=3), {}, queue_bytes=20_000) as writer:
        writer.flush()
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")  # another program holds the write lock: the thread cannot commit
        engine = threading.Thread(target=put_all, args=(writer, range(200)))
        engine.start()
        until(lambda: writer.blocked_since is not None)
        assert writer.last_step < 199
        other.execute("ROLLBACK")
        other.close()
        engine.join(60)
        assert not engine.is_alive()
        until(lambda: writer.blocked_since is None)
        writer.flush()
    with SessionReader(path) as reader:
        assert reader.steps()[0].tolist() == list(range(200))
        assert is_whole(reader, 199)
        blocked = [row for row in reader.events() if row.event.kind == "blocked"]
        assert len(blocked) == 1


def test_full_disk_is_waited_for_and_said(tmp_path, full_disk):
    path = tmp_path / "a.wnt"
    with SessionWriter.create(path, RunConfig(depth=3), {}) as writer:
        with full_disk(writer):
            put_all(writer, range(300))
            until(lambda: writer.trouble is not None)
            assert "the disk is full" in writer.trouble
            assert writer.blocked_since is not None
            assert not writer.flush(0.1)
            with SessionReader(path) as reader:
                assert reader.steps()[0].size < 300
        assert writer.flush(60)
        assert writer.trouble is None
    with SessionReader(path) as reader:
        assert reader.steps()[0].tolist() == list(range(300))
        assert is_whole(reader, 299)
        began, ended = (row.event for row in reader.events())
        assert (began.kind, began.message) == ("blocked", "Recording waits: the disk is full.")
        assert ended.message.startswith("Recording goes on; it had waited since ")


def test_viewers_can_see_since_when_recording_is_blocked(tmp_path, full_disk):
    path = tmp_path / "a.wnt"
    with EngineLock(path), SessionWriter.create(path, RunConfig(depth=3), {}) as writer:
        with full_disk(writer), SessionReader(path) as reader:
            put_all(writer, range(300))
            until(lambda: reader.engine().blocked_since is not None)
        with SessionReader(path) as reader:
            until(lambda: reader.engine().blocked_since is None)


def test_close_gives_up_after_its_timeout_and_says_so(tmp_path, full_disk):
    path = tmp_path / "a.wnt"
    writer = SessionWriter.create(path, RunConfig(depth=3), {})
    with full_disk(writer):
        put_all(writer, range(300))
        until(lambda: writer.trouble is not None)
        with pytest.raises(SessionError, match=r"Recording in .* failed"):
            writer.close(timeout=0.1)
    with SessionReader(path) as reader:
        assert reader.steps()[0].size < 300


def test_engines_own_error_is_not_hidden_by_the_disks(tmp_path, monkeypatch, full_disk):
    monkeypatch.setattr("engine.session.writer.FAILING_SECONDS", 0.1)
    writer = SessionWriter.create(tmp_path / "a.wnt", RunConfig(depth=3), {})

    def engine():
        with writer:
            put_all(writer, range(300))
            until(lambda: writer.trouble is not None)
            raise RuntimeError("out of luck")

    with full_disk(writer), pytest.raises(RuntimeError, match="out of luck") as caught:
        engine()
    assert "Recording in" in caught.value.__notes__[0]


def test_event_larger_than_the_queue_passes(tmp_path):
    path = tmp_path / "a.wnt"
    with SessionWriter.create(path, RunConfig(depth=3), {}, queue_bytes=1000) as writer:
        put_all(writer, range(20))
        writer.put_event(Event(0, "notice", "x" * 3000))
    with SessionReader(path) as reader:
        assert reader.steps()[0].size == 20
        assert any(len(row.event.message) == 3000 for row in reader.events())


def test_removed_file_is_noticed(tmp_path):
    path = tmp_path / "a.wnt"
    writer = SessionWriter.create(path, RunConfig(), {})
    path.unlink()
    until(lambda: writer.trouble is not None)
    assert "moved or removed" in writer.trouble
    with contextlib.suppress(SessionError):
        writer.close()


@pytest.mark.parametrize("kind", ["nfs4", "fuse.sshfs", "cifs"])
def test_network_file_system_gets_a_rollback_journal_and_a_notice(tmp_path, monkeypatch, kind):
    monkeypatch.setattr("engine.session.creation.filesystem_type", lambda path: kind)
    path = tmp_path / "a.wnt"
    with SessionWriter.create(path, RunConfig(depth=3), {}) as writer:
        put_all(writer, range(3))
        writer.flush()
        assert not (tmp_path / "a.wnt-wal").exists()
        with SessionReader(path) as reader:
            assert is_whole(reader, 2)
            assert kind in reader.events()[0].event.message
