"""Signals that come before a run has begun: nothing is left of one that ends it, and a checkpoint is not lost."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine import signals
from engine.requests import Request
from tests.engine_process.engines import PATIENCE, recorded, resume_request, run_request, until
from tests.faults.test_runs_that_cannot_go_on import locked


@pytest.fixture(autouse=True)
def own_state(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@contextmanager
def starting(request: Request):
    """``python -m engine …`` from its first instruction on."""
    command = [sys.executable, "-P", "-m", "engine", request.to_json()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def lock_of(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def handled(process: subprocess.Popen[str], number: int) -> bool:
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    return bool(int(re.findall(r"SigCgt:\s*(\w+)", status)[0], 16) >> (number - 1) & 1)


@pytest.mark.parametrize("number", signals.ENDING, ids=lambda number: number.name)
def test_a_signal_that_ends_an_engine_while_it_loads_leaves_no_lock_says_so_and_is_its_exit_code(tmp_path, number):
    path = tmp_path / "run.wnt"
    with starting(run_request(path)) as process:
        until(lock_of(path).exists)
        process.send_signal(number)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode in {-number, 128 + number}  # a shell has 128 and its number for both
    assert errors == f"Stopped by {number.name} before it began; nothing is recorded.\n"
    assert list(tmp_path.glob("run*")) == []


def test_a_checkpoint_that_is_asked_for_while_an_engine_loads_is_kept_once_it_runs(tmp_path):
    path = tmp_path / "run.wnt"
    with starting(run_request(path)) as process:
        until(lock_of(path).exists)
        process.send_signal(signals.CHECKPOINT)
        _, output = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output
    assert "SIGUSR1 asked for a checkpoint. Checkpoint of step 0" in output


def test_a_run_that_a_signal_keeps_from_going_on_is_said_to_be_as_it_was(tmp_path):
    path = tmp_path / "run.wnt"
    recorded(path)
    before = path.read_bytes()
    with starting(resume_request(path, 9)) as process:
        until(lock_of(path).exists)
        process.send_signal(signal.SIGTERM)
        _, output = process.communicate(timeout=PATIENCE)
    assert output == f"Stopped by SIGTERM before it began; {path} is as it was.\n"
    assert path.read_bytes() == before
    assert not lock_of(path).exists()


def test_so_is_one_that_waits_for_its_session_before_it_goes_on(tmp_path):
    path = tmp_path / "run.wnt"
    recorded(path)
    with locked(path), starting(resume_request(path, 9)) as process:
        until(lambda: handled(process, signals.CHECKPOINT))
        process.send_signal(signal.SIGTERM)
        _, output = process.communicate(timeout=PATIENCE)
        assert process.returncode == 128 + signal.SIGTERM
    assert output == f"Stopped by SIGTERM before it began; {path} is as it was.\n"
    assert not lock_of(path).exists()
