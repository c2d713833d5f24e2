"""An engine lives: commands, following, and the ways out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.session.liveness import engine_alive
from engine.session.reader import SessionReader
from wnt_tui.process.engine_process import EngineProcess

Start = Callable[..., Any]


def footer_says(w: Any, text: str) -> Callable[[], bool]:
    return lambda: text in w.line("#footer")


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_a_paused_engine_is_said_to_live_and_to_be_paused(
    watching: Any, live: Start, size: tuple[int, int]
) -> None:
    async with watching(live().path, size=size) as w:
        assert "live paused" in w.line("#header")
        assert "step 37/80" in w.line("#header")
        assert "following" in w.line("#timeline")
        assert "space resume" in w.line("#footer")
        assert w.dashboard.cursor.window() == (0, 80)


async def test_space_resumes_and_pauses_and_says_at_which_step(watching: Any, live: Start) -> None:
    async with watching(live(interval=0.1).path) as w:
        await w.press("space")
        await w.until(footer_says(w, "resumed at step 37"))
        await w.until(lambda: w.dashboard.snapshot.engine.state == "running")
        await w.press("space")
        await w.until(footer_says(w, "paused at step"))
        await w.until(lambda: w.dashboard.snapshot.engine.state == "paused")
        assert w.dashboard.cursor.step == w.dashboard.snapshot.last_step > 37


async def test_right_at_the_edge_of_a_paused_engine_trains_one_step(watching: Any, live: Start) -> None:
    async with watching(live().path) as w:
        await w.press("right")
        await w.until(lambda: w.dashboard.cursor.step == 38)
        await w.press("left", "right")
        assert w.dashboard.cursor.step == 38, "away from the edge it only moves"
        assert w.dashboard.snapshot.last_step == 38


async def test_n_steps_are_trained_after_asking_how_many(watching: Any, live: Start) -> None:
    async with watching(live().path) as w:
        await w.press("N", "0", "enter")
        assert "At least 1" in w.screen_text()
        await w.press("backspace", "7", "enter")
        await w.until(lambda: w.dashboard.snapshot.last_step == 44)
        await w.until(lambda: w.dashboard.snapshot.engine.state == "paused")


async def test_the_learning_rate_is_checked_set_and_acknowledged(watching: Any, live: Start) -> None:
    async with watching(live().path) as w:
        await w.press("L", "minus", "1", "enter")
        assert "positive and finite" in w.screen_text()
        await w.press("backspace", "backspace", *"0.5", "enter")
        await w.until(footer_says(w, "learning rate 0.5 at step 37"))
        await w.until(lambda: any(event.kind == "lr" and event.step == 37 for event in w.dashboard.snapshot.events))


async def test_w_has_the_next_row_record_whole_spectra(watching: Any, live: Start) -> None:
    engine = live()
    async with watching(engine.path) as w:
        await w.press("w")
        await w.until(footer_says(w, "whole spectra are recorded at step 38"))
        await w.press("right")
        await w.until(lambda: w.dashboard.snapshot.last_step == 38)
    with SessionReader(engine.path) as reader:
        assert reader.spectra_steps() == (38,)


async def test_a_cursor_that_looks_back_is_not_dragged_along(watching: Any, live: Start) -> None:
    engine = live(state="running", interval=0.02, steps=100_000)  # one that does not end while it is looked at
    async with watching(engine.path) as w:
        await w.press("home", "right")
        seen = w.dashboard.snapshot.last_step
        await w.until(lambda: w.dashboard.snapshot.last_step >= seen + 5)
        assert w.dashboard.cursor.step == 1
        assert "behind" in w.line("#timeline")
        await w.press("end")
        await w.until(lambda: w.dashboard.cursor.step == w.dashboard.snapshot.last_step)


async def test_speed_and_time_left_are_shown_while_it_runs(watching: Any, live: Start) -> None:
    engine = live(rows=1, state="running", interval=0.05, steps=100_000)
    async with watching(engine.path, size=(160, 48)) as w:
        await w.until(lambda: "/s" in w.line("#header") and "left" in w.line("#header"))


async def test_a_killed_engine_is_said_to_have_died(watching: Any, live: Start) -> None:
    engine = live()
    async with watching(engine.path) as w:
        engine.kill()
        await w.until(lambda: "engine died at step 37" in w.line("#header"))
        await w.press("space")
        assert "the engine died" in w.line("#footer")


async def test_q_leaves_and_the_engine_goes_on(watching: Any, live: Start) -> None:
    engine = live()
    async with watching(engine.path) as w:
        await w.press("q")
        await w.until(lambda: w.app.return_value is not None)
    assert w.app.return_value.code == 0
    assert "wnt-tui attach" in w.app.return_value.sentence
    assert engine_alive(engine.path)


async def test_capital_q_stops_the_engine_saves_and_leaves(watching: Any, live: Start) -> None:
    engine = live(state="running", steps=100_000)
    async with watching(engine.path) as w:
        await w.press("Q")
        await w.until(lambda: w.app.return_value is not None)
    assert "wnt-tui replay" in w.app.return_value.sentence
    assert not engine_alive(engine.path)
    with SessionReader(engine.path) as reader:
        assert reader.engine().state == "stopped"


async def test_ctrl_c_says_how_to_leave_and_does_not(watching: Any, live: Start) -> None:
    async with watching(live().path) as w:
        await w.press("ctrl+c")
        assert "q leaves, training goes on" in w.line("#footer")
        assert w.app.return_value is None


class DeadEngine:
    """A process that has ended."""

    def poll(self) -> int:
        return 1


async def test_an_engine_that_dies_before_its_first_row_is_quoted(watching: Any, tmp_path: Path) -> None:
    log = tmp_path / "s.wnt.log"
    log.write_text("Traceback …\nwnt-tui: There is no file nope.npz. Give --data a file that exists.\n")
    engine = EngineProcess(DeadEngine(), log)  # type: ignore[arg-type]
    async with watching(tmp_path / "s.wnt", engine=engine) as w:
        await w.until(lambda: w.app.return_value is not None)
    assert w.app.return_value.code == 1
    assert "There is no file nope.npz." in w.app.return_value.sentence


class YoungEngine(DeadEngine):
    def poll(self) -> None:  # type: ignore[override]
        return None


async def test_until_the_session_appears_the_screen_says_that_the_engine_starts(
    watching: Any, live: Start, tmp_path: Path
) -> None:
    engine = EngineProcess(YoungEngine(), tmp_path / "live.wnt.log")  # type: ignore[arg-type]
    async with watching(tmp_path / "live.wnt", engine=engine) as w:
        await w.until(lambda: w.app.dashboard is not None and "starting engine" in w.line("#header"))
        await w.press("space")
        assert "still starting" in w.line("#footer")
        live(rows=3)
        await w.until(lambda: "live paused" in w.line("#header"))


async def test_a_missing_session_ends_the_app_with_a_sentence(watching: Any, tmp_path: Path) -> None:
    async with watching(tmp_path / "none.wnt", engine=None) as w:
        await w.until(lambda: w.app.return_value is not None)
    assert w.app.return_value.code == 1
    assert "none.wnt" in w.app.return_value.sentence
