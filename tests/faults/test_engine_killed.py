"""Engines killed at any moment: what was committed is whole, little is lost, and the run goes on to the same end.

``python -m pytest tests/faults -m slow -s`` kills a hundred times; the short form three times. ``-s`` shows the counts.
"""

from __future__ import annotations

import math
import random
import signal
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from engine.requests import Verify
from engine.session.liveness import engine_alive
from engine.session.reader import SessionReader
from tests.engine_process.engines import (
    ENDLESS,
    EngineProcess,
    engine_run,
    recorded,
    resume_request,
    run_request,
    state,
    table,
    until,
)

GOAL = {"quick": 3, "long": 100}
CHANGES = {"measure": "all", "checkpoint_every": 40}


@dataclass
class Survived:
    """What a series of kills has shown."""

    kills: int = 0
    rows: int = 0
    longest_gap: float = 0.0
    bytes: int = 0

    def __str__(self) -> str:
        return (
            f"{self.kills} kills survived, {self.rows:,} rows checked, {self.bytes:,} bytes of sessions read;"
            f" the newest committed row was at most {1000 * self.longest_gap:.0f} ms old at the kill"
        )


def check_whole(path: Path, survived: Survived) -> int:
    """Every committed row has all its numbers and all its layers; the newest row's step."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with SessionReader(path) as reader:
        assert reader.engine().state == "died"
        steps, columns = reader.steps()
        assert steps.tolist() == list(range(len(steps)))
        for name in ("loss", "accuracy", "grad_norm", "pl", "smoothness_hessian", "ntk_lambda_max"):
            assert np.isfinite(columns[name]).all(), name
        layers = reader.layers(0, 2**31)
        depth = reader.config().depth
        assert len(layers.step) == len(steps) * (depth + 1)
        assert np.isfinite(layers.columns["weight_norm"][layers.layer > 0]).all()
        for step in reader.checkpoints():
            assert step <= steps[-1]
            assert reader.checkpoint(step)
    survived.rows += len(steps)
    survived.bytes += path.stat().st_size
    return int(steps[-1])


def kill_often(path: Path, kills: int, seed: int) -> Survived:
    """Start, kill at a random moment, resume, kill …; every engine gets some rows further than the one before."""
    chance, survived, last = random.Random(seed), Survived(), -1
    process = EngineProcess(run_request(path, steps=ENDLESS, **CHANGES))
    for _ in range(kills):
        goal = last + chance.randint(1, 25)
        until(lambda goal=goal: path.exists() and engine_alive(path) and state(path).step > goal, seconds=240)
        time.sleep(chance.random() * 0.05)  # anywhere within a row
        process.send_signal(signal.SIGKILL)
        killed = time.time()
        process.wait()
        with SessionReader(path) as reader:
            times = reader.steps()[1]["time"]
        # A row cannot be lost before it has been measured: the time that a row takes is not the recording's.
        usual = float(np.median(np.diff(times[-20:]))) if len(times) > 2 else math.nan
        survived.longest_gap = max(survived.longest_gap, killed - float(times[-1]) - max(usual, 0.0))
        survived.kills += 1
        last = check_whole(path, survived)
        process = EngineProcess(resume_request(path, ENDLESS))
    until(lambda: state(path).step > last + 2, seconds=240)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    return survived


def check_to_the_end(tmp_path: Path, kills: int) -> None:
    path, whole = tmp_path / "killed.wnt", tmp_path / "whole.wnt"
    survived = kill_often(path, kills, seed=kills)
    with SessionReader(path) as reader:
        last = reader.last_step()
    recorded(whole, steps=last, **CHANGES)
    killed, uninterrupted = table(path), table(whole)
    for name, column in uninterrupted[1].items():
        assert killed[1][name][:last] == column[:last], name
    for name, column in uninterrupted[2].items():
        assert killed[2][name][: len(column)] == column, name
    assert engine_run(Verify(session=path)).returncode == 0
    print(f"\n{survived}; the run is the one that was never killed, {last:,} rows to the bit")


@pytest.fixture(autouse=True)
def own_state(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_a_run_killed_at_random_moments_becomes_the_run_that_was_never_killed(tmp_path):
    check_to_the_end(tmp_path, GOAL["quick"])


@pytest.mark.slow
def test_a_run_killed_a_hundred_times_becomes_the_run_that_was_never_killed(tmp_path):
    check_to_the_end(tmp_path, GOAL["long"])


def test_a_second_interrupt_quits_at_once_and_leaves_a_whole_session(tmp_path):
    path = tmp_path / "run.wnt"
    # Its first row takes seconds: the first interrupt waits for it.
    process = EngineProcess(run_request(path, width=1500, depth=8, examples=500, measure="all", steps=3))
    try:
        until(lambda: path.exists() and engine_alive(path) and state(path).state == "running")
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)  # a person's second thought: what comes at once is the same key press, passed on
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    finally:
        process.kill()
        process.wait()
    with SessionReader(path) as reader:
        # Had it waited for the row, it would have ended in order.
        assert reader.engine().message == "Stopped by SIGINT. It was in the midst of a step."
        steps, columns = reader.steps()
        assert np.isfinite(columns["loss"]).all()
    assert len(steps) <= 1
