"""Real engines that are killed and resumed, taken back and branched from: history stays as it is, to the bit."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace

import pytest

from engine.history import checkpoint_policy
from engine.history.reexecution import prepare
from engine.history.verify import verify
from engine.requests import Verify, Weights
from engine.runner import loop, run
from engine.session.commands import send, wait
from engine.session.liveness import EngineLock, engine_alive
from engine.session.reader import SessionReader
from tests.engine_process.engines import (
    ENDLESS,
    ask,
    branch_request,
    engine_live,
    engine_run,
    events,
    recorded,
    resume_request,
    run_request,
    state,
    table,
    until,
)


@pytest.fixture(autouse=True)
def own_state(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def kill_at(path, step, **changes):
    with engine_live(run_request(path, steps=ENDLESS, **changes)) as process:
        until(lambda: state(path).step > step)
        process.kill()
        process.wait()
    with SessionReader(path) as reader:
        return reader.last_step()


def test_a_command_sent_while_a_resumed_engine_loads_is_carried_out_and_one_to_the_engine_before_it_is_not(
    tmp_path, monkeypatch
):
    path = tmp_path / "a.wnt"
    recorded(path)
    with EngineLock(path):  # an engine that died before it could answer
        unanswered = send(path, "pause")
    loading, sent = threading.Event(), []

    def slowly(recorded):
        loading.set()
        until(lambda: sent)
        return prepare(recorded)

    def stop_it():
        loading.wait()
        sent.append(send(path, "stop", sender="me"))

    monkeypatch.setattr(run, "prepare", slowly)
    threading.Thread(target=stop_it, daemon=True).start()
    assert engine_run(resume_request(path, ENDLESS)).returncode == 0
    assert wait(path, unanswered).reply == "The engine it was sent to has ended."
    answer = wait(path, sent[0])
    assert (answer.state, answer.reply) == ("done", f"Stopped by me at step {answer.step}.")


@pytest.mark.parametrize("checkpoints", [None, 4])
def test_a_killed_run_resumes_and_becomes_the_run_that_was_never_killed(tmp_path, checkpoints):
    path, whole = tmp_path / "killed.wnt", tmp_path / "whole.wnt"
    last = kill_at(path, 9, measure="all", checkpoint_every=checkpoints)
    assert state(path).state == "died"
    before = table(path)
    goal = last + 6
    done = engine_run(resume_request(path, goal))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == goal + 1
    (output,) = events(path, "resume")
    assert output.startswith(f"A new engine goes on after step {last}: from ")
    assert ("the checkpoint of step" in output) == (checkpoints is not None)
    after = table(path)
    assert after[0][: last + 1] == before[0]
    recorded(whole, steps=goal, measure="all", checkpoint_every=checkpoints)
    assert table(whole) == after


def test_a_finished_run_goes_on_beyond_its_steps_when_asked_to(tmp_path):
    path, whole = tmp_path / "a.wnt", tmp_path / "whole.wnt"
    recorded(path, steps=5)
    refused = engine_run(resume_request(path))
    assert refused.returncode == 2
    assert (
        f"has been trained to step 5 already. `wnt-tui resume {path} --steps N` with N > 5 goes on." in refused.stderr
    )
    assert engine_run(resume_request(path, 9)).returncode == 0
    recorded(whole, steps=9)
    assert table(path) == table(whole)  # the rate that row 5 was left with is there as well
    assert state(path).state == "finished"


def test_a_learning_rate_that_was_set_on_the_way_is_gone_on_with(tmp_path):
    path = tmp_path / "a.wnt"
    with engine_live(run_request(path, steps=ENDLESS), viewer=path) as process:
        until(lambda: state(path).step > 2)
        step = ask(path, "pause").step
        assert ask(path, "lr", lr=0.125).state == "done"
        ask(path, "step", n=3)
        until(lambda: state(path).step == step + 3 and state(path).state == "paused")
        assert ask(path, "lr", lr=0.25).state == "done"  # never left: the engine dies before its next step
        process.kill()
        process.wait()
    assert engine_run(resume_request(path, step + 6)).returncode == 0
    with SessionReader(path) as reader:
        _, columns = reader.steps()
    assert columns["lr"][step - 1 : step + 6].tolist() == [0.01, 0.01, 0.125, 0.125, 0.125, 0.25, 0.25]
    assert verify(path).identical


def test_a_learning_rate_that_was_set_before_going_back_holds_for_new_rows_alone(tmp_path):
    path = tmp_path / "a.wnt"
    with engine_live(run_request(path, steps=ENDLESS), viewer=path):
        until(lambda: state(path).step > 3)
        step = ask(path, "pause").step
        assert ask(path, "lr", lr=0.125).reply == f"Learning rate 0.01 → 0.125 from step {step + 1} on."
        assert ask(path, "rewind", step=1).state == "done"
        until(lambda: state(path).step == 1 and state(path).state == "paused")
        assert ask(path, "step", n=step + 2).state == "done"
        until(lambda: state(path).step == step + 3 and state(path).state == "paused")
    with SessionReader(path) as reader:
        _, columns = reader.steps()
    assert columns["lr"].tolist() == [0.01] * (step + 1) + [0.125] * 3
    assert verify(path).identical


def test_a_run_that_does_not_come_out_as_recorded_is_not_gone_on_with(tmp_path):
    path = tmp_path / "a.wnt"
    recorded(path, steps=6)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE steps SET loss = loss * (1 + 1e-6) WHERE step = 4")
    before = table(path)
    done = engine_run(resume_request(path, 9))
    assert done.returncode == 1
    assert "this is not the run that was recorded: loss at step 4" in done.stderr
    assert "wnt-tui branch" in done.stderr
    assert table(path) == before
    assert state(path).state == "failed"


def test_a_diverged_run_cannot_be_resumed_but_branched_from(tmp_path):
    path, branch = tmp_path / "a.wnt", tmp_path / "b.wnt"
    assert engine_run(run_request(path, loss="mse_logits", lr=100.0, steps=200)).returncode == 3
    done = engine_run(resume_request(path))
    assert done.returncode == 1
    assert "nothing comes after it. `wnt-tui branch" in done.stderr
    assert engine_run(branch_request(path, 0, branch, lr=0.001, steps=4)).returncode == 0
    assert table(branch)[0] == [0, 1, 2, 3, 4]


def test_a_session_with_a_living_engine_is_not_resumed_by_another(tmp_path):
    path = tmp_path / "a.wnt"
    recorded(path)
    with EngineLock(path):
        done = engine_run(resume_request(path, 9))
    assert done.returncode == 1
    assert "Another engine is already writing" in done.stderr


def test_a_paused_run_goes_back_to_any_step_and_forward_again_without_a_changed_row(tmp_path):
    path = tmp_path / "a.wnt"
    with engine_live(run_request(path, steps=30, measure="all"), viewer=path):
        until(lambda: state(path).state == "finished")
        before = table(path)
        for step in (12, 0, 29, 30):
            assert ask(path, "rewind", step=step).state == "done"
            until(lambda step=step: state(path).step == step and state(path).state in {"paused", "finished"})
        assert ask(path, "rewind", step=7).state == "done"
        until(lambda: state(path).state == "paused" and state(path).step == 7)
        assert len(events(path, "rewind")) >= 4
        assert ask(path, "step", n=2).state == "done"
        until(lambda: state(path).state == "paused" and state(path).step == 9)
        assert ask(path, "resume").state == "done"
        until(lambda: state(path).state == "finished" and state(path).step == 30)
        assert table(path) == before
        assert ask(path, "step", n=3).state == "done"
        until(lambda: state(path).step == 33)
    whole = tmp_path / "whole.wnt"
    recorded(whole, steps=33, measure="all")
    assert table(path) == table(whole)


def test_what_would_change_history_is_refused(tmp_path):
    path = tmp_path / "a.wnt"
    with engine_live(run_request(path, steps=8), viewer=path):
        until(lambda: state(path).state == "finished")
        refused = ask(path, "rewind", step=9)
        assert (refused.state, refused.reply) == (
            "refused",
            "a has no row of step 9. Recorded are steps 0 to 8.",
        )
        ask(path, "rewind", step=3)
        until(lambda: state(path).step == 3 and state(path).state == "paused")
        refused = ask(path, "lr", lr=0.5)
        assert refused.state == "refused"
        assert "it is a branch" in refused.reply
        assert "again" not in ask(path, "rewind", step=3).reply


def test_a_running_engine_is_not_taken_back(tmp_path):
    path = tmp_path / "a.wnt"
    with engine_live(run_request(path, steps=ENDLESS), viewer=path):
        until(lambda: state(path).step > 3)
        assert ask(path, "rewind", step=1).reply == "It is running: pause it first."


def test_a_resumed_engine_goes_back_to_steps_before_it_was_started(tmp_path):
    path = tmp_path / "a.wnt"
    recorded(path, steps=12, checkpoint_every=5)
    with engine_live(resume_request(path), viewer=path):
        until(lambda: events(path, "resume") and state(path).state == "finished")
        for step, place in ((7, "the checkpoint of step 5"), (2, "step 0")):
            assert place in ask(path, "rewind", step=step).reply
            until(lambda step=step: state(path).state == "paused" and state(path).step == step)
    assert verify(path).identical


def test_a_checkpoint_is_made_when_asked_for_once(tmp_path):
    path = tmp_path / "a.wnt"
    with engine_live(run_request(path, steps=6), viewer=path):
        until(lambda: state(path).state == "finished")
        first = ask(path, "checkpoint")
        assert first.state == "done"
        assert first.reply.startswith("Checkpoint of step 6 (")
        assert ask(path, "checkpoint").reply.startswith("There is a checkpoint of step 6 already")
        until(lambda: events(path, "checkpoint"))
    with SessionReader(path) as reader:
        assert reader.checkpoints() == (6,)
        assert reader.rolling_checkpoints() == ()


def test_a_paused_run_that_nobody_comes_back_to_ends_with_a_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "a.wnt"
    monkeypatch.setattr(loop, "UNWATCHED_SECONDS", 0.3)

    def pause() -> None:
        until(lambda: path.exists() and engine_alive(path) and state(path).step > 2)
        ask(path, "pause")

    threading.Thread(target=pause, daemon=True).start()
    assert engine_run(replace(run_request(path, steps=ENDLESS), live=True)).returncode == 0
    with SessionReader(path) as reader:
        assert reader.engine().message == "Paused for an hour with no viewer: ended, everything is saved."
        assert reader.checkpoints() == (reader.last_step(),)


def test_of_rolling_checkpoints_the_newest_two_stay_and_one_that_is_asked_for_beside_them(tmp_path, monkeypatch):
    path = tmp_path / "a.wnt"
    monkeypatch.setattr(checkpoint_policy, "ROLLING_SECONDS", 0.0)
    recorded(path, steps=9, checkpoint_every=4)
    with SessionReader(path) as reader:
        assert reader.checkpoints() == (4, 7, 8, 9)
        assert reader.rolling_checkpoints() == (7, 9)
    assert verify(path).identical


def test_regular_checkpoints_stop_at_their_limit_and_it_is_said_once(tmp_path):
    path = tmp_path / "a.wnt"
    recorded(path, steps=20, checkpoint_every=2, checkpoint_limit=5e-5)
    with SessionReader(path) as reader:
        kept = reader.checkpoints()
        assert sum(map(reader.checkpoint_bytes, kept)) <= 50_000
    assert kept[:2] == (2, 4)
    assert len(kept) < 10
    (output,) = events(path, "notice")
    assert output.startswith("Kept checkpoints would exceed --checkpoint-limit")


@pytest.mark.parametrize(
    "changes", [{"lr": 0.2}, {"loss": "cross_entropy", "steps": 9}, {"measure": "all", "every": 2}, {"seed": 3}]
)
def test_a_branch_names_its_parent_and_stands_for_itself(tmp_path, changes):
    parent, path = tmp_path / "parent.wnt", tmp_path / "branch.wnt"
    recorded(parent, steps=8)
    before = table(parent)
    done = engine_run(branch_request(parent, 5, path, **changes))
    assert done.returncode == 0, done.stderr
    assert table(parent) == before
    parent.unlink()
    with SessionReader(path) as reader:
        meta, config = reader.meta(), reader.config()
        assert reader.first_step() == 5
    assert (meta["parent"], meta["parent_step"]) == ("parent.wnt", "5")
    assert {name: pair[1] for name, pair in json.loads(meta["parent_changes"]).items()} == {
        name: value for name, value in changes.items() if name != "steps" or value != 8
    }
    assert all(getattr(config, name) == value for name, value in changes.items())
    assert verify(path).identical
    (output,) = events(path, "branch")
    assert output.startswith("Branched from parent at step 5: ")


def test_a_branch_with_nothing_changed_is_the_parent_again(tmp_path):
    parent, path = tmp_path / "parent.wnt", tmp_path / "branch.wnt"
    recorded(parent, steps=8, measure="all")
    assert engine_run(branch_request(parent, 3, path)).returncode == 0
    steps, values, layers = table(parent, 4)
    assert table(path, 4) == (steps, values, layers)


def test_a_branch_of_a_branch_of_another_loss_keeps_what_its_parent_measured_from(tmp_path):
    first, second, third = (tmp_path / f"{name}.wnt" for name in ("first", "second", "third"))
    recorded(first, steps=8)
    assert engine_run(branch_request(first, 3, second, loss="cross_entropy")).returncode == 0
    assert engine_run(branch_request(second, 6, third)).returncode == 0
    assert table(third, 7) == table(second, 7)  # distances and bounds relate to step 3, as the parent's do
    assert verify(third).identical


def test_weights_that_would_not_fit_are_refused_in_a_sentence(tmp_path):
    parent, path = tmp_path / "parent.wnt", tmp_path / "branch.wnt"
    recorded(parent, steps=4)
    for changes, words in (({"width": 17}, "--width cannot change"), ({"data": "digits"}, "these data need")):
        done = engine_run(branch_request(parent, 2, path, **changes))
        assert done.returncode == 2
        assert words in done.stderr
        assert "Branch from --step 0, or start a new run." in done.stderr
        assert not path.exists()


def test_at_step_zero_anything_may_change(tmp_path):
    parent, path = tmp_path / "parent.wnt", tmp_path / "branch.wnt"
    recorded(parent, steps=4)
    assert engine_run(branch_request(parent, 0, path, width=17, depth=4)).returncode == 0
    with SessionReader(path) as reader:
        assert reader.config().width == 17
        assert reader.meta()["parent_step"] == "0"
    assert verify(path).identical


def test_a_branch_can_be_resumed_and_branches_from_a_dead_engine(tmp_path):
    parent, path = tmp_path / "parent.wnt", tmp_path / "branch.wnt"
    last = kill_at(parent, 6)
    assert engine_run(branch_request(parent, last - 2, path, lr=0.1, steps=last)).returncode == 0
    assert engine_run(resume_request(path, last + 4)).returncode == 0
    assert verify(path).identical
    with SessionReader(path) as reader:
        assert reader.last_step() == last + 4


def test_verify_says_what_differs_and_ends_with_one(tmp_path):
    path = tmp_path / "a.wnt"
    recorded(path)
    same = engine_run(Verify(session=path))
    assert (same.returncode, same.stdout) == (0, "Identical, bit by bit: 6 rows from step 0 to step 5.\n")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE steps SET accuracy = accuracy + 0.5 WHERE step = 2")
        connection.execute("UPDATE meta SET value = '1.0' WHERE key = 'torch_version'")
    other = engine_run(Verify(session=path, as_json=True))
    found = json.loads(other.stdout)
    assert other.returncode == 1
    assert (found["identical"], found["earliest"]["metric"], found["earliest"]["step"]) == (False, "accuracy", 2)
    assert "torch version 1.0 then" in found["elsewhere"]


def test_weights_are_written_by_a_command(tmp_path):
    path = tmp_path / "a.wnt"
    recorded(path)
    done = engine_run(Weights(session=path, step=3, output=tmp_path / "w.safetensors"))
    assert done.returncode == 0
    assert "exact" in done.stdout
    assert (tmp_path / "w.safetensors").stat().st_size > 1000
