"""``break`` and ``mark`` as real processes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from engine.session.reader import SessionReader

Run = Callable[..., subprocess.CompletedProcess[str]]


def marks(path: Path) -> list[tuple[int, str]]:
    with SessionReader(path) as reader:
        return [(row.event.step, row.event.message) for row in reader.events() if row.event.kind == "mark"]


def test_a_finished_session_is_marked_at_its_newest_step_or_a_given_one(wnt: Run, session: Path) -> None:
    assert wnt("mark", str(session), "the end").stdout == "Step 5 is marked.\n"
    output = json.loads(wnt("mark", str(session), "--step", "2", "--json").stdout)
    assert (output["state"], output["step"]) == ("done", 2)
    assert marks(session) == [(5, "the end"), (2, "")]
    refused = wnt("mark", str(session), "--step", "6")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "Recorded are steps 0 to 5" in refused.stderr
    assert len(marks(session)) == 2


def test_breakpoints_of_a_living_engine_are_set_listed_and_cleared(wnt: Run, live: Path) -> None:
    assert wnt("break", str(live)).stdout == "No breakpoint is set.\n"
    assert "set by command line, from step 4 on" in wnt("break", str(live), "pl<1e-4").stdout
    refused = wnt("break", str(live), "pl <> 1")
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[1:3] == ["    pl <> 1", "       ^"]
    assert wnt("break", str(live)).stdout == "pl < 1e-4\n"
    assert wnt("break", str(live), "pl < 1e-4", "--clear").returncode == 0
    assert json.loads(wnt("break", str(live), "--json").stdout) == []
    assert wnt("break", str(live), "--clear").returncode == 2
    assert wnt("mark", str(live), "here").stdout == "Step 3 is marked.\n"
    assert marks(live) == [(3, "here")]


def test_without_an_engine_no_breakpoint_can_be_set(wnt: Run, session: Path) -> None:
    done = wnt("break", str(session), "pl < 1")
    assert done.returncode == 1
    assert "its engine is not running" in done.stderr
