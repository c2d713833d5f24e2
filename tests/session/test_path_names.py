"""Names of files: whatever bytes they are, they are shown as printable text and found again by it."""

import contextlib
import json
import os
import shutil
import subprocess

import pytest

from engine.config import RunConfig
from engine.errors import SessionError
from engine.paths import existing_path, named_path, printable, shell_path, shown_path
from engine.session.copy import copy_session
from engine.session.live_sessions import live_sessions, register
from engine.session.liveness import EngineLock
from engine.session.locations import list_sessions, resolve_session
from engine.session.reader import SessionReader
from engine.session.reservation import reserve_session
from engine.session.writer import SessionWriter
from tests.session.recorded import engine_process, has_rows, write_session

ODD = [
    b"caf\xe9", b"new\nline", b"esc\x1b[31m", b"back\\slash", b"back\\x41", b"q?x#y%20&z", b"-dash", b"~tilde",
    b"quo'te\"", b"tab\tcr\r", "right\u202eleft".encode(), "line\u2028sep".encode(), b"\xff\xfe",
    "naïve λ".encode(), b"c1\xc2\x85",
]  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_a_name_is_shown_as_printable_text_and_found_by_it(tmp_path, name):
    path = tmp_path / os.fsdecode(name)
    path.touch()
    shown = shown_path(path)
    shown.encode()
    assert printable(shown) == shown
    assert existing_path(shown) == path
    assert existing_path(path) == path
    typed = subprocess.run(["bash", "-c", f"printf %s {shell_path(path)}"], capture_output=True, check=True).stdout
    assert typed == os.fsencode(path)
    said = SessionError(f"There is no {path}.").message
    said.encode()
    assert printable(said) == said


@pytest.mark.parametrize("name", ODD)
def test_a_session_of_any_name_is_listed_opened_copied_and_locked(tmp_path, monkeypatch, name):
    monkeypatch.setenv("WNT_SESSIONS", str(tmp_path / "sessions"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "sessions"
    folder.mkdir()
    path = write_session(folder / (os.fsdecode(name) + ".wnt"))
    write_session(folder / "other.wnt")
    assert set(list_sessions()) == {path, folder / "other.wnt"}
    assert resolve_session(os.fsdecode(name)) == path
    assert resolve_session(shown_path(path.stem)) == path
    with SessionReader(path) as reader:
        assert reader.name == shown_path(os.fsdecode(name))
        assert reader.steps()[0].size == 5
    assert has_rows(copy_session(path, tmp_path), 5)
    with EngineLock(path):
        register(path)
        assert live_sessions() == [path]


def test_what_is_known_of_a_run_is_stored_whatever_files_its_command_names(tmp_path):
    with SessionWriter.create(tmp_path / "a.wnt", RunConfig(), {"command": "run --session caf\udce9.wnt"}):
        pass
    with SessionReader(tmp_path / "a.wnt") as reader:
        assert reader.meta()["command"] == "run --session caf\\xe9.wnt"


def test_a_new_session_is_refused_by_the_shown_name_of_one_that_is_there(tmp_path):
    write_session(tmp_path / "caf\udce9.wnt")
    for asked in ("caf\udce9", "caf\\xe9", "caf\\xe9.wnt"):
        with pytest.raises(SessionError, match="exists already"):
            reserve_session(RunConfig(), tmp_path / asked)


def test_home_folders_and_doubled_slashes_are_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for text in ("~/a", f"/{tmp_path}/a", f"{tmp_path}//a", "a", "./a", "a/", f"//{tmp_path}/./a"):
        assert named_path(text) == tmp_path / "a"
    assert named_path("./~/a") == tmp_path / "~" / "a"
    assert named_path("~nobody-here/a") == tmp_path / "~nobody-here" / "a"


@pytest.mark.parametrize("name", ["data", "data_dir"])
def test_a_configuration_holds_text_that_can_be_stored_whatever_a_path_is_named(name):
    config = RunConfig(**{name: "caf\udce9.npz"})
    assert json.loads(config.to_json().encode())[name] == "caf\\xe9.npz"


def test_a_live_session_is_read_through_a_link_with_its_newest_rows(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    real, link = tmp_path / "elsewhere" / "a.wnt", tmp_path / "link.wnt"
    with engine_process(real, 50) as engine:
        assert engine.stdout.readline()
        link.symlink_to(real)
        assert has_rows(link, 50)
        assert resolve_session(link) == real
        shutil.copytree(tmp_path / "elsewhere", tmp_path / "frozen")
        (tmp_path / "frozen.wnt").symlink_to(tmp_path / "frozen" / "a.wnt")
        assert has_rows(tmp_path / "frozen.wnt", 50)


def test_one_odd_file_hides_no_other_and_a_file_is_listed_once(tmp_path):
    session = write_session(tmp_path / "a.wnt")
    (tmp_path / "link.wnt").symlink_to("a.wnt")
    (tmp_path / "dangling.wnt").symlink_to("nothing")
    (tmp_path / "loop.wnt").symlink_to("loop.wnt")
    (tmp_path / "folder.wnt").symlink_to(".")
    os.mkfifo(tmp_path / "fifo.wnt")
    found = list_sessions(tmp_path)
    assert {path.name for path in found} == {"a.wnt", "dangling.wnt", "loop.wnt", "fifo.wnt"}
    assert session in found
    for path in found:
        with contextlib.suppress(SessionError), SessionReader(path):
            assert path == session


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_a_folder_that_may_not_be_read_is_said(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    write_session(closed / "a.wnt")
    os.seteuid(65534)
    try:
        for look in (list_sessions, resolve_session):
            with pytest.raises(SessionError, match="Permission denied"):
                look(closed)
    finally:
        os.seteuid(0)
