"""One session on the screen, at 80×24 first and at 160×48."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from engine.config import RunConfig
from wnt_tui.panels import ALL_PANELS

SIZES = [(80, 24), (160, 48)]


def shown_panels(w: Any) -> list[str]:
    return [widget.panel.key for widget in w.dashboard.grid.panels if widget.display]


@pytest.mark.parametrize("size", SIZES)
async def test_header_timeline_and_footer_say_where_one_is(watching: Any, ended: Path, size: tuple[int, int]) -> None:
    async with watching(ended, size=size) as w:
        assert "relu" in w.line("#header")
        assert "ended  finished" in w.line("#header")
        assert "step 80/80" in w.line("#header")
        assert w.line("#timeline").endswith("step 80  zoom 1×  at the end")
        assert "? help" in w.line("#footer")
        assert "q leave" in w.line("#footer")


@pytest.mark.parametrize("size", [(40, 10), (60, 12), *SIZES, (200, 60)])
@pytest.mark.parametrize("name", ["ended", "died", "empty"])
async def test_at_every_size_every_line_fits(
    watching: Any, request: pytest.FixtureRequest, name: str, size: tuple[int, int]
) -> None:
    async with watching(request.getfixturevalue(name), size=size) as w:
        for selector in ("#header", "#timeline", "#footer", "#tabs", "#numbers"):
            assert len(w.line(selector)) <= size[0] - 2, selector
        lines = w.screen_text().splitlines()
        assert len(lines) == size[1]
        assert max(map(len, lines)) <= size[0]


async def test_a_large_screen_shows_nine_panels_and_a_small_one_a_single(watching: Any, ended: Path) -> None:
    async with watching(ended, size=(160, 48)) as w:
        assert shown_panels(w) == [panel.key for panel in ALL_PANELS]
    async with watching(ended, size=(80, 24)) as w:
        assert shown_panels(w) == ["1"]
        assert "1 loss" in w.line("#tabs")
        assert "log₁₀κ(G)" in w.line("#numbers")


@pytest.mark.parametrize("size", SIZES)
async def test_digits_and_tab_select_panels(watching: Any, ended: Path, size: tuple[int, int]) -> None:
    async with watching(ended, size=size) as w:
        for key, number in (("4", 4), ("tab", 5), ("shift+tab", 4), ("9", 9), ("tab", 1), ("shift+tab", 9)):
            await w.press(key)
            assert w.dashboard.grid.panels[w.dashboard.grid.selected].panel.key == str(number)
            assert w.app.focused is w.dashboard.grid.panels[number - 1]
            assert str(number) in shown_panels(w)


async def test_enter_maximises_the_selected_panel_and_restores_it(watching: Any, ended: Path) -> None:
    async with watching(ended, size=(160, 48)) as w:
        await w.press("5", "enter")
        assert shown_panels(w) == ["5"]
        assert w.dashboard.grid.panels[4].size.width > 150
        await w.press("escape")
        assert len(shown_panels(w)) == 9


@pytest.mark.parametrize("size", SIZES)
async def test_one_cursor_drives_every_panel(watching: Any, ended: Path, size: tuple[int, int]) -> None:
    async with watching(ended, size=size) as w:
        for keys, step in ((["left"], 79), (["home"], 0), (["left"], 0), (["right", "right"], 2), (["end"], 80)):
            await w.press(*keys)
            assert w.dashboard.cursor.step == step
            assert {widget.view.cursor for widget in w.dashboard.grid.panels} == {step}
            assert f"step {step} " in w.line("#timeline")


async def test_numbers_of_the_small_screen_are_those_at_the_cursor(watching: Any, ended: Path) -> None:
    async with watching(ended, size=(80, 24)) as w:
        await w.press("home")
        await w.until(lambda: "f 0.450" in w.line("#numbers"))
        assert w.dashboard.numbers.source[1] == 0


async def test_a_panel_that_appears_has_its_values_in_its_lower_border(watching: Any, ended: Path) -> None:
    async with watching(ended, size=(80, 24)) as w:
        for key in "2345678":
            await w.press(key)
            panel = w.dashboard.grid.panels[int(key) - 1]
            await w.until(lambda panel=panel: panel.border_subtitle)
            shown = str(panel.border_subtitle).replace("\\[", "[")
            await w.until(lambda shown=shown: shown in w.screen_text(), shown)


async def test_events_are_jumped_to_and_said(watching: Any, ended: Path) -> None:
    async with watching(ended, size=(80, 24)) as w:
        await w.press("left_square_bracket")
        assert w.dashboard.cursor.step == 30
        assert "λ_min fell below its bound" in w.line("#footer")
        await w.press("left_square_bracket")
        assert w.dashboard.cursor.step == 12
        await w.press("left_square_bracket")
        assert w.dashboard.cursor.step == 12
        assert "no earlier event" in w.line("#footer")
        await w.press("right_square_bracket")
        assert w.dashboard.cursor.step == 30


async def test_going_to_a_step_asks_which_and_refuses_what_is_not_there(watching: Any, ended: Path) -> None:
    async with watching(ended, size=(80, 24)) as w:
        await w.press("g", "9", "9", "9", "enter")
        assert w.dashboard.prompt.active
        assert "Recorded are steps 0 to 80" in w.screen_text()
        await w.press("backspace", "backspace", "backspace", "4", "2", "enter")
        assert not w.dashboard.prompt.active
        assert w.dashboard.cursor.step == 42
        assert "? help" in w.line("#footer")


async def test_while_a_question_is_asked_keys_are_text(watching: Any, ended: Path) -> None:
    async with watching(ended, size=(80, 24)) as w:
        await w.press("g", "q", "z", "left_square_bracket", "1", "tab", "up")
        assert w.dashboard.prompt.active
        assert w.dashboard.cursor.step == 80
        await w.press("escape")
        assert not w.dashboard.prompt.active
        assert w.app.focused is w.dashboard.grid.panels[0]


async def test_the_selected_layer_moves_between_input_and_output(watching: Any, ended: Path) -> None:
    async with watching(ended, size=(80, 24)) as w:
        assert w.dashboard.selected_layer == 8
        await w.press("up")
        assert w.dashboard.selected_layer == 8
        await w.press("down", "down")
        assert w.dashboard.selected_layer == 6
        assert {widget.view.layer for widget in w.dashboard.grid.panels} == {6}
        await w.until(lambda: "layer 6:" in w.line("#numbers"))


async def test_zoom_narrows_the_window_of_every_panel_around_the_cursor(watching: Any, ended: Path) -> None:
    async with watching(ended, size=(160, 48)) as w:
        await w.press("g", "4", "0", "enter", "z", "z")
        assert {(widget.view.first, widget.view.last) for widget in w.dashboard.grid.panels} == {(30, 50)}
        assert "zoom 4×" in w.line("#timeline")
        await w.press("Z", "Z", "Z")
        assert {(widget.view.first, widget.view.last) for widget in w.dashboard.grid.panels} == {(0, 80)}


async def test_l_toggles_the_axis_of_the_selected_panel_only(watching: Any, ended: Path) -> None:
    async with watching(ended, size=(160, 48)) as w:
        before = [widget.log_axis for widget in w.dashboard.grid.panels]
        await w.press("6", "l")
        after = [widget.log_axis for widget in w.dashboard.grid.panels]
        assert [place for place, (old, new) in enumerate(zip(before, after, strict=True)) if old != new] == [5]


async def test_a_click_on_the_timeline_goes_to_that_step(watching: Any, ended: Path) -> None:
    async with watching(ended, size=(160, 48)) as w:
        await w.pilot.click("#timeline", offset=(2, 0))
        assert w.dashboard.cursor.step == 0


@pytest.mark.parametrize("size", SIZES)
async def test_help_has_keys_and_panels_and_closes(watching: Any, ended: Path, size: tuple[int, int]) -> None:
    async with watching(ended, size=size) as w:
        await w.press("question_mark")
        assert "move the cursor one step back" in w.screen_text()
        await w.press("pagedown", "down", "escape")
        assert w.app.screen is w.dashboard


async def test_the_engine_that_died_is_said_to_have_died_and_where(watching: Any, died: Path) -> None:
    async with watching(died, size=(80, 24)) as w:
        assert "engine died at step 37" in w.line("#header")
        assert w.dashboard.cursor.window() == (0, 37)


async def test_an_empty_session_says_why_it_is_empty(watching: Any, empty: Path) -> None:
    async with watching(empty, size=(80, 24)) as w:
        assert "no step yet" in w.line("#timeline")
        assert "ended  failed" in w.line("#header")
        assert "CUDA is out of memory." in w.line("#footer")
        await w.press("left", "right", "home", "end", "z", "up", "right_square_bracket", "enter")
        assert w.dashboard.cursor.step == 0


@pytest.mark.parametrize("key", ["space", "N", "L"])
async def test_without_an_engine_its_keys_say_that_this_is_a_replay(watching: Any, ended: Path, key: str) -> None:
    async with watching(ended, size=(80, 24)) as w:
        await w.press(key)
        assert "no engine: this is a replay" in w.line("#footer")
        assert not w.dashboard.prompt.active


async def test_a_terminal_that_gets_too_small_says_so_and_recovers(watching: Any, ended: Path) -> None:
    async with watching(ended, size=(80, 24)) as w:
        await w.pilot.resize_terminal(20, 5)
        await w.until(lambda: "too small" in w.screen_text())
        assert "40×10" in w.screen_text()
        await w.pilot.resize_terminal(160, 48)
        await w.until(lambda: "9 ledger" in w.screen_text())
        assert "too small" not in w.screen_text()


async def test_growing_and_shrinking_changes_between_one_panel_and_nine(watching: Any, ended: Path) -> None:
    async with watching(ended, size=(80, 24)) as w:
        await w.press("3")
        await w.pilot.resize_terminal(160, 48)
        await w.until(lambda: len(shown_panels(w)) == 9)
        await w.pilot.resize_terminal(80, 24)
        await w.until(lambda: shown_panels(w) == ["3"])


async def test_several_sessions_can_be_chosen_from(watching: Any, ended: Path, died: Path) -> None:
    async with watching(ended, died, size=(80, 24)) as w:
        await w.press("s")
        assert "died" in w.screen_text()
        await w.press("down", "enter")
        await w.until(lambda: w.dashboard.path == died and w.dashboard.snapshot is not None)
        await w.until(lambda: "engine died" in w.line("#header"))


async def test_a_session_without_measurements_is_shown_too(
    watching: Any, synthetic: ModuleType, tmp_path: Path
) -> None:
    config = RunConfig(measure="none", depth=2, steps=0, every=5)
    async with watching(synthetic.write_session(tmp_path / "bare.wnt", config, 1), size=(160, 48)) as w:
        assert "step 0/0" in w.line("#header")
        await w.press("left", "right", "z", "1", "enter", "enter")


async def test_control_characters_of_a_stored_text_never_reach_the_screen(
    watching: Any, synthetic: ModuleType, tmp_path: Path
) -> None:
    path = synthetic.write_session(
        tmp_path / "evil.wnt", RunConfig(), 0, state="failed", message="\x1b[2Jgone\x07 [red]x[/red] \u202edoog"
    )
    async with watching(path, size=(80, 24)) as w:
        text = w.screen_text()
        assert "gone" in text
        assert not {"\x1b", "\x07", "\u202e"} & set(text)


@pytest.mark.parametrize(
    "setting", [{"NO_COLOR": "1"}, {"COLORTERM": "", "TERM": "xterm"}, {"COLORTERM": "", "TERM": "xterm-256color"}]
)
async def test_few_colours_or_none_show_the_same_words(
    watching: Any, ended: Path, monkeypatch: pytest.MonkeyPatch, setting: dict[str, str]
) -> None:
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    async with watching(ended, size=(160, 48)) as w:
        assert "ended  finished" in w.line("#header")
        assert "9 ledger" in w.screen_text()


async def test_an_ascii_terminal_gets_ascii_around_the_panels(
    watching: Any, ended: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WNT_ASCII", "1")
    async with watching(ended, size=(80, 24)) as w:
        for selector in ("#header", "#timeline", "#footer", "#tabs", "#numbers"):
            assert w.line(selector).isascii(), w.line(selector)
