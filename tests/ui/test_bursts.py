"""Keys in bursts, as a slow link delivers them: each is for what those before it have opened or closed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from textual import events
from textual.screen import Screen

from engine.config import RunConfig
from engine.errors import SessionError
from tests.ui.conftest import LiveEngine, Watching
from wnt_tui.screens.breakpoint_dialog import BreakpointsDialog
from wnt_tui.screens.dashboard import Dashboard
from wnt_tui.screens.help import HelpScreen
from wnt_tui.screens.session_dialogs import SessionDialog

OPENED_BY: dict[str, type[Screen[Any]]] = {
    "s": SessionDialog,
    "c": SessionDialog,
    "B": BreakpointsDialog,
    "question_mark": HelpScreen,
}
NAMED = {"space": " ", "colon": ":", "question_mark": "?", "enter": "\r", "escape": "\x1b", "tab": "\t"}


async def burst(w: Watching, keys: Sequence[str]) -> None:
    """Keys that arrive together, before the app has answered the first."""
    for key in keys:
        w.app.post_message(events.Key(key, NAMED.get(key, key if len(key) == 1 else None)))
    await w.pilot.pause()


@pytest.fixture(autouse=True)
def no_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A branch may be asked for by chance."""

    def refuse(*_arguments: object, **_options: object) -> None:
        raise SessionError("No engine is started here.")

    monkeypatch.setattr("wnt_tui.process.engine_process.start_engine", refuse)


@pytest.fixture
def others(synthetic: ModuleType, ended: Path) -> list[Path]:
    """Two sessions, 81 and 12 rows."""
    return [ended, synthetic.write_session(ended.with_name("other.wnt"), RunConfig(), 12)]


@pytest.mark.parametrize(
    ("opening", "closing"),
    [("s", "enter"), ("s", "escape"), ("c", "enter"), ("c", "ctrl+c"), ("B", "escape"), ("question_mark", "enter")],
)
async def test_a_dialog_closes_once_however_often_a_key_is_repeated(
    watching: Callable[..., Any], others: list[Path], opening: str, closing: str
) -> None:
    async with watching(*others) as w:
        await w.press(opening)
        await w.until(lambda: isinstance(w.app.screen, OPENED_BY[opening]))
        await burst(w, [closing] * 5)
        await w.until(lambda: w.app.screen is w.dashboard)
        assert w.app.return_code is None, "it is still there"


async def test_digits_in_the_packet_of_the_key_that_asks_are_its_answer(
    watching: Callable[..., Any], ended: Path
) -> None:
    async with watching(ended) as w:
        await burst(w, ["g", "1", "2", "enter", "right"])
        await w.until(lambda: w.dashboard.cursor.step == 13)
        assert not w.dashboard.prompt.active


async def test_keys_after_the_one_that_closes_a_dialog_are_for_the_dashboard(
    watching: Callable[..., Any], ended: Path
) -> None:
    async with watching(ended) as w:
        await burst(w, ["question_mark", "down", "q", "home", "right", "right", "3"])
        await w.until(lambda: w.dashboard.cursor.step == 2 and w.dashboard.grid.selected == 2)
        assert w.app.screen is w.dashboard


async def test_a_session_is_chosen_by_keys_that_arrive_with_the_one_that_opens_the_list(
    watching: Callable[..., Any], others: list[Path]
) -> None:
    async with watching(*others) as w:
        await burst(w, ["s", "down", "enter"])
        await w.until(lambda: w.dashboard.path == others[1])


async def test_a_question_keeps_the_keyboard(watching: Callable[..., Any], ended: Path) -> None:
    async with watching(ended) as w:
        await burst(w, ["g", "tab", "tab", "4", "enter"])
        await w.until(lambda: w.dashboard.cursor.step == 4)


async def test_ctrl_q_leaves_as_q_does(watching: Callable[..., Any], ended: Path) -> None:
    async with watching(ended) as w:
        await w.press("ctrl+q")
    assert w.app.return_value.code == 0
    assert "wnt-tui replay" in w.app.return_value.sentence


OPENERS = [[], ["s"], ["c"], ["B"], ["question_mark"], ["colon"], ["ctrl+p"], ["g"], ["b"], ["m"], ["N"], ["L"]]
REPEATED = ["enter", "escape", "up", "down", "left", "right", "tab", "shift+tab", "home", "end", "pageup", "pagedown",
            "backspace", "delete", "ctrl+c", "ctrl+p", "x", "s", "c", "B", "g", "b", "m", "N", "L", "l", "e", "z", "Z",
            "question_mark", "colon", "f1", "1", "9", "r", "a", "é", "\ud800", "ctrl+a"]  # fmt: skip


async def fuzz(w: Watching, seed: int, rounds: int) -> None:
    """Bursts in every screen and dialog; the app is there after each."""
    rng = random.Random(seed)
    width, height = w.app.size
    for _ in range(rounds):
        sent = list(rng.choice(OPENERS))
        for _ in range(rng.randrange(1, 6)):
            sent += [rng.choice(REPEATED)] * rng.choice((1, 1, 2, 5))
        await burst(w, sent)
        if rng.random() < 0.3:
            w.app.post_message(events.Paste("".join(rng.choices("lr=0. \n\t5é", k=rng.randrange(40)))))
        if rng.random() < 0.5:
            x, y, button = rng.randrange(-2, width + 3), rng.randrange(-2, height + 3), rng.randrange(4)
            for kind in rng.choices((events.MouseDown, events.MouseUp, events.MouseMove, events.MouseScrollUp), k=4):
                w.app.post_message(kind(None, x, y, 0, 0, button, False, False, False))
        await w.pilot.pause()
        assert w.app.return_code is None, (seed, sent)
    await burst(w, ["ctrl+c"] * 3 + ["escape"] * 3)
    await w.until(lambda: isinstance(w.app.screen, Dashboard))


@pytest.mark.parametrize("seed", range(3))
async def test_bursts_of_keys_end_no_replay(watching: Callable[..., Any], others: list[Path], seed: int) -> None:
    async with watching(*others) as w:
        await fuzz(w, seed, 12)


async def test_bursts_of_keys_end_no_live_view(
    watching: Callable[..., Any], live: Callable[..., LiveEngine], others: list[Path]
) -> None:
    async with watching(live(interval=0.01).path, *others, choose=True) as w:
        await fuzz(w, 100, 12)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(200, 212))
@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_many_bursts_of_keys_end_nothing(
    watching: Callable[..., Any], others: list[Path], seed: int, size: tuple[int, int]
) -> None:
    async with watching(*others, size=size) as w:
        await fuzz(w, seed, 60)
