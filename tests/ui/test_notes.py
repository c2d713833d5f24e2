"""Marks and breakpoints from the app: what is written, what is said, and when it rings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input, OptionList, Static

from engine.breakpoints import ActiveBreakpoint
from engine.config import RunConfig
from engine.record import Event
from engine.session.reader import SessionReader
from wnt_tui.app import WntApp
from wnt_tui.panels.ledger import breakpoint_words
from wnt_tui.screens.breakpoint_dialog import BreakpointsDialog, MetricNames, described


@pytest.fixture
def rings(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One entry for each time the bell rang."""
    rung: list[None] = []
    monkeypatch.setattr(WntApp, "bell", lambda _self: rung.append(None))
    return rung


def marks(path: Path) -> list[tuple[int, str]]:
    with SessionReader(path) as reader:
        return [(row.event.step, row.event.message) for row in reader.events() if row.event.kind == "mark"]


def kinds(w: Any, step: int) -> list[str]:
    return [event.kind for event in w.dashboard.snapshot.events if event.step == step]


async def test_m_marks_the_cursors_step_of_a_finished_session_and_events_lead_back_to_it(
    watching: Any, ended: Path
) -> None:
    async with watching(ended, size=(160, 48)) as w:
        await w.press("home", "right", "right", "m", *"turn\x1b here", "enter")
        await w.until(lambda: "mark" in kinds(w, 2), "the mark")
        assert marks(ended) == [(2, "turn here")]
        await w.until(lambda: "Step 2 is marked." in w.line("#footer"))
        await w.press("end", "left_square_bracket", "left_square_bracket", "left_square_bracket")
        assert w.dashboard.cursor.step == 2
        assert "turn here" in w.line("#footer")
        await w.press("home")
        assert "▼" in w.line("#timeline")
        await w.press("end")
        assert "turn here" in w.screen_text()


async def test_a_mark_may_do_without_a_note_and_escape_drops_it(watching: Any, ended: Path) -> None:
    async with watching(ended) as w:
        await w.press("m", "escape")
        await w.press("home", "m", "enter")
        await w.until(lambda: marks(ended), "the mark")
        assert marks(ended) == [(0, "")]


async def test_a_mark_in_a_living_session_goes_through_its_engine(watching: Any, live: Callable[..., Any]) -> None:
    engine = live(rows=10)
    async with watching(engine.path) as w:
        await w.press("m", *"here", "enter")
        await w.until(lambda: "Step 9 is marked." in w.line("#footer"))
        assert marks(engine.path) == [(9, "here")]
    with SessionReader(engine.path) as reader:
        assert [(sent.name, sent.state, sent.step) for sent in reader.commands()] == [("mark", "done", 9)]


async def test_a_mark_that_cannot_be_written_is_a_sentence(watching: Any, ended: Path) -> None:
    async with watching(ended) as w:
        ended.rename(ended.with_suffix(".gone"))
        await w.press("m", "enter")
        await w.until(lambda: "✖" in w.line("#footer"))
        assert "There is no session" in w.line("#footer")


async def test_before_the_first_row_there_is_nothing_to_mark(watching: Any, empty: Path) -> None:
    async with watching(empty) as w:
        await w.press("m")
        assert not w.dashboard.prompt.active
        assert "no step yet to mark" in w.line("#footer")


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_a_breakpoint_is_set_hit_once_with_one_ring_and_cleared(
    watching: Any, live: Callable[..., Any], rings: list[None], size: tuple[int, int]
) -> None:
    engine = live(rows=10)
    async with watching(engine.path, size=size) as w:
        await w.press("B")
        assert isinstance(w.app.screen, BreakpointsDialog)
        w.app.screen.query_one(Input).value = "step>=12"
        await w.press("enter")
        await w.until(lambda: "Breakpoint step >= 12: set by viewer, from step 10 on." in w.line("#footer"))
        await w.press("space")
        await w.until(lambda: "break" in kinds(w, 12), "the hit")
        await w.until(lambda: w.dashboard.snapshot.engine.state == "paused")
        assert w.dashboard.snapshot.last_step == 12
        assert rings == [None]
        assert "breakpoint at step 12: step >= 12" in w.line("#footer")
        view = w.dashboard.grid.panels[8].view
        assert view is not None
        assert breakpoint_words(view) == "step >= 12 (step 12)"
        await w.press("right")
        await w.until(lambda: w.dashboard.snapshot.last_step == 13)
        assert rings == [None]
        await w.press("B")
        assert w.app.screen.query_one(OptionList).get_option_at_index(0).prompt == "step >= 12   hit at step 12"
        await w.press("tab", "down", "x")
        await w.until(lambda: "cleared by viewer at step 13" in w.line("#footer"))


async def test_what_is_wrong_with_a_breakpoint_is_pointed_at_and_can_be_mended(
    watching: Any, live: Callable[..., Any]
) -> None:
    engine = live(rows=3)
    async with watching(engine.path) as w:
        for text, column, words in [
            ("pl <> 3", 4, "column 4"),
            ("log10_cond[3]  >  4 for x", 25, "number of rows"),
            ("log10_cond[9]>4", 1, "layers 0 to 8"),
        ]:
            await w.press("B")
            field = w.app.screen.query_one(Input)
            field.value = text
            await w.press("enter")
            assert field.cursor_position == column - 1
            assert words in str(w.app.screen.query_one("#remark", Static).render())
            await w.press("escape")
        await w.press("B", "enter")
        assert w.app.screen is w.dashboard
    with SessionReader(engine.path) as reader:
        assert reader.commands() == ()


async def test_hits_of_before_are_no_news(watching: Any, tmp_path: Path, synthetic: Any, rings: list[None]) -> None:
    path = tmp_path / "a.wnt"
    config = RunConfig(breakpoints=("loss < 9",))
    synthetic.write_session(path, config, 3)
    with synthetic.SessionWriter.open(path) as writer:
        writer.put_event(Event(1, "break", "loss < 9", data={"breakpoint": "loss < 9"}))
    async with watching(path, size=(160, 48)) as w:
        assert rings == []
        assert "loss < 9 (step 1)" in w.screen_text()
        await w.press("B")
        assert not w.app.screen.query(Input)
        await w.press("x", "enter")
        assert isinstance(w.app.screen, BreakpointsDialog)


async def test_names_of_the_catalogue_are_completed() -> None:
    names = MetricNames(case_sensitive=True)
    assert await names.get_suggestion("2*smoothness_h") == "2*smoothness_hessian"
    assert await names.get_suggestion("pl > 3 ") is None
    assert await names.get_suggestion("diverging") is None


def test_of_many_hits_the_last_are_listed() -> None:
    assert described(ActiveBreakpoint("pl < 1", ())) == "pl < 1   not hit"
    assert described(ActiveBreakpoint("pl < 1", tuple(range(9)))) == "pl < 1   hit at step … 3, 4, 5, 6, 7, 8"
