"""What a run says on standard error: enough, not too much, and without ever waiting for who reads it."""

from __future__ import annotations

import io
import os
import threading

import numpy as np
import pytest

from engine.record import Event, StepRecord
from engine.runner import progress
from tests.engine_process.engines import (
    EngineProcess,
    branch_request,
    engine_run,
    recorded,
    resume_request,
    run_request,
    state,
    until,
)

STEPS = 1_000_000


def row(step):
    return StepRecord(step, {"loss": 0.5, "accuracy": 0.5}, {})


@pytest.mark.parametrize("seconds_a_step", [0.001, 1.0, 600.0])
def test_a_log_file_gets_some_hundred_lines_however_long_the_run(tmp_path, monkeypatch, seconds_a_step):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    stream = io.StringIO()
    lines = progress.Lines(stream, tmp_path / "run.wnt")
    steps = 2000
    for step in range(steps + 1):
        lines.row(row(step), steps)
        now[0] += seconds_a_step
    output = stream.getvalue().splitlines()
    ten_minutes = steps * seconds_a_step / 600
    assert 3 <= len(output) <= 105 + ten_minutes
    assert output[-1].startswith(f"step {steps}/{steps} ")


def test_a_run_that_hardly_moves_is_heard_of_every_ten_minutes(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    stream = io.StringIO()
    lines = progress.Lines(stream, tmp_path / "run.wnt")
    for step in range(60):
        lines.row(row(step), STEPS)
        now[0] += 60.0
    assert 5 <= stream.getvalue().count(f"/{STEPS} ") <= 8


def test_a_pipe_that_nobody_reads_holds_nothing_up_and_gets_every_event_once_it_is_read(tmp_path):
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w")
    lines = progress.Lines(stream, tmp_path / "run.wnt")

    def report():
        for step in range(3000):
            lines.event(Event(step, "notice", "x" * 200))
            lines.row(row(step), STEPS)

    reporter = threading.Thread(target=report, daemon=True)
    reporter.start()
    reporter.join(60)
    assert not reporter.is_alive()
    lines.event(Event(5000, "notice", "the last one"))
    received = io.StringIO()

    def read():
        while text := os.read(reading, 65536):
            received.write(text.decode())

    reader = threading.Thread(target=read)
    reader.start()
    lines.close()
    stream.close()
    reader.join(60)
    os.close(reading)
    assert "the last one" in received.getvalue()


def test_a_breakpoint_is_reported_and_that_the_run_waits_there_whatever_became_of_the_file(tmp_path):
    stream = io.StringIO()
    lines = progress.Lines(stream, tmp_path / "moved.wnt")
    lines.event(Event(5, "break", "step >= 5"))
    assert "Waiting" not in stream.getvalue()
    lines.event(Event(5, "pause", "Paused by a breakpoint: step >= 5"))
    output = stream.getvalue().splitlines()[-2:]
    assert output[0] == "breakpoint at step 5: step >= 5"
    assert output[1].startswith("Waiting at step 5: `wnt-tui resume ")


def test_a_run_that_goes_on_beyond_its_own_steps_says_that_it_waits_at_a_breakpoint(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = tmp_path / "run.wnt"
    recorded(path, steps=4, breakpoints=("step >= 5",))
    process = EngineProcess(resume_request(path, 20))
    try:
        until(lambda: state(path).state == "paused")
        until(lambda: "Waiting at step 5: `wnt-tui resume " in process.printed())
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def odd_images(tmp_path):
    """Two images are black, and a notice says that they are the same."""
    chance = np.random.default_rng(0)
    images = chance.integers(0, 255, (20, 4, 4), dtype=np.uint8)
    images[:2] = 0
    labels = chance.integers(0, 3, 20)
    path = tmp_path / "odd.npz"
    np.savez(path, x_train=images, y_train=labels, x_test=images[10:], y_test=labels[10:])
    return {"data": str(path), "examples": 12, "test_examples": 4}


def test_what_the_app_notices_is_on_standard_error_of_run_resume_and_branch(tmp_path, monkeypatch, odd_images):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = tmp_path / "run.wnt"
    for request in (
        run_request(path, **odd_images),
        resume_request(path, 8),
        branch_request(path, 2, tmp_path / "branch.wnt", lr=0.05),
    ):
        done = engine_run(request)
        assert done.returncode == 0, done.stderr
        assert "same pixels" in done.stderr
