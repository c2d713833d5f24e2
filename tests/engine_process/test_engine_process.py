"""The real engine as a process: its session, its exit codes, and the commands it carries out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from engine import RunConfig
from engine.session.commands import send, wait
from engine.session.live_sessions import live_sessions
from engine.session.liveness import EngineLock, engine_alive, viewer_mark
from engine.session.reader import SessionReader
from tests.engine_process.engines import (
    ENDLESS,
    PATIENCE,
    SMALL,
    EngineProcess,
    engine_live,
    engine_run,
    run_request,
    until,
)
from wnt_tui.process.engine_process import engine_command


@pytest.fixture(autouse=True)
def own_state(monkeypatch, tmp_path):
    # The list of living sessions is the user's; tests keep their own.
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def live(path: Path, **changes):
    return engine_live(run_request(path, **changes))


def engine(path: Path):
    with SessionReader(path) as reader:
        return reader.engine()


def command_and_wait(path: Path, name: str, **arguments):
    return wait(path, send(path, name, arguments, "a test"), timeout=PATIENCE)


def test_a_headless_run_leaves_its_rows_a_summary_and_exit_code_zero(tmp_path):
    path = tmp_path / "run.wnt"
    done = engine_run(run_request(path))
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    with SessionReader(path) as reader:
        steps, columns = reader.steps()
        assert reader.engine().state == "finished"
    assert steps.tolist() == [0, 1, 2, 3, 4, 5]
    assert (summary["state"], summary["rows"], summary["loss"]) == ("finished", 6, columns["loss"][-1])
    assert len(summary["log10_cond_resolved"]) == len(summary["log10_cond"])
    assert set(summary["log10_cond_resolved"]) <= {True, False}
    assert (columns["lr"] == 0.01).all()
    assert not engine_alive(path)
    assert sorted(p.name for p in tmp_path.glob("run*")) == ["run.wnt"]  # one file: no -wal, no lock, no log


def test_a_diverging_run_keeps_its_rows_says_where_and_exits_with_three(tmp_path):
    path = tmp_path / "run.wnt"
    done = engine_run(run_request(path, loss="mse_logits", lr=100.0, steps=200))
    assert done.returncode == 3
    with SessionReader(path) as reader:
        row = reader.engine()
        assert row.state == "diverged"
        assert row.message.startswith(f"Diverged at step {reader.last_step()}: ")
        steps, columns = reader.steps()
        assert len(steps) == reader.last_step() + 1
        assert np.isfinite(columns["loss"][:-1]).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": "nowhere.npz"}, "nowhere.npz"),
        ({"data": "digits", "examples": 100_000}, "100000"),
        ({"device": "cuda:99"}, "cuda:99"),
        ({"device": "abacus"}, "abacus"),
    ],
)
def test_what_cannot_start_says_why_in_one_line_and_leaves_nothing_behind(tmp_path, changes, words):
    done = engine_run(run_request(tmp_path / "run.wnt", **changes))
    assert done.returncode in {1, 2}
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("wnt-tui: ")
    assert words in last.replace(",", "")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run.wnt").exists()


def test_a_second_engine_on_a_session_is_refused(tmp_path):
    path = tmp_path / "run.wnt"
    with EngineLock(path):
        done = engine_run(run_request(path))
    assert done.returncode == 1
    assert "Another engine is already writing" in done.stderr


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2, signal.SIGXCPU], ids=lambda n: n.name
)
def test_a_signal_ends_a_run_after_its_step_saved_and_is_the_exit_code(tmp_path, number):
    path = tmp_path / "run.wnt"
    process = EngineProcess(run_request(path, steps=ENDLESS))
    until(lambda: path.exists() and engine(path).step > 3)
    process.send_signal(number)
    assert process.wait(PATIENCE) == 128 + number
    with SessionReader(path) as reader:
        assert reader.engine().state == "stopped"
        assert reader.steps()[0].size == reader.last_step() + 1
        rows = reader.steps()[0].size
    assert f"Stopped by {number.name}. {rows} rows, to step {rows - 1}, saved in {path}." in process.printed()
    assert sorted(p.name for p in tmp_path.glob("run*")) == ["run.wnt"]


def test_a_run_that_is_stopped_by_command_is_done_as_somebody_wanted(tmp_path):
    path = tmp_path / "run.wnt"
    process = EngineProcess(run_request(path, steps=ENDLESS))
    until(lambda: path.exists() and engine(path).step > 3)
    assert command_and_wait(path, "stop").state == "done"
    assert process.wait(PATIENCE) == 0


def test_usr1_has_a_run_keep_a_checkpoint_and_go_on(tmp_path):
    path = tmp_path / "run.wnt"
    process = EngineProcess(run_request(path, steps=ENDLESS))
    try:
        until(lambda: path.exists() and engine(path).step > 3)
        process.send_signal(signal.SIGUSR1)
        with SessionReader(path) as reader:
            (kept,) = until(reader.checkpoints)
        until(lambda: engine(path).step > kept + 10)
        assert f"Checkpoint of step {kept}" in process.printed()
    finally:
        process.kill()
        process.wait()


def test_a_hangup_does_not_stop_a_run_under_nohup(tmp_path):
    path = tmp_path / "run.wnt"
    process = subprocess.Popen(
        ["nohup", *engine_command(run_request(path, steps=ENDLESS))], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        before = until(lambda: path.exists() and engine(path).step > 3 and engine(path).step)
        process.send_signal(signal.SIGHUP)
        process.stderr.close()  # the terminal is gone: progress has nowhere to go
        until(lambda: engine(path).step > before + 50)
    finally:
        process.kill()
        process.wait()


def test_commands_are_carried_out_and_answered_with_the_step_at_which_they_took_effect(tmp_path):
    path = tmp_path / "live.wnt"
    with live(path, steps=ENDLESS) as process, viewer_mark(path):
        until(lambda: engine(path).step > 2)
        paused = command_and_wait(path, "pause")
        assert paused.state == "done"
        until(lambda: engine(path).state == "paused")
        assert engine(path).step == paused.step
        again = command_and_wait(path, "pause")
        assert (again.state, again.step) == ("refused", paused.step)

        stepped = command_and_wait(path, "step", n=3)
        assert (stepped.state, stepped.step) == ("done", paused.step)
        until(lambda: engine(path).state == "paused" and engine(path).step == paused.step + 3)

        changed = command_and_wait(path, "lr", lr=0.125)
        assert (changed.state, changed.step) == ("done", paused.step + 3)
        assert command_and_wait(path, "step", n=1).state == "done"
        until(lambda: engine(path).step == paused.step + 4)
        with SessionReader(path) as reader:
            _, columns = reader.steps()
            assert columns["lr"][paused.step + 3] == 0.01  # the rate that the row was left with
            assert columns["lr"][paused.step + 4] == 0.125
            (event,) = [row.event for row in reader.events() if row.event.kind == "lr"]
            assert event.step == paused.step + 3

        assert command_and_wait(path, "resume").state == "done"
        until(lambda: engine(path).step > paused.step + 6)
        assert command_and_wait(path, "resume").state == "refused"
        stopped = command_and_wait(path, "stop")
        assert stopped.state == "done"
        assert process.wait(PATIENCE) == 0
        assert engine(path).state == "stopped"
        with SessionReader(path) as reader:
            assert reader.last_step() == stopped.step
            assert all(row.state != "pending" for row in reader.commands())


def test_a_finished_live_engine_waits_for_its_viewer_and_goes_on_beyond_its_steps(tmp_path):
    path = tmp_path / "live.wnt"
    with live(path) as process, viewer_mark(path):
        until(lambda: engine(path).state == "finished")
        assert engine_alive(path)
        assert command_and_wait(path, "step", n=2).state == "done"
        until(lambda: engine(path).state == "finished" and engine(path).step == 7)
        with SessionReader(path) as reader:
            _, columns = reader.steps()
            assert (columns["lr"] == 0.01).all()
        assert command_and_wait(path, "stop").state == "done"
        assert process.wait(PATIENCE) == 0


def test_a_finished_live_engine_without_viewers_ends(tmp_path):
    path = tmp_path / "live.wnt"
    with live(path) as process:
        assert process.wait(PATIENCE) == 0
    assert engine(path).state == "finished"


def test_a_killed_engine_leaves_a_session_that_opens_and_says_that_its_engine_died(tmp_path):
    path = tmp_path / "live.wnt"
    with live(path, steps=ENDLESS) as process:
        until(lambda: engine(path).step > 5)
        process.kill()
        process.wait()
    assert not engine_alive(path)
    with SessionReader(path) as reader:
        assert reader.engine().state == "died"
        steps, columns = reader.steps()
        assert np.isfinite(columns["loss"]).all()
        assert np.isfinite(reader.layers_at(int(steps[-1]))["lambda_max"][:3]).all()


def test_a_living_run_is_listed_while_it_lives(tmp_path):
    path = tmp_path / "live.wnt"
    with live(path, steps=ENDLESS):
        until(lambda: path.resolve() in [p.resolve() for p in live_sessions()])
    assert path.resolve() not in [p.resolve() for p in live_sessions()]


def test_the_record_of_a_process_is_that_of_the_library(tmp_path):
    from engine import Trainer

    path = tmp_path / "run.wnt"
    assert EngineProcess(run_request(path)).wait() == 0
    rows = list(Trainer(RunConfig(**SMALL)).run())
    with SessionReader(path) as reader:
        _, columns = reader.steps()
        layers = reader.layers_at(3)
    for name in ("loss", "grad_norm", "pl", "generalization_bound"):
        assert columns[name].tolist() == [row.values[name] for row in rows]
    np.testing.assert_array_equal(layers["log10_cond"], rows[3].layers["log10_cond"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    tmp_path.chmod(0o500)
    done = engine_run(run_request(tmp_path / "run.wnt"))
    assert done.returncode == 1
    assert str(tmp_path) in done.stderr
