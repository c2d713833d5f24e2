import multiprocessing
import os
import signal
import tempfile
import threading
from pathlib import Path

import pytest

from engine.errors import SessionError
from engine.session.liveness import EngineLock, engine_alive, lock_path, viewer_attached, viewer_mark, viewers_path
from tests.session.recorded import child, engine_process, has_rows, until

HOLD = """
import sys
from engine.session.liveness import EngineLock, viewer_mark
with (EngineLock if sys.argv[2] == "engine" else viewer_mark)(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def holding(path, who):
    return child(HOLD, path, who)


def test_without_a_lock_file_there_is_no_engine(tmp_path):
    assert not engine_alive(tmp_path / "a.wnt")
    assert not viewer_attached(tmp_path / "a.wnt")


def test_engine_lives_exactly_as_long_as_its_process(tmp_path):
    path = tmp_path / "a.wnt"
    with holding(path, "engine") as process:
        assert process.stdout.readline() == "held\n"
        assert engine_alive(path)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert lock_path(path).exists()
        assert not engine_alive(path)
    with EngineLock(path):
        assert engine_alive(path)
    assert not engine_alive(path)
    assert list(tmp_path.iterdir()) == []


def test_unreaped_child_is_not_taken_for_alive(tmp_path):
    path = tmp_path / "a.wnt"
    with holding(path, "engine") as process:
        assert process.stdout.readline() == "held\n"
        os.kill(process.pid, signal.SIGKILL)  # not waited for: the pid stays taken
        until(lambda: not engine_alive(path))


def test_second_engine_is_refused_with_a_sentence(tmp_path):
    path = tmp_path / "a.wnt"
    with holding(path, "engine") as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(SessionError, match=f"Another engine is already writing .*process {process.pid}"):
            EngineLock(path).acquire()
        assert engine_alive(path)
    with EngineLock(path) as first:
        assert first.held
        with pytest.raises(SessionError, match="Another engine"):
            EngineLock(path).acquire()


def test_link_to_a_session_has_the_same_lock(tmp_path):
    path, link = tmp_path / "a.wnt", tmp_path / "link.wnt"
    path.touch()
    link.symlink_to(path)
    with EngineLock(link):
        assert engine_alive(path)
        with pytest.raises(SessionError, match="Another engine"):
            EngineLock(path).acquire()


def test_asking_never_keeps_an_engine_from_its_lock(tmp_path):
    path = tmp_path / "a.wnt"
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            engine_alive(path)

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    try:
        for _ in range(200):
            with EngineLock(path):
                assert engine_alive(path)
    finally:
        stop.set()
        for asker in askers:
            asker.join()


def test_only_one_of_many_gets_the_lock(tmp_path):
    path = tmp_path / "a.wnt"
    inside = []
    most = []

    def contend():
        for _ in range(20):
            try:
                with EngineLock(path):
                    inside.append(1)
                    most.append(len(inside))
                    inside.pop()
            except SessionError:
                pass

    threads = [threading.Thread(target=contend) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1


def test_viewer_is_seen_until_its_process_ends(tmp_path):
    path = tmp_path / "a.wnt"
    with holding(path, "viewer") as process:
        assert process.stdout.readline() == "held\n"
        assert viewer_attached(path)
        with viewer_mark(path):
            process.kill()
            process.wait()
            assert viewer_attached(path)
        assert not viewer_attached(path)
        assert not viewers_path(path).exists()


def test_viewer_where_nothing_can_be_written_is_silently_unmarked(tmp_path):
    with viewer_mark(tmp_path / "nowhere" / "a.wnt") as seen:
        assert not seen


def test_engine_that_was_killed_is_shown_as_died(tmp_path):
    from engine.session.reader import SessionReader

    path = tmp_path / "a.wnt"
    with engine_process(path) as engine:
        until(lambda: has_rows(path, 3))
        with SessionReader(path) as reader:
            assert reader.engine().state == "running"
            engine.kill()
            engine.wait()
            assert reader.engine().state == "died"
            assert not reader.engine().alive


HEIR = """
import sys
from engine.session.liveness import EngineLock
with EngineLock(sys.argv[1], int(sys.argv[2])) as lock:
    print("held" if lock.held else "not held", flush=True)
    sys.stdin.readline()
print("over", flush=True)
"""


def test_a_lock_that_is_handed_over_is_the_other_processs_and_is_never_free_between(tmp_path):
    session = tmp_path / "a.wnt"
    lock = EngineLock(session)
    lock.acquire()
    descriptor = lock.hand_over()
    with child(HEIR, session, descriptor, pass_fds=(descriptor,)) as heir:
        assert heir.stdout.readline() == "held\n"
        lock.forget()
        assert engine_alive(session)
        lock.release()
        assert lock_path(session).exists()
        with pytest.raises(SessionError, match=f"Another engine .*process {heir.pid} "):
            EngineLock(session).acquire()
        heir.stdin.write("\n")
        heir.stdin.flush()
        assert heir.stdout.readline() == "over\n"
    assert not engine_alive(session)
    assert not lock_path(session).exists()


def test_a_descriptor_of_another_file_is_no_lock(tmp_path):
    with EngineLock(tmp_path / "other.wnt") as other:
        assert not EngineLock(tmp_path / "a.wnt", other.hand_over()).held
    assert not EngineLock(tmp_path / "a.wnt", 999).held


NOBODY = 65534


def as_nobody(function, *arguments):
    """Have another user's process call a function, which may not be able to start an interpreter of ours."""
    if os.geteuid() != 0:
        pytest.skip("only root can be another user")

    def become_nobody_and_call():
        os.umask(0o077)
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        function(*arguments)

    process = multiprocessing.get_context("fork").Process(target=become_nobody_and_call)
    process.start()
    process.join(60)
    assert process.exitcode == 0


@pytest.fixture
def shared_folder():
    """A folder like /tmp: anybody makes files there, only who made one removes it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o1777)
        yield folder


def leave_a_mark(path):
    with viewer_mark(path) as seen:
        os._exit(int(not seen))  # without clearing it


def test_a_mark_that_another_user_has_left_can_be_taken_and_seen(shared_folder):
    path = shared_folder / "a.wnt"
    as_nobody(leave_a_mark, path)
    assert viewers_path(path).stat().st_uid == NOBODY
    assert viewer_attached(path) is False
    with viewer_mark(path) as seen:
        assert seen
        assert viewer_attached(path)


def test_users_see_and_take_each_others_marks(shared_folder):
    path = shared_folder / "a.wnt"

    def look_and_take():
        assert viewer_attached(path)
        with viewer_mark(path) as seen:
            assert seen

    with viewer_mark(path):
        as_nobody(look_and_take)
    assert not viewers_path(path).exists()


def test_a_file_that_may_not_be_read_leaves_open_who_watches(shared_folder):
    path = shared_folder / "a.wnt"
    viewers_path(path).touch(mode=0o600)

    def look_and_take():
        assert viewer_attached(path) is None
        with viewer_mark(path) as seen:
            assert not seen

    as_nobody(look_and_take)


@pytest.mark.parametrize("left", [os.mkfifo, lambda path: path.symlink_to("/etc/passwd")], ids=["pipe", "link"])
def test_what_another_user_has_left_in_a_locks_place_is_neither_followed_nor_waited_for(tmp_path, left):
    path = tmp_path / "a.wnt"
    left(lock_path(path))
    left(viewers_path(path))
    assert engine_alive(path) is False
    assert not viewer_attached(path)
    before = Path("/etc/passwd").read_bytes()
    with pytest.raises(SessionError, match="Cannot lock"), EngineLock(path):
        pass
    assert Path("/etc/passwd").read_bytes() == before
