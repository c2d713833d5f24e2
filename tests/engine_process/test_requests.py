"""Requests to the engine: what is written is what is read, and what makes no sense is refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config import RunConfig
from engine.errors import UsageError
from engine.requests import (
    ACTIONS,
    Branch,
    DataSets,
    Doctor,
    Download,
    Resume,
    Run,
    Verify,
    Weights,
    parse_request,
)
from engine.runner.command_handler import CommandHandler
from engine.session.vocabulary import COMMAND_NAMES
from tests.engine_process.engines import engine_run

ODD = Path("/tmp/caf\udce9\n.wnt")
EXAMPLES = [
    Run(session=ODD, config=RunConfig(width=3, breakpoints=("pl < 1",)), live=True, lock=4, plot=True),
    Resume(session=ODD, steps=7),
    Branch(session=Path("/b.wnt"), parent=ODD, step=2, changes={"lr": 0.5, "breakpoints": ["pl < 1"]}),
    Verify(session=ODD, as_json=True, debug=True),
    Weights(session=ODD, step=3, output=Path("/w.safetensors")),
    DataSets(),
    Download(folder=Path("/data")),
    Doctor(),
]


def test_every_request_is_read_as_it_was_written_in_ascii() -> None:
    assert {type(request) for request in EXAMPLES} == set(ACTIONS.values())
    for request in EXAMPLES:
        assert request.to_json().isascii()
        assert parse_request([request.to_json()]) == request


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "not one JSON object"),
        (["--help"], "not one JSON object"),
        (["{}", "{}"], "not one JSON object"),
        (["[1]"], "not one JSON object"),
        (["{}"], "no action None. Choose one of: run, resume"),
        (['{"action": ["run"]}'], "no action"),
        (['{"action": "verify", "session": "a.wnt", "step": 3}'], "takes no 'step'"),
        (['{"action": "resume"}'], "needs 'session'"),
        (['{"action": "resume", "session": ""}'], "session is ''. It takes a path"),
        (['{"action": "resume", "session": "a.wnt", "steps": true}'], "steps is True. It takes a whole number"),
        (['{"action": "verify", "session": "a.wnt", "as_json": 1}'], "as_json is 1. It takes true or false"),
        (['{"action": "branch", "session": "a", "parent": "b", "step": 1, "changes": []}'], "It takes an object"),
        (['{"action": "run", "session": "a.wnt", "config": {"widht": 3}}'], "Unknown option 'widht' in the request"),
        (['{"action": "run", "session": "a.wnt", "config": {"width": 0}}'], "--width is 0"),
    ],
)
def test_what_is_no_request_is_refused_in_one_sentence_with_exit_code_two(arguments: list[str], words: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_request(arguments)
    assert words in str(refused.value)
    assert refused.value.exit_code == 2


def test_a_request_that_fails_ends_with_its_sentence_and_exit_code(tmp_path: Path) -> None:
    done = engine_run(Verify(session=tmp_path / "none.wnt"))
    assert done.returncode == 1
    assert done.stderr.startswith("wnt-tui: ")
    assert "none.wnt" in done.stderr


def test_every_command_of_the_vocabulary_is_carried_out() -> None:
    assert [name for name in COMMAND_NAMES if not hasattr(CommandHandler, f"on_{name}")] == []
