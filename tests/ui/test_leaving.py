"""Several runs live: which one is shown, and what becomes of those that are not when the app is left."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import OptionList

from engine.session.liveness import engine_alive, viewer_mark
from engine.session.reader import SessionReader
from wnt_tui.process.engine_process import EngineProcess
from wnt_tui.process.exit_message import messages_for_other_runs
from wnt_tui.screens.dashboard import Dashboard
from wnt_tui.screens.session_dialogs import SessionDialog

Start = Callable[..., Any]


async def test_of_several_living_runs_one_is_chosen_and_shown_alone(watching: Any, live: Start) -> None:
    newest, older = live(name="newest").path, live(rows=5, name="older").path
    async with watching(newest, older, choose=True) as w:
        await w.until(lambda: isinstance(w.app.screen, SessionDialog))
        shown = [str(option.prompt) for option in w.app.screen.query_one(OptionList).options]
        assert [line.split()[0] for line in shown] == ["newest", "older"]
        assert "live paused" in shown[1]
        await w.press("down", "enter")
        await w.until(lambda: w.app.screen is w.dashboard and w.dashboard.path == older)
        await w.until(lambda: w.dashboard.snapshot is not None)
        assert w.dashboard.comparison.paths == ()
        await w.press("s")
        await w.until(lambda: isinstance(w.app.screen, SessionDialog))


async def test_without_a_choice_the_newest_is_shown_and_one_run_alone_needs_no_choice(
    watching: Any, live: Start
) -> None:
    newest, older = live(name="newest").path, live(rows=5, name="older").path
    async with watching(newest, older, choose=True) as w:
        await w.until(lambda: isinstance(w.app.screen, SessionDialog))
        await w.press("escape")
        await w.until(lambda: w.app.screen is w.dashboard)
        assert w.dashboard.path == newest
        assert w.dashboard.comparison.paths == ()
    async with watching(newest, choose=True) as w:
        assert isinstance(w.app.screen, Dashboard)


async def test_two_runs_of_one_name_differ_by_their_folders(watching: Any, live: Start, tmp_path: Path) -> None:
    for folder in "ab":
        (tmp_path / folder).mkdir()
    async with watching(live(name="a/run").path, live(name="b/run").path, choose=True) as w:
        await w.until(lambda: isinstance(w.app.screen, SessionDialog))
        shown = [str(option.prompt).split()[0] for option in w.app.screen.query_one(OptionList).options]
        assert [Path(name).parent.name for name in shown] == ["a", "b"]


def test_leaving_names_the_runs_that_are_left_behind(live: Start, ended: Path) -> None:
    waiting, training = live(name="waiting").path, live(name="training", state="running", steps=100_000).path
    said = messages_for_other_runs([waiting, ended, training, ended.with_name("gone.wnt")], stop=False)
    assert [sentence.split()[0] for sentence in said] == ["waiting", "training"]
    until = "is ended and saved after an hour without a viewer"
    assert said[0] == f"waiting waits at step 37 and {until}. Come back: wnt-tui attach {waiting}"
    assert "goes on without you" in said[1]
    assert engine_alive(waiting)
    assert engine_alive(training)


async def test_stopping_ends_the_runs_that_wait_and_no_others(live: Start) -> None:
    waiting, training = live(name="waiting").path, live(name="training", state="running", steps=100_000).path
    watched = live(name="watched").path
    with viewer_mark(watched):
        said = await asyncio.to_thread(messages_for_other_runs, [waiting, training, watched], stop=True)
    assert said[0].startswith("waiting, which waited at step 37, is saved too. Look at it again: wnt-tui replay")
    assert said[1].startswith("training goes on without you")
    assert said[2].startswith("watched waits at step 37")
    assert [engine_alive(path) for path in (waiting, training, watched)] == [False, True, True]
    with SessionReader(waiting) as reader:
        assert reader.engine().state == "stopped"


async def test_the_app_knows_whom_it_has_branched_from_and_whether_to_stop_was_asked_for(
    watching: Any, live: Start
) -> None:
    for key, stop in (("q", False), ("Q", True)):
        engine = live(name=f"run-{key}")
        async with watching(engine.path) as w:
            await w.press(key)
            await w.until(lambda w=w: w.app.return_value is not None)
        assert (w.app.return_value.session, w.app.return_value.stop) == (engine.path, stop)
        assert list(w.app.branched) == []


@pytest.fixture
def starting(tmp_path: Path) -> Iterator[EngineProcess]:
    """An engine that imports torch for ever."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield EngineProcess(process, tmp_path / "new.wnt.log")
    process.kill()
    process.wait()


async def test_an_engine_that_is_starting_is_left_to_start_or_ended_at_once(
    watching: Any, starting: EngineProcess, tmp_path: Path
) -> None:
    path = tmp_path / "new.wnt"
    async with watching(path, engine=starting) as w:
        await w.until(lambda: w.app.dashboard is not None and w.app.screen is w.dashboard)
        await w.press("q")
        await w.until(lambda: w.app.return_value is not None)
    assert w.app.return_value.sentence == f"new goes on without you. Come back: wnt-tui attach {path}"
    assert not starting.ended
    async with watching(path, engine=starting) as w:
        await w.until(lambda: w.app.dashboard is not None and w.app.screen is w.dashboard)
        await w.press("Q")
        await w.until(lambda: w.app.return_value is not None)
    assert (w.app.return_value.code, w.app.return_value.stop) == (0, True)
    assert w.app.return_value.sentence == "new was stopped before its first step: nothing was recorded."
    assert starting.ended
