"""What happens with no terminal, a small one, and one that goes away."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.session.liveness import engine_alive
from tests.cli.conftest import SYNTHETIC

Run = Callable[..., subprocess.CompletedProcess[str]]
OpenTerminal = Callable[..., Any]


def drawn(text: str) -> bool:
    return "ended" in text and "loss" in text


@pytest.mark.parametrize(
    ("arguments", "instead"), [([], "wnt-tui run"), (["replay", "done.wnt"], "export"), (["attach", "done"], "status")]
)
def test_without_a_terminal_it_says_so_and_what_works_instead(
    wnt: Run, session: Path, arguments: list[str], instead: str
) -> None:
    done = wnt(*arguments)
    assert done.returncode == 2
    assert "terminal" in done.stderr
    assert instead in done.stderr
    assert done.stdout == ""
    assert list(session.parent.glob("**/*.log")) == [], "no engine was started"


def test_a_terminal_that_is_too_small_is_refused_with_a_sentence(terminal: OpenTerminal, session: Path) -> None:
    opened = terminal("replay", session, size=(20, 5))
    assert opened.ends() == 1
    assert "20×5" in opened.output
    assert "40×10" in opened.output
    assert "\x1b[?1049h" not in opened.output, "the screen was not even taken"


def test_a_replay_is_drawn_and_q_gives_the_terminal_back(terminal: OpenTerminal, session: Path) -> None:
    opened = terminal("replay", session)
    opened.until(drawn)
    opened.press("q")
    assert opened.ends() == 0
    assert opened.output.rstrip().endswith("wnt-tui replay done.wnt")
    assert "\x1b[?1049l" in opened.output


def test_the_picture_is_as_large_as_the_terminal_whatever_columns_and_lines_say(
    terminal: OpenTerminal, session: Path
) -> None:
    opened = terminal("replay", session, size=(160, 48), COLUMNS="100", LINES="24")
    for columns, rows in ((160, 48), (100, 30)):
        opened.resize(columns, rows)
        # The keys are in the last row, a panel's border in the last column.
        opened.until(lambda text: "leave" in text.split("\n")[-1] and "╮\n" in text)


def test_a_file_that_is_no_session_never_takes_the_screen(terminal: OpenTerminal, tmp_path: Path) -> None:
    (tmp_path / "other.wnt").write_text("hello")
    opened = terminal("replay", tmp_path / "other.wnt")
    assert opened.ends() == 1
    assert "\x1b[?1049h" not in opened.output


@pytest.mark.parametrize("ignore_hup", [False, True])
def test_a_viewer_ends_when_its_terminal_goes_away(terminal: OpenTerminal, live: Path, ignore_hup: bool) -> None:
    opened = terminal("attach", live, ignore_hup=ignore_hup)
    opened.until(lambda text: "paused" in text)
    opened.hang_up()
    opened.ends(patience=15)
    assert engine_alive(live), "the engine does not mind"


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_viewer_that_is_asked_to_end_does(terminal: OpenTerminal, session: Path, number: int) -> None:
    opened = terminal("replay", session)
    opened.until(drawn)
    os.kill(opened.process.pid, number)
    assert opened.ends(patience=15) == 128 + number


def test_a_viewer_ends_though_its_terminal_takes_no_more_output(terminal: OpenTerminal, session: Path) -> None:
    opened = terminal("replay", session, size=(200, 60))
    opened.until(drawn)
    for key in ["\x1b[H", "\x1b[F"] * 40:
        os.write(opened.master, key.encode())
    os.kill(opened.process.pid, signal.SIGTERM)
    # Nobody reads: `ends` would, so wait for the process only.
    assert opened.process.wait(15) == 128 + signal.SIGTERM


def test_attach_without_an_engine_says_how_to_start_one(terminal: OpenTerminal) -> None:
    opened = terminal("attach")
    assert opened.ends() == 1
    assert "No engine is running" in opened.output


def test_attach_lets_choose_where_several_runs_live(
    terminal: OpenTerminal, live: Path, environment: dict[str, str]
) -> None:
    newer = live.with_name("newer.wnt")
    program = [sys.executable, str(SYNTHETIC), str(newer), "--rows", "6"]
    with subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            for path in (live, newer):
                listed_as_living(path, environment)
            opened = terminal("attach", size=(100, 30))
            opened.until(lambda text: "enter opens" in text and "step 3/80" in text and "step 5/80" in text)
            opened.press("\x1b[B\r")
            # The timeline's words: the list names the step of either run, and the dashboard below it follows the newer.
            opened.until(lambda text: re.search(r"step 3\b[^/]{0,20}following", text))
            opened.press("q")
            assert opened.ends() == 0
            assert "wnt-tui attach live.wnt" in opened.output
        finally:
            process.kill()


def listed_as_living(session: Path, environment: dict[str, str]) -> None:
    """What a real engine does when it starts."""
    program = "import sys; from engine.session.live_sessions import register; register(sys.argv[1])"
    subprocess.run([sys.executable, "-c", program, str(session)], env=environment, check=True)


def colours(text: str) -> set[str]:
    """Kinds of colour in the escape sequences of an output."""
    kinds = set()
    for sequence in re.findall(r"\x1b\[([0-9;]*)m", text):
        codes = [int(code or 0) for code in sequence.split(";")]
        while codes:
            code = codes.pop(0)
            if code in (38, 48):
                kinds.add("truecolor" if codes[0] == 2 else "256")
                del codes[: 4 if codes[0] == 2 else 2]
            elif code % 10 < 8 and code // 10 in (3, 4, 9, 10):
                kinds.add("16")
    return kinds


@pytest.mark.parametrize("arguments", [["--help"], ["explain"], ["replay", "nope"]])
def test_no_color_holds_for_what_is_printed_too(terminal: OpenTerminal, arguments: list[str]) -> None:
    plain = terminal(*arguments, NO_COLOR="1")
    plain.ends()
    assert colours(plain.output) == set()
    coloured = terminal(*arguments)
    coloured.ends()
    assert colours(coloured.output) == {"16"}


@pytest.mark.parametrize(
    ("variables", "allowed"),
    [
        ({"COLORTERM": "truecolor"}, {"truecolor", "256", "16"}),
        ({"COLORTERM": "", "TERM": "xterm-256color"}, {"256", "16"}),
        ({"COLORTERM": "", "TERM": "xterm"}, {"16"}),
        ({"COLORTERM": "truecolor", "NO_COLOR": "1"}, set()),
    ],
    ids=["truecolor", "256", "16", "NO_COLOR"],
)
def test_a_terminal_gets_no_more_colours_than_it_has(
    terminal: OpenTerminal, session: Path, variables: dict[str, str], allowed: set[str]
) -> None:
    opened = terminal("replay", session, size=(160, 48), **variables)
    opened.until(drawn)
    opened.press("?")
    opened.until(lambda text: "move the cursor" in text)
    opened.press("?g")
    opened.until(lambda text: "go to step" in text)
    assert colours(opened.output) <= allowed
    assert not allowed or colours(opened.output), "and colour where it can"
