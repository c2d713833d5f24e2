import contextlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

import engine.session.live_sessions as registry
from engine.config import RunConfig
from engine.errors import SessionError
from engine.session.filesystem import filesystem_type, is_network_type
from engine.session.live_sessions import live_sessions, register, unregister
from engine.session.liveness import EngineLock
from engine.session.locations import list_sessions, resolve_session, sessions_folder
from engine.session.reservation import reserve_session, session_name
from tests.session.recorded import child, write_session


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home of its own, with nothing set."""
    monkeypatch.delenv("WNT_SESSIONS", raising=False)
    for name in ("DATA", "STATE", "CONFIG", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    monkeypatch.setenv("HOME", str(tmp_path))
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return tmp_path


def entries():
    """The folder in which live engines are listed."""
    return Path(os.environ["XDG_STATE_HOME"]) / "wnt-tui" / "living"


def test_sessions_go_to_the_first_folder_that_is_named(home, monkeypatch):
    assert home in sessions_folder().parents
    (home / "here" / "sessions").mkdir()
    assert sessions_folder() == home / "here" / "sessions"
    monkeypatch.setenv("WNT_SESSIONS", "~/elsewhere")
    assert sessions_folder() == home / "elsewhere"


def test_default_name_says_what_the_run_is():
    when = datetime(2026, 11, 23, 20, 45, 1, tzinfo=UTC)
    assert session_name(RunConfig(), when) == "relu-500x9-mse-20261123-204501.wnt"


def test_fresh_name_is_free(home):
    with reserve_session(RunConfig()) as first:
        assert first.session.parent.is_dir()
        write_session(first.session)
    with reserve_session(RunConfig()) as second:
        assert not second.session.exists()
        assert second.session != first.session


def test_a_name_that_is_reserved_is_taken(monkeypatch):
    monkeypatch.setattr("engine.session.reservation.session_name", lambda config: "same.wnt")
    with reserve_session(RunConfig()) as first, reserve_session(RunConfig()) as second:
        assert (first.session.name, second.session.name) == ("same.wnt", "same-2.wnt")
        with pytest.raises(SessionError, match="Another engine is already writing"):
            reserve_session(RunConfig(), first.session)
    assert not list(first.session.parent.iterdir())


def test_names_reserved_by_many_processes_at_once_all_differ(tmp_path):
    program = (
        "import sys; from engine.config import RunConfig; from engine.session import reservation;"
        "reservation.session_name = lambda config: 'same.wnt';"
        "lock = reservation.reserve_session(RunConfig(), sys.argv[1]); print(lock.session.name, flush=True);"
        "sys.stdin.read(); lock.release()"
    )
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(child(program, tmp_path)) for _ in range(6)]
        names = [process.stdout.readline().strip() for process in processes]
        assert sorted(names) == ["same-2.wnt", "same-3.wnt", "same-4.wnt", "same-5.wnt", "same-6.wnt", "same.wnt"]


def test_a_lock_file_that_was_left_over_or_is_anothers_does_not_hold_a_name(home, monkeypatch):
    monkeypatch.setattr("engine.session.reservation.session_name", lambda config: "same.wnt")
    (home / "same.wnt.lock").touch()
    with reserve_session(RunConfig(), home) as lock:
        assert lock.session == home / "same.wnt"
    (home / "same.wnt.lock").mkdir()
    with reserve_session(RunConfig(), home) as lock:
        assert lock.session == home / "same-2.wnt"


def test_asked_path_is_taken_as_it_is(home):
    here = home / "here"
    for asked, path in {
        "run7": here / "run7.wnt",
        "run7.db": here / "run7.db",
        "lr0.01": here / "lr0.01.wnt",
        "~/x": home / "x.wnt",
        f"/{home}/y": home / "y.wnt",
        "../here/../z": home / "z.wnt",
    }.items():
        with reserve_session(RunConfig(), asked) as lock:
            assert lock.session == path
    with reserve_session(RunConfig(), home) as lock:
        assert lock.session.parent == home
    for asked in ("nowhere/run7", "../here/nowhere/run7"):
        with pytest.raises(SessionError, match="There is no folder"):
            reserve_session(RunConfig(), asked)
    with pytest.raises(SessionError, match="5004 bytes"):
        reserve_session(RunConfig(), "x" * 5000)
    write_session(Path("run7.wnt"))
    Path("link.wnt").symlink_to("nothing")
    for asked in ("run7", "link", home / "here" / ".." / "here" / "run7.wnt"):
        with pytest.raises(SessionError, match="exists already"):
            reserve_session(RunConfig(), asked)
    assert sorted(path.name for path in here.iterdir()) == ["link.wnt", "run7.wnt"]


def test_session_is_found_by_path_or_name_with_or_without_suffix(home, monkeypatch):
    monkeypatch.setenv("WNT_SESSIONS", str(home / "mine"))
    (home / "mine").mkdir()
    there, here = write_session(home / "mine" / "alpha.wnt"), write_session(Path("beta.wnt"))
    for text in ("alpha", "alpha.wnt", str(there), there):
        assert resolve_session(text) == there
    for text in ("beta", "beta.wnt", "./beta", f"/{here.absolute()}", "../here//beta", "~/here/beta", "beta.wnt/."):
        assert resolve_session(text) == here.absolute()


def test_session_that_there_is_not_is_a_sentence_with_the_nearest_name(home, monkeypatch):
    monkeypatch.setenv("WNT_SESSIONS", str(home / "mine"))
    (home / "mine").mkdir()
    write_session(home / "mine" / "alpha.wnt")
    with pytest.raises(SessionError, match="There is no session alpah") as caught:
        resolve_session("alpah")
    assert "alpha" in caught.value.hint
    with pytest.raises(SessionError, match="is a folder"):
        resolve_session(home)
    Path("loop.wnt").symlink_to("loop.wnt")
    Path("dangling.wnt").symlink_to("nothing")
    for name, words in (("loop", "symbolic links"), ("dangling", "is a link to nothing"), ("loop.wnt/x", "Cannot")):
        with pytest.raises(SessionError, match=words):
            resolve_session(name)
    for text in (".", "~nobody-here/x", "x" * 5000, "a/b\0c"):
        with pytest.raises(SessionError):
            resolve_session(text)


def test_sessions_are_listed_newest_first(home):
    for age, name in enumerate(("c.wnt", "a.wnt", "b.wnt")):
        os.utime(write_session(home / "here" / name), (1e9 - age, 1e9 - age))
    (home / "here" / "notes.txt").touch()
    (home / "here" / ".hidden.wnt").touch()
    assert [path.name for path in list_sessions(home / "here")] == ["c.wnt", "a.wnt", "b.wnt"]
    assert list_sessions(home / "nowhere") == []


def test_live_sessions_are_those_whose_lock_is_held(home):
    alive, over = home / "alive.wnt", home / "over.wnt"
    with EngineLock(alive):
        assert register(over)
        assert register(alive)
        assert live_sessions() == [alive]
        assert len(list(entries().iterdir())) == 1
    assert live_sessions() == []


def test_live_sessions_come_newest_first_and_leave_when_asked(home, monkeypatch):
    first, second = home / "1.wnt", home / "2.wnt"
    with EngineLock(first), EngineLock(second):
        times = iter([100.0, 200.0])
        monkeypatch.setattr(registry.time, "time", lambda: next(times))
        register(first)
        register(second)
        assert live_sessions() == [second, first]
        unregister(second)
        unregister(second)
        assert live_sessions() == [first]


def test_entries_that_make_no_sense_are_removed_and_those_of_other_machines_kept(home):
    register(home / "over.wnt")
    folder = entries()
    (folder / "a.json").write_text("nonsense")
    (folder / "b.json").write_text("[1]")
    (folder / "c.json").write_text(json.dumps({"session": 7}))
    (folder / "e.json").write_text(json.dumps({"session": "/x\ud800.wnt"}))
    (folder / "d.json").write_text(json.dumps({"session": "/far/away.wnt", "host": "elsewhere.example"}))
    assert live_sessions() == []
    assert [path.name for path in folder.iterdir()] == ["d.json"]


def test_state_folder_that_cannot_be_written_hinders_nothing(home, monkeypatch):
    (home / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "file"))
    assert not register(home / "a.wnt")
    unregister(home / "a.wnt")
    assert live_sessions() == []


def test_network_file_systems_are_recognised_by_the_nearest_mount(tmp_path):
    mounts = (
        "/dev/a / ext4 rw 0 0\nserver:/x /far nfs4 rw 0 0\n/dev/b /far/near xfs rw 0 0\n"
        "u@h: /with\\040blank fuse.sshfs rw 0 0\ntmpfs /over tmpfs rw 0 0\n//s/x /over cifs rw 0 0\n"
    )
    for path, kind in {
        "/far/a/b.wnt": "nfs4",
        "/far/near/b.wnt": "xfs",
        "/farther/b.wnt": "ext4",
        "/with blank/b.wnt": "fuse.sshfs",
        "/over/b.wnt": "cifs",
    }.items():
        assert filesystem_type(path, mounts) == kind
    assert [is_network_type(kind) for kind in ("nfs4", "fuse.sshfs", "cifs", "ext4", "fuse.ntfs-3g", "")] == [
        True, True, True, False, False, False
    ]  # fmt: skip
