"""Breakpoints, marks and commands of the real engine: what is recorded, and that training does not notice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from engine import signals
from engine.record import Event
from engine.runner import progress
from engine.runner.outcome import Outcome
from engine.runner.run import train
from engine.runner.signal_watch import SignalWatch
from engine.session.commands import send, wait
from engine.session.liveness import EngineLock, viewer_mark
from engine.session.marks import put_mark
from engine.session.reader import SessionReader
from engine.session.writer import SessionWriter
from tests.engine_process.engines import PATIENCE, branch_request, resume_request, run_request, until
from tests.engine_process.test_engine_process import command_and_wait, engine, live


@pytest.fixture(autouse=True)
def own_state(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    # An engine in this process takes signals over.
    handlers = {number: signal.getsignal(number) for number in (*signals.ENDING, signals.CHECKPOINT)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def events(path: Path, kind: str):
    with SessionReader(path) as reader:
        return [row.event for row in reader.events() if row.event.kind == kind]


def recorded(path: Path, **changes) -> tuple[Outcome, dict[str, np.ndarray]]:
    """How a headless run in this process ended, and its columns."""
    request = run_request(path, **changes)
    with EngineLock(path) as lock:
        outcome = train(request, SignalWatch(request, progress.Lines(sys.stderr, path), lock))
    with SessionReader(path) as reader:
        return outcome, reader.steps()[1]


def test_a_headless_run_goes_on_past_a_breakpoint_or_stops_at_it_and_trains_the_same(tmp_path, capsys):
    condition = ("step >= 3",)
    plain, without = recorded(tmp_path / "plain.wnt")
    past, going_on = recorded(tmp_path / "past.wnt", breakpoints=condition, on_break="continue")
    stopped, until_there = recorded(tmp_path / "stopped.wnt", breakpoints=condition, on_break="stop")
    assert [outcome.state for outcome in (plain, past, stopped)] == ["finished", "finished", "stopped"]
    for metric in ("loss", "grad_norm", "pl", "lr"):
        np.testing.assert_array_equal(without[metric], going_on[metric])
        np.testing.assert_array_equal(without[metric][:4], until_there[metric])
    assert [hit.step for hit in events(tmp_path / "past.wnt", "break")] == [3]
    assert [hit.step for hit in events(tmp_path / "stopped.wnt", "break")] == [3]
    assert "step >= 3" in stopped.message
    assert capsys.readouterr().err.count("breakpoint at step 3: step >= 3") == 2


def test_a_live_run_pauses_at_a_breakpoint_and_goes_on_when_resumed(tmp_path):
    path = tmp_path / "run.wnt"
    with live(path, breakpoints=("step >= 2",), steps=6):
        until(lambda: engine(path).state == "paused")
        assert engine(path).step == 2
        (hit,) = events(path, "break")
        assert (hit.step, hit.data["left"], hit.data["right"]) == (2, 2.0, 2.0)
        assert command_and_wait(path, "resume").step == 2
        until(lambda: engine(path).state == "finished")
        assert [hit.step for hit in events(path, "break")] == [2]


def test_breakpoints_are_set_and_cleared_in_a_living_engine_and_that_is_recorded(tmp_path):
    path = tmp_path / "run.wnt"
    with live(path, steps=1):
        until(lambda: engine(path).state == "finished")
        assert command_and_wait(path, "break", condition="step>=4").state == "done"
        refused = command_and_wait(path, "break", condition="log10_cond[3] > 4")
        assert (refused.state, "layers 0 to 2" in refused.reply) == ("refused", True)
        command_and_wait(path, "step", n=10)
        until(lambda: engine(path).state == "paused")
        assert engine(path).step == 4
        assert command_and_wait(path, "clear", condition="step >= 4").state == "done"
        assert command_and_wait(path, "clear", condition="step >= 4").state == "refused"
        with SessionReader(path) as reader:
            output = [(sent.name, sent.state, sent.step) for sent in reader.commands()]
        assert output == [
            ("break", "done", 1),
            ("break", "refused", 1),
            ("step", "done", 1),
            ("clear", "done", 4),
            ("clear", "refused", 4),
        ]
        assert [dict(change.data) for change in events(path, "breakpoint")] == [
            {"set": "step >= 4"},
            {"cleared": "step >= 4"},
        ]


def test_a_mark_goes_through_a_living_engine_and_straight_into_an_ended_session(tmp_path):
    path = tmp_path / "run.wnt"
    with live(path, steps=3) as process:
        until(lambda: engine(path).state == "finished")
        assert command_and_wait(path, "mark", step=1, note="here").state == "done"
        assert command_and_wait(path, "mark", step=9, note="there").state == "refused"
        command_and_wait(path, "stop")
        process.wait(PATIENCE)
    put_mark(path, 2, "later")
    assert [(mark.step, mark.message) for mark in events(path, "mark")] == [(1, "here"), (2, "later")]
    assert sorted(found.name for found in tmp_path.glob("run*")) == ["run.wnt"]


SENDER = """
import sys
from engine.session.commands import send, wait
for number in range(int(sys.argv[2])):
    command = send(sys.argv[1], "mark", {"step": 0, "note": f"{sys.argv[3]} {number}"}, sys.argv[3])
    print(command, flush=True)
    if sys.argv[4] == "wait":
        assert wait(sys.argv[1], command, 60).state == "done"
"""


def sender(path: Path, count: int, name: str, *, waits: bool = True) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SENDER, str(path), str(count), name, "wait" if waits else "leave"],
        stdout=subprocess.PIPE, text=True, env=os.environ.copy(),
    )  # fmt: skip


def test_what_two_commanders_ask_at_once_is_done_once_each_and_acknowledged_with_its_step(tmp_path):
    path = tmp_path / "run.wnt"
    with live(path, steps=100_000, measure="none"):
        until(lambda: engine(path).step >= 0)
        senders = [sender(path, 25, name) for name in ("left", "right")]
        assert [process.wait(PATIENCE) for process in senders] == [0, 0]
        marked = [mark.message for mark in events(path, "mark")]
        assert sorted(marked) == sorted(f"{name} {number}" for name in ("left", "right") for number in range(25))
        with SessionReader(path) as reader:
            commands = reader.commands()
        assert {command.state for command in commands} == {"done"}
        steps = [command.step for command in commands]
        assert None not in steps
        assert steps == sorted(steps)  # in the order of sending


def test_a_command_is_neither_lost_nor_repeated_when_its_viewer_is_killed(tmp_path):
    path = tmp_path / "run.wnt"
    with live(path, steps=100_000, measure="none"):
        until(lambda: engine(path).step >= 0)
        sent: list[int] = []
        for name in ("a", "b", "c"):
            victim = sender(path, 100_000, name, waits=False)
            assert victim.stdout is not None
            sent += [int(victim.stdout.readline()) for _ in range(20)]
            victim.kill()
            sent += [int(line) for line in victim.communicate()[0].splitlines() if line.isdigit()]
        last = send(path, "pause", sender="survivor")
        assert wait(path, last, PATIENCE).state == "done"
        with SessionReader(path) as reader:
            commands = {command.id: command for command in reader.commands()}
        assert set(sent) <= set(commands)
        assert {commands[number].state for number in sent} == {"done"}
        marked = [mark.message for mark in events(path, "mark")]
        assert len(marked) == len(set(marked))
        assert len(marked) == sum(command.name == "mark" for command in commands.values())


def test_two_pauses_at_once_pause_once_and_both_are_answered(tmp_path):
    path = tmp_path / "run.wnt"
    with live(path, steps=100_000, measure="none"):
        until(lambda: engine(path).step >= 0)
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(command_and_wait(path, "pause"))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answer.state for answer in answers) == ["done", "refused"]
        assert len({answer.step for answer in answers}) == 1
        assert len(events(path, "pause")) == 1


def rewind_and_wait(path: Path, step: int) -> None:
    assert command_and_wait(path, "rewind", step=step).state == "done"
    until(lambda: (engine(path).state, engine(path).step) == ("paused", step))


def test_rows_that_are_executed_again_hit_nothing_and_new_ones_do(tmp_path):
    path = tmp_path / "run.wnt"
    with live(path, breakpoints=("step >= 2",), steps=8), viewer_mark(path):
        until(lambda: engine(path).state == "paused")
        assert command_and_wait(path, "step", n=3).state == "done"
        until(lambda: (engine(path).state, engine(path).step) == ("paused", 5))
        rewind_and_wait(path, 1)
        output = command_and_wait(path, "break", condition="step >= 4").reply
        assert output.endswith("from step 6 on.")
        assert command_and_wait(path, "resume").state == "done"
        until(lambda: (engine(path).state, engine(path).step) == ("paused", 6))
        assert [(hit.step, hit.data["breakpoint"]) for hit in events(path, "break")] == [
            (2, "step >= 2"),
            (6, "step >= 4"),
        ]
        rewind_and_wait(path, 0)
        assert command_and_wait(path, "resume").state == "done"
        until(lambda: engine(path).state == "finished")
        assert [hit.step for hit in events(path, "break")] == [2, 6]


def test_a_run_that_is_resumed_hits_what_the_uninterrupted_run_hits(tmp_path):
    conditions = ("step > 1 for 6", "step >= 2", "loss <= 2*loss for 4", "diverging")
    path, whole = tmp_path / "a.wnt", tmp_path / "whole.wnt"
    recorded(whole, steps=9, breakpoints=conditions, on_break="continue")
    recorded(path, steps=4, breakpoints=conditions, on_break="continue")
    train(resume_request(path, 9))
    hits = [(hit.step, hit.message) for hit in events(whole, "break")]
    assert [step for step, _ in hits] == [2, 3, 7]
    assert [(hit.step, hit.message) for hit in events(path, "break")] == hits


def test_breakpoints_set_and_cleared_by_hand_are_those_of_a_run_that_is_resumed(tmp_path):
    path = tmp_path / "a.wnt"
    with live(path, breakpoints=("step >= 9",), on_break="continue", steps=3) as process, viewer_mark(path):
        until(lambda: engine(path).state == "finished")
        assert command_and_wait(path, "clear", condition="step >= 9").state == "done"
        assert command_and_wait(path, "break", condition="step >= 2 for 3").state == "done"
        command_and_wait(path, "stop")
        process.wait(PATIENCE)
    outcome = train(resume_request(path, 12))
    assert outcome.state == "finished"
    assert [(hit.step, hit.data["rows"]) for hit in events(path, "break")] == [(6, 3)]


def test_a_branch_goes_on_past_what_its_parents_row_hits_already(tmp_path):
    parent, path = tmp_path / "a.wnt", tmp_path / "b.wnt"
    recorded(parent, breakpoints=("pl < 1e9",), on_break="stop")
    with SessionReader(parent) as reader:
        assert reader.last_step() == 0
    train(resume_request(parent, 3))
    outcome = train(branch_request(parent, 2, path, lr=0.05))
    assert outcome.state == "finished"
    assert events(path, "break") == []


def test_a_branch_diverges_against_the_loss_of_its_parents_first_row(tmp_path):
    parent, path = tmp_path / "a.wnt", tmp_path / "b.wnt"
    recorded(parent, lr=0.5, steps=6)
    with SessionReader(parent) as reader:
        loss = reader.steps()[1]["loss"].tolist()
    assert loss[4] < 0.999 * loss[0]
    # Of the branch's own first row the loss is lower: a rate that raises it a little is no divergence.
    changes = {
        "lr": 1e-30,
        "steps": 7,
        "breakpoints": [f"loss >= {loss[4]!r} for 2", "diverging"],
        "on_break": "continue",
    }
    train(branch_request(parent, 4, path, **changes))
    assert [(hit.step, hit.data["breakpoint"].split()[0]) for hit in events(path, "break")] == [(5, "loss")]


def test_a_branch_has_the_breakpoints_that_are_set_in_its_parent_unless_it_is_given_others(tmp_path):
    parent, path, other = (tmp_path / f"{name}.wnt" for name in "abc")
    recorded(parent, breakpoints=("step >= 90", "step >= 80"), on_break="continue", steps=3)
    with SessionWriter.open(parent) as writer:
        for change in (
            {"cleared": "step >= 90"},
            {"set": "step >= 3"},
            {"set": "no sense"},
            {"set": "log10_cond[9] > 1"},
        ):
            writer.put_event(Event(3, "breakpoint", "", data=change))
    train(branch_request(parent, 2, path, lr=0.05, steps=5))
    with SessionReader(path) as reader:
        assert reader.config().breakpoints == ("step >= 80", "step >= 3")
    assert [hit.step for hit in events(path, "break")] == [3]
    train(branch_request(parent, 2, other, breakpoints=[], steps=5))
    with SessionReader(other) as reader:
        assert reader.config().breakpoints == ()
    assert events(other, "break") == []
