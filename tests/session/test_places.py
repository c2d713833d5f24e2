"""Sessions where they cannot be written: other people's folders and disks that are read-only."""

import ctypes
import os
import shutil
import sqlite3
import tempfile
from pathlib import Path

import pytest

from tests.session.recorded import child, engine_process, has_rows, until, write_session

READ = """
import sys
from engine.session.liveness import EngineLock, engine_alive
from engine.session.reader import SessionReader
with SessionReader(sys.argv[1]) as reader:
    print(reader.mode, reader.steps()[0].size, engine_alive(sys.argv[1]))
"""


@pytest.fixture
def place():
    """A folder that a process without rights can reach and cannot write to once it is sealed."""
    folder = Path(tempfile.mkdtemp(prefix="wnt-tui-test-"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def give_up_roots_rights():
    """Make permissions count for root too: without these capabilities it is an owner like any other."""
    prctl, drop_from_bounding_set = ctypes.CDLL(None).prctl, 24
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        if prctl(drop_from_bounding_set, capability, 0, 0, 0):
            os._exit(77)


def read_without_rights(path):
    """What a process sees that may read everything here and write nothing."""
    for found in path.parent.iterdir():
        found.chmod(0o444)
    path.parent.chmod(0o555)
    options = {"preexec_fn": give_up_roots_rights} if os.geteuid() == 0 else {}
    with child(READ, path, **options) as process:
        printed, _ = process.communicate(timeout=60)
    if process.returncode == 77:
        pytest.skip("root cannot give up its rights here")
    assert process.returncode == 0
    return printed.split()


def test_finished_session_is_read_in_a_folder_that_cannot_be_written(place):
    path = write_session(place / "a.wnt")
    assert read_without_rights(path)[1:] == ["5", "False"]


def test_session_left_in_wal_mode_without_a_log_is_read_as_immutable(place):
    path = write_session(place / "a.wnt")
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    assert [found.name for found in place.iterdir()] == ["a.wnt"]
    assert read_without_rights(path) == ["immutable", "5", "False"]


def test_log_left_by_a_killed_engine_is_read_with_its_session(place):
    path = place / "a.wnt"
    with engine_process(path, 50) as engine:
        assert engine.stdout.readline() == "ready\n"
        engine.kill()
        engine.wait()
    assert (place / "a.wnt-wal").stat().st_size > 0
    (place / "a.wnt-shm").unlink(missing_ok=True)
    mode, rows, alive = read_without_rights(path)
    assert (mode, rows, alive) == ("copy", "50", "False")


def test_live_session_of_another_user_is_followed_in_place(place):
    path = place / "a.wnt"
    with engine_process(path, 50) as engine:
        assert engine.stdout.readline() == "ready\n"
        mode, rows, alive = read_without_rights(path)
        assert (mode in {"ro", "rw"}, rows, alive) == (True, "50", "True")


def test_temporary_copy_is_removed(place, tmp_path, monkeypatch):
    from engine.session import opening
    from engine.session.reader import SessionReader

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    path = place / "a.wnt"
    with engine_process(path) as engine:
        until(lambda: has_rows(path, 10))
        engine.kill()
        engine.wait()
    original = opening.connect

    def refusing(file, mode, *, seconds):
        if file == path:
            raise sqlite3.OperationalError("unable to open database file")
        return original(file, mode, seconds=seconds)

    monkeypatch.setattr(opening, "connect", refusing)
    with SessionReader(path) as reader:
        assert reader.steps()[0].size >= 10
        assert reader.mode in {"immutable", "copy"}
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []
