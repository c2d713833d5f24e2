"""Disks that fill up, files that are taken away, clocks that are set back, memory that is full: a defined end each."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from engine import Trainer, signals
from engine.errors import DeviceError
from engine.history.verify import verify
from engine.runner.run import train
from engine.session.reader import SessionReader
from tests.engine_process.engines import (
    ENDLESS,
    EngineProcess,
    ask,
    engine_live,
    engine_run,
    resume_request,
    run_request,
    state,
    until,
)


@pytest.fixture(autouse=True)
def own_state(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@contextmanager
def small_disk(folder: Path, size: str):
    """A file system of its own, of a few megabytes."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small file system can be mounted only by root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_pauses_the_engine_and_it_goes_on_when_there_is_room(tmp_path):
    with small_disk(tmp_path / "disk", "64m") as disk:
        path, ballast = disk / "run.wnt", disk / "ballast"
        with engine_live(run_request(path, steps=ENDLESS, measure="none"), viewer=path):
            until(lambda: state(path).step > 20)
            with contextlib.suppress(OSError):  # the engine writes at the same time
                ballast.write_bytes(bytes(shutil.disk_usage(disk).free - 300_000))
            until(lambda: state(path).blocked_since is not None)
            with SessionReader(path) as reader:
                rows, free = reader.steps()[0].size, shutil.disk_usage(disk).free
            ballast.unlink()
            until(lambda: state(path).blocked_since is None)
            until(lambda: state(path).step > rows + 100)
            assert ask(path, "stop").state == "done"
            until(lambda: not state(path).alive)
        with SessionReader(path) as reader:
            steps, columns = reader.steps()
            assert steps.tolist() == list(range(len(steps)))
            assert np.isfinite(columns["loss"]).all()
            kinds = [row.event.kind for row in reader.events()]
        assert "blocked" in kinds
        assert verify(path).identical
        print(f"\nblocked at {rows:,} rows with {free:,} bytes left, then {len(steps):,} rows, none missing")


def test_a_checkpoint_that_the_disk_has_no_room_for_is_not_written_and_rows_go_on(tmp_path):
    with small_disk(tmp_path / "disk", "3m") as disk:
        path = disk / "run.wnt"
        done = engine_run(run_request(path, width=600, steps=6, checkpoint_every=2))
        assert done.returncode == 0
        with SessionReader(path) as reader:
            assert reader.checkpoints() == ()
            assert reader.steps()[0].size == 7
            (output,) = [row.event.message for row in reader.events() if row.event.kind == "notice"]
        assert "rows come first" in output


@pytest.mark.parametrize("how", ["removed", "moved"])
def test_a_file_taken_away_under_a_running_engine_is_saved_beside_it(tmp_path, how):
    path = tmp_path / "run.wnt"
    with engine_live(run_request(path, steps=ENDLESS)) as process:
        until(lambda: state(path).step > 30)
        if how == "removed":
            path.unlink()
        else:
            path.rename(tmp_path / "elsewhere.wnt")
        assert process.wait() == 1
    output = process.printed()
    assert "was moved or removed while it is being recorded. All " in output
    assert "Traceback" not in output
    rescued = tmp_path / "run-rescued-1.wnt"
    with SessionReader(rescued) as reader:
        last = reader.last_step()
        assert reader.steps()[0].size == last + 1 > 30
        assert reader.engine().state == "stopped"
    assert f"All {last + 1} rows are saved in {rescued}" in output
    # Going on executes all of them again, and refuses where one comes out otherwise.
    assert engine_run(resume_request(rescued, last + 3)).returncode == 0


def test_a_folder_made_read_only_does_not_hold_a_running_engine_up(tmp_path):
    folder = tmp_path / "sessions"
    folder.mkdir()
    path = folder / "run.wnt"
    try:
        with engine_live(run_request(path, steps=ENDLESS), viewer=path) as process:
            until(lambda: state(path).step > 5)
            folder.chmod(0o500)
            before = state(path).step
            until(lambda: state(path).step > before + 20)
            assert ask(path, "stop").state == "done"
            assert process.wait(60) == 0
    finally:
        folder.chmod(0o700)
    assert state(path).state == "stopped"
    assert verify(path).identical


def test_a_clock_set_back_changes_no_row_and_no_liveness(tmp_path, monkeypatch):
    path, real = tmp_path / "run.wnt", time.time
    calls = iter(range(10**9))
    monkeypatch.setattr(time, "time", lambda: real() - 3600.0 * next(calls))
    done = engine_run(run_request(path, steps=8))
    monkeypatch.undo()
    assert done.returncode == 0
    with SessionReader(path) as reader:
        steps, columns = reader.steps()
        assert steps.tolist() == list(range(9))
        assert (np.diff(columns["time"]) < 0).any()
        assert (reader.engine().state, reader.engine().alive) == ("finished", False)
    assert verify(path).identical


def test_full_device_memory_is_an_ordinary_end_with_a_sentence(tmp_path, monkeypatch):
    path, observe = tmp_path / "run.wnt", Trainer.observe

    def full(self, **given):
        if self.step == 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return observe(self, **given)

    monkeypatch.setattr(Trainer, "observe", full)
    with pytest.raises(DeviceError, match=r"Out of memory\. Use a smaller --width"):
        train(run_request(path))
    monkeypatch.undo()
    with SessionReader(path) as reader:
        assert reader.engine().state == "failed"
        assert reader.engine().message.startswith("Out of memory. Use a smaller --width")
        assert reader.last_step() == 2
    assert engine_run(resume_request(path)).returncode == 0
    assert verify(path).identical


@pytest.fixture(autouse=True)
def signals_as_before():
    handlers = {number: signal.getsignal(number) for number in (*signals.ENDING, signals.CHECKPOINT)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_two_engines_started_on_one_session_at_once_leave_one_run(tmp_path):
    path = tmp_path / "run.wnt"
    processes = [EngineProcess(run_request(path, steps=30)) for _ in range(3)]
    assert sorted(process.wait() for process in processes) == [0, 1, 1]
    output = [process.printed() for process in processes]
    assert sum("Another engine is already writing" in text or "exists already" in text for text in output) == 2
    assert verify(path).identical
