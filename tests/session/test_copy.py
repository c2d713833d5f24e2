import sqlite3
import stat

import pytest

from engine.errors import SessionError
from engine.session.copy import copy_session
from engine.session.reader import SessionReader
from tests.session.recorded import engine_process, has_rows, is_whole, until, write_session


def test_copy_is_one_file_with_every_row(tmp_path):
    source = write_session(tmp_path / "a.wnt", range(100))
    copy = copy_session(source, tmp_path / "copies.wnt")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with SessionReader(copy) as reader, SessionReader(source) as original:
        assert reader.steps()[0].size == 100
        assert is_whole(reader, 99)
        assert reader.meta() == original.meta()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wnt", "copies.wnt"]


def test_live_session_is_copied_whole_and_its_copy_has_no_engine(tmp_path):
    source = tmp_path / "a.wnt"
    with engine_process(source) as engine:
        until(lambda: has_rows(source, 100))
        copy = copy_session(source, tmp_path / "b.wnt")
        assert engine.poll() is None
    with SessionReader(copy) as reader:
        steps, _ = reader.steps()
        assert steps.size >= 100
        assert is_whole(reader, reader.last_step())
        assert reader.engine().state == "stopped"
        assert f"Copied at step {reader.last_step()}" in reader.engine().message
    connection = sqlite3.connect(copy)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_folder_takes_the_copy_under_its_own_name(tmp_path):
    source = write_session(tmp_path / "a.wnt")
    (tmp_path / "to").mkdir()
    assert copy_session(source, tmp_path / "to") == tmp_path / "to" / "a.wnt"


def test_copy_overwrites_nothing(tmp_path):
    source = write_session(tmp_path / "a.wnt")
    (tmp_path / "b.wnt").write_text("mine")
    for target in (tmp_path / "b.wnt", source, tmp_path / "nowhere" / "c.wnt"):
        with pytest.raises(SessionError):
            copy_session(source, target)
    assert (tmp_path / "b.wnt").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 2
