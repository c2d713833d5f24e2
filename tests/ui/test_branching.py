"""Branches as they are typed; the header of a branch and of an engine that was taken back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.config import RunConfig
from engine.errors import SessionError, UsageError
from tests.panels.synthetic import realistic
from wnt_tui.process.branching import Branching, parse_changes
from wnt_tui.session.snapshot import EngineView, Snapshot
from wnt_tui.theme.wording import branch_phrase
from wnt_tui.widgets.header import state_phrase


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("", {}),
        ("lr=.005", {"lr": 0.005}),
        (
            "--lr=1e-3 loss=cross_entropy test-examples=7",
            {"lr": 1e-3, "loss": "cross_entropy", "test_examples": 7},
        ),
        ("renormalize=on center=false", {"renormalize": True, "center": False}),
        ("data_dir=/somewhere/else", {"data_dir": "/somewhere/else"}),
    ],
)
def test_options_are_typed_as_words(ended: Path, text: str, changes: dict[str, Any]) -> None:
    assert parse_changes(ended, 12, text) == changes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lr", "is no option"),
        ("rate=3", "is no option"),
        ("lr=fast", "lr takes a number, not 'fast'"),
        ("steps=1.5", "steps takes a number"),
        ("bias=perhaps", "true or false"),
        ("lr=-1", "--lr is -1"),
        ("loss=l1", "--loss l1 is not known"),
        ("width=3", "--width cannot change at step 12"),
        ("steps=12", "lies before the branch"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_is_started(ended: Path, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_changes(ended, 12, text)


def test_a_branch_goes_beside_its_parent_under_a_fresh_name(ended: Path) -> None:
    request, lock = Branching(ended, 12, {"lr": 0.5}).reserve()
    with lock:
        assert request.session.parent == ended.parent
        assert not request.session.exists()
    assert (request.parent, request.step, request.changes) == (ended, 12, {"lr": 0.5})


def test_a_step_that_is_not_recorded_or_weights_that_do_not_fit_have_no_place(ended: Path) -> None:
    with pytest.raises(SessionError, match=r"no row of step 81\. Recorded are steps 0 to 80"):
        Branching(ended, 81, {}).reserve()
    with pytest.raises(UsageError, match="--depth cannot change"):
        Branching(ended, 12, {"depth": 3}).reserve()
    _, lock = Branching(ended, 0, {"depth": 3}).reserve()
    with lock:
        assert lock.held


def test_a_branch_without_steps_left_gets_as_many_as_its_parent_had(ended: Path) -> None:
    from engine.session.changes import changed_config
    from engine.session.reader import SessionReader
    from engine.session.recorded import RecordedRun

    with SessionReader(ended) as reader:
        assert changed_config(RecordedRun(reader), 80, {}).steps == 160
        assert changed_config(RecordedRun(reader), 79, {}).steps == RunConfig().steps


def waiting(state: str, step: int, message: str = "") -> Snapshot:
    return replace(realistic(38), engine=EngineView(True, state, message, "cpu", step=step))


def test_the_header_says_where_an_engine_is_that_was_taken_back() -> None:
    assert state_phrase(waiting("paused", 12)) == "live paused at step 12"
    assert state_phrase(waiting("paused", 37)) == "live paused"
    assert (
        state_phrase(waiting("running", 20, "replaying recorded steps, to step 37"))
        == "live at step 20, replaying recorded steps"
    )


def test_a_branch_names_its_parent() -> None:
    assert branch_phrase({"parent": "../runs/first.wnt", "parent_step": "12"}) == "from first at 12"
    assert branch_phrase({}) == branch_phrase({"parent": "x.wnt", "parent_step": "soon"}) == ""
