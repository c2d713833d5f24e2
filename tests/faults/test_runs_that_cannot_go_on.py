"""A full disk, a session that is locked, a process that was stopped: said with a time, and a signal ends it soon."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest

from engine.errors import SessionError
from engine.session.commands import send, wait
from engine.session.reader import SessionReader
from tests.engine_process.engines import ENDLESS, EngineProcess, ask, engine_run, run_request, state, until
from tests.faults.test_disk_and_clock import small_disk
from wnt_tui.cli.listing import as_table, as_text
from wnt_tui.session.summary import summary_of

ENDED_SECONDS = 5.0
"""Within which a signal ends a run, whatever it waits for."""

ERROR_WHILE_A_SIGNAL_ENDS = """
import os, signal, threading, time
from pathlib import Path
from engine.requests import Resume
from engine.runner.progress import Report
from engine.runner.signal_watch import SignalWatch
ending = threading.Event()
class Lock:
    def release(self):
        ending.set()
        time.sleep(0.5)
with SignalWatch(Resume(session=Path("run.wnt")), Report(), Lock()).active():
    os.kill(os.getpid(), signal.SIGTERM)
    ending.wait()
    raise RuntimeError("what the writer was given up for")
"""


@pytest.fixture(autouse=True)
def own_state(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@contextmanager
def engine(request):
    process = EngineProcess(request)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def locked(path):
    """Another program writes to the session and does not come to an end."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as other:
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")


def said(path):
    """What `status` and `ls` say of the engine."""
    summary = summary_of(path)
    assert summary.words in as_text(summary)
    assert summary.words in as_table([summary])
    return as_text(summary)


def end_by(process, number):
    began = time.monotonic()
    process.send_signal(number)
    code = process.wait(60)
    print(f"\nended after {time.monotonic() - began:.1f} s")
    assert time.monotonic() - began < 2 * ENDED_SECONDS  # the clock of a shared machine
    return code


def test_a_run_on_a_full_disk_says_since_when_and_a_signal_ends_it_with_what_is_saved(tmp_path):
    with small_disk(tmp_path / "disk", "200k") as disk:
        path = disk / "run.wnt"
        with engine(run_request(path, steps=60)) as process:
            until(lambda: path.exists() and state(path).blocked_since is not None)
            output = said(path)
            assert re.search(r"recording blocked since \d\d:\d\d", output)
            assert "left" not in output
            assert "/s" not in output
            with pytest.raises(SessionError, match="blocked since"):
                ask(path, "resume")  # it may be sent, where the disk has room for so little, and changes nothing
            until(lambda: "step 60/60" in process.printed())
            assert end_by(process, signal.SIGTERM) == 143
        last = re.search(
            r"Rows up to step (\d+) are saved in .*; those of steps (\d+) to 60 are lost", process.printed()
        )
        assert int(last[1]) + 1 == int(last[2])
        assert process.printed().count("Recording waits: the disk is full. Rows up to step ") == 1
        with SessionReader(path) as reader:
            assert reader.last_step() == int(last[1])


def test_a_run_whose_session_is_locked_says_when_that_begins_and_ends_and_loses_nothing(tmp_path):
    path = tmp_path / "run.wnt"
    with engine(run_request(path, steps=ENDLESS)) as process:
        until(lambda: path.exists() and state(path).step > 3)
        with locked(path):
            until(lambda: state(path).blocked_since is not None)
            assert "recording blocked since" in said(path)
            with pytest.raises(SessionError, match="blocked since"):
                send(path, "pause")
        until(lambda: state(path).blocked_since is None)
        assert "live running" in said(path)
        until(lambda: "Recording goes on; it had waited since" in process.printed())
        assert end_by(process, signal.SIGTERM) == 143
    assert process.printed().count("another program has locked it") == 1
    with SessionReader(path) as reader:
        assert reader.steps()[0].tolist() == list(range(reader.last_step() + 1))


def test_a_signal_ends_a_run_whose_session_stays_locked(tmp_path):
    path = tmp_path / "run.wnt"
    with engine(run_request(path, steps=ENDLESS)) as process:
        until(lambda: path.exists() and state(path).step > 3)
        with locked(path):
            assert end_by(process, signal.SIGINT) == 130
    said = re.search(
        r"Rows up to step (\d+) are saved in [^;\n]*(; those of steps (\d+) to \d+ are lost\.)?", process.printed()
    )
    assert said is not None
    with SessionReader(path) as reader:
        assert reader.last_step() == int(said[1])
    # The signal may have come before another row did; if there was one, it waited.
    assert said[2] is None or int(said[3]) == int(said[1]) + 1
    assert sorted(p.name for p in tmp_path.glob("*.lock")) == []


def test_a_signal_ends_a_run_in_the_midst_of_a_long_step_and_what_is_recorded_stays(tmp_path):
    path = tmp_path / "run.wnt"
    large = {"width": 2000, "depth": 10, "examples": 600, "measure": "all", "steps": 3}
    with engine(run_request(path, **large)) as process:
        until(lambda: path.exists() and state(path).state == "running")
        assert end_by(process, signal.SIGTERM) == 143
    assert state(path).state == "stopped"
    assert "Stopped by SIGTERM." in process.printed()


def test_an_engine_that_was_stopped_gives_no_sign_of_life_and_goes_on_when_it_may(tmp_path):
    path = tmp_path / "run.wnt"
    with engine(run_request(path, steps=ENDLESS)) as process:
        until(lambda: path.exists() and state(path).step > 3)
        with locked(path):  # stopped in the midst of a write, the engine would let nobody send
            process.send_signal(signal.SIGSTOP)
        number = send(path, "pause")
        began = time.monotonic()
        with pytest.raises(SessionError, match=r"no sign of life since \d\d:\d\d.*kill -CONT"):
            wait(path, number, timeout=60)
        assert time.monotonic() - began < 2 * ENDED_SECONDS
        output = said(path)
        assert re.search(r"no sign of life since \d\d:\d\d", output)
        assert "live" not in output
        assert "left" not in output
        process.send_signal(signal.SIGCONT)
        until(lambda: re.search(r"live paused since \d\d:\d\d", said(path)))
        assert wait(path, number, timeout=60).state == "done"  # what was sent has waited for it


def test_only_an_engine_of_this_machine_is_named_by_its_process(tmp_path):
    path = tmp_path / "run.wnt"
    with engine(run_request(path, steps=ENDLESS)):
        until(lambda: path.exists() and state(path).step > 3)
        own = state(path)
    assert own.remedy == ""
    for troubled in (replace(own, silent_since=time.time()), replace(own, blocked_since=time.time())):
        assert re.search(rf"`kill (-CONT )?{own.pid}`", troubled.remedy)
        elsewhere = replace(troubled, host="elsewhere").remedy
        assert elsewhere
        assert "kill" not in elsewhere


def test_an_engine_that_has_died_is_shown_with_its_last_sign_of_life(tmp_path):
    path = tmp_path / "run.wnt"
    with engine(run_request(path, steps=ENDLESS)) as process:
        until(lambda: path.exists() and state(path).step > 3)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert re.search(r"died, last sign of life \d\d:\d\d", said(path))


def test_no_error_raised_while_a_signal_ends_the_process_takes_the_place_of_its_exit_code():
    command = [sys.executable, "-c", ERROR_WHILE_A_SIGNAL_ENDS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (143, "")


def test_an_error_after_a_signal_is_said_and_the_exit_code_is_that_of_the_signal(tmp_path, monkeypatch):
    def failing(_request, watch):
        os.kill(os.getpid(), signal.SIGTERM)
        until(lambda: watch.number)
        raise SessionError("Recording failed.")

    monkeypatch.setattr("engine.runner.run.train", failing)
    done = engine_run(run_request(tmp_path / "run.wnt"))
    assert (done.returncode, done.stderr) == (143, "wnt-tui: Recording failed.\n")
