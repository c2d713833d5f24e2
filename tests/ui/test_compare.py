"""Comparing sessions in the app: how one is chosen, what is drawn, and what happens when one goes away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import OptionList

from engine.config import RunConfig
from wnt_tui.screens.session_dialogs import SessionDialog, candidates, parent_path

SIZES = [(80, 24), (160, 48)]


@pytest.fixture
def slow(synthetic: Any, tmp_path: Path) -> Path:
    """A longer run with another learning rate and depth."""
    return synthetic.write_session(tmp_path / "slow.wnt", RunConfig(lr=0.001, depth=5, steps=100), 101)


async def both(w: Any, count: int = 1) -> None:
    await w.until(lambda: len(w.dashboard.comparison.snapshots) == count, "the other session")
    await w.pilot.pause()


@pytest.mark.parametrize("size", SIZES)
async def test_sessions_that_are_opened_together_are_compared(
    watching: Any, ended: Path, slow: Path, size: tuple[int, int]
) -> None:
    async with watching(ended, slow, size=size) as w:
        await both(w)
        line = w.line("#compared")
        assert "A ● ended" in line
        assert "B ◆ slow" in line
        assert "A train" in w.screen_text()
        assert "B train" in w.screen_text()
        # Axes reach to the end of the longer run, the cursor to that of its own.
        assert w.dashboard.cursor.window() == (0, 100)
        assert w.dashboard.cursor.step == 80
        await w.press("home")
        assert "train A 0.45" in w.dashboard.grid.panels[0].border_subtitle
        await w.press("9")
        assert "lr" in w.screen_text()
        assert ".001" in w.screen_text()


@pytest.mark.parametrize("size", SIZES)
async def test_c_adds_a_session_and_takes_it_out_again(
    watching: Any, ended: Path, slow: Path, size: tuple[int, int]
) -> None:
    async with watching(ended, size=size) as w:
        assert not w.dashboard.query_one("#compared").display
        await w.press("c")
        await w.until(lambda: isinstance(w.app.screen, SessionDialog))
        await w.until(lambda: "step 100/100" in w.app.screen.query_one(OptionList).get_option_at_index(0).prompt)
        await w.press("enter")
        await both(w)
        assert w.dashboard.query_one("#compared").display
        await w.press("c")
        assert w.app.screen.query_one(OptionList).get_option_at_index(0).prompt.startswith("✓ slow")
        await w.press("enter")
        await both(w, 0)
        assert not w.dashboard.query_one("#compared").display
        assert "B train" not in w.screen_text()
        assert w.dashboard.cursor.window() == (0, 80)


async def test_s_shows_the_comparison_from_the_other_session(watching: Any, ended: Path, slow: Path) -> None:
    async with watching(ended, slow, size=(160, 48)) as w:
        await both(w)
        await w.press("s", "down", "enter")
        await w.until(lambda: w.dashboard.path == slow and w.dashboard.snapshot is not None)
        await both(w)
        assert "A ● slow" in w.line("#compared")
        assert "B ◆ ended" in w.line("#compared")
        assert w.dashboard.cursor.step == 100


async def test_a_branch_is_offered_its_parent_first(
    watching: Any, ended: Path, slow: Path, synthetic: Any, tmp_path: Path
) -> None:
    branch = tmp_path / "branch.wnt"
    with synthetic.SessionWriter.create(
        branch, RunConfig(lr=0.5), {"parent": "slow.wnt", "parent_step": "30"}
    ) as writer:
        for step in range(30, 50):
            writer.put(synthetic.record(step, RunConfig()))
        writer.set_engine(state="finished")
    async with watching(branch, size=(160, 48)) as w:
        await w.press("c")
        first = w.app.screen.query_one(OptionList).get_option_at_index(0).prompt
        assert first.strip().startswith("slow")
        assert first.endswith("(parent)")
        await w.press("enter")
        await both(w)
        # The parent's rows begin before the branch's.
        assert w.dashboard.cursor.window() == (0, 100)
        await w.press("home")
        assert w.dashboard.cursor.step == 0
        assert "train A — B 0.45" in w.dashboard.grid.panels[0].border_subtitle


async def test_a_living_session_that_is_compared_is_followed(
    watching: Any, ended: Path, live: Callable[..., Any]
) -> None:
    engine = live(rows=5, state="running", steps=100_000)  # it is killed before it ends
    async with watching(ended, engine.path, size=(160, 48)) as w:
        await both(w)
        before = w.dashboard.comparison.snapshots[0].last_step
        await w.until(lambda: w.dashboard.comparison.snapshots[0].last_step > before, "new rows of the other")
        engine.kill()
        await w.until(lambda: w.dashboard.comparison.snapshots[0].engine.state == "died")


async def test_a_session_that_cannot_be_read_is_not_compared_and_that_is_said(
    watching: Any, ended: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.wnt").write_text("no session")
    async with watching(ended, size=(160, 48)) as w:
        await w.press("c")
        await w.until(
            lambda: "not a wnt-tui session" in w.app.screen.query_one(OptionList).get_option_at_index(0).prompt
        )
        await w.press("enter")
        await w.until(lambda: "not a wnt-tui session" in w.line("#footer"))
        assert w.dashboard.comparison.snapshots == ()
        assert w.dashboard.comparison.paths == ()


async def test_more_sessions_than_letters_are_not_compared_and_that_is_said(
    watching: Any, ended: Path, synthetic: Any, tmp_path: Path
) -> None:
    paths = [synthetic.write_session(tmp_path / f"{number}.wnt", RunConfig(), 3) for number in range(7)]
    async with watching(ended, *paths, size=(160, 48)) as w:
        await both(w, 5)
        assert "6 sessions are compared at most" in w.line("#footer")


async def test_where_there_is_no_other_session_that_is_said(watching: Any, ended: Path) -> None:
    async with watching(ended) as w:
        await w.press("c")
        assert "there is no other session" in w.screen_text()
        await w.press("escape")
        assert w.app.screen is w.dashboard


def test_candidates_are_named_once_and_never_the_session_itself(ended: Path, slow: Path, tmp_path: Path) -> None:
    (tmp_path / "link.wnt").symlink_to(slow)
    found = candidates(ended, {"parent": "slow.wnt"}, [tmp_path / "." / "slow.wnt", ended])
    assert found == [slow]


@pytest.mark.parametrize("named", ["", "nowhere.wnt", "/dev/zero", "\0", "../", "ended"])
def test_a_parent_that_is_no_session_file_is_none(ended: Path, named: str) -> None:
    assert parent_path(ended, {"parent": named}) is None
