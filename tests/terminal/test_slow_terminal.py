"""The app in a real pseudo-terminal at the end of a slow link: what is seen, in which order, and how much is under way.

Times are asserted only where a key's time is the claim, and generously.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import COMMAND, SYNTHETIC, environment, session  # ruff: ignore[unused-import]  # fixtures
from tests.terminal.slow_terminal import Answers, SlowTerminal, at_cursor

SLOW = {"rate": 12_000.0, "latency": 0.1}
KEY_SECONDS = 4.0
"""A key's longest time over 8,000 bytes a second."""

MOST_UNANSWERED = 24 * 1024
"""Bytes under way: two or three seconds of a slow link, and what begins a screen."""

Open = Callable[..., SlowTerminal]


@pytest.fixture
def slow(environment: dict[str, str], tmp_path: Path) -> Iterator[Open]:  # ruff: ignore[redefined-while-unused]
    opened: list[SlowTerminal] = []

    def start(*arguments: str | Path, **link: object) -> SlowTerminal:
        variables = {name: value for name, value in environment.items() if name != "COLUMNS"}
        variables |= {"COLORTERM": "truecolor"}
        opened.append(SlowTerminal([*COMMAND, *arguments], variables, tmp_path, **link))  # type: ignore[arg-type]
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.fixture
def recording(environment: dict[str, str], tmp_path: Path) -> Iterator[Path]:  # ruff: ignore[redefined-while-unused]
    """The session of an engine that records without a break."""
    path = tmp_path / "recording.wnt"
    arguments = ["--rows", "4", "--state", "running", "--config", '{"steps": 1000000}']
    process = subprocess.Popen(
        [sys.executable, str(SYNTHETIC), str(path), *arguments], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield path
    process.kill()
    process.wait()


def header(text: str) -> str:
    return text.split("\n", 1)[0]


def twice(number: int, row: int, column: int) -> list[str]:
    return at_cursor(number, row, column) * 2


def at_home(_number: int, _row: int, _column: int) -> list[str]:
    return ["\x1b[1;1R"]


def every_third_lost(number: int, row: int, column: int) -> list[str]:
    return at_cursor(number, row, column) if number % 3 else []


@pytest.mark.parametrize(
    "answers", [at_cursor, *(pytest.param(odd, marks=pytest.mark.slow) for odd in (twice, at_home, every_third_lost))]
)
def test_keys_are_answered_and_little_is_under_way_while_an_engine_records_without_a_break(
    slow: Open, recording: Path, answers: Answers
) -> None:
    terminal = slow("attach", recording, **SLOW, answers=answers)
    terminal.until(lambda text: "running" in header(text) and "loss" in text)
    for _ in range(2):
        terminal.press(" ")
        assert terminal.until(lambda text: "paused" in header(text)) < KEY_SECONDS
        terminal.press(" ")
        assert terminal.until(lambda text: "running" in header(text)) < KEY_SECONDS
    # An answer that comes twice may stand for a question that is still under way only where all look alike.
    assert terminal.most_unanswered <= MOST_UNANSWERED * (2 if answers is at_home else 1)


def test_a_slow_link_is_named_in_the_header_and_a_quick_one_is_not(slow: Open, recording: Path) -> None:
    terminal = slow("attach", recording, rate=30_000.0, latency=0.4)
    terminal.until(lambda text: re.search(r"link \d\.\d s", header(text)))
    quick = slow("attach", recording)
    quick.until(lambda text: "running" in header(text) and "loss" in text)
    assert "link" not in header(quick.shown())


def test_a_picture_shows_the_newest_state_and_no_backlog_is_worked_off(slow: Open, session: Path) -> None:  # ruff: ignore[redefined-while-unused]
    terminal = slow("replay", session, rate=6_000.0, latency=0.2)
    terminal.until(lambda text: "at the end" in text)
    steps = set()

    def collect(text: str) -> bool:
        steps.update(re.findall(r"step (\d+)\b(?!/)", text))
        return bool(re.search(r"step 0\b.*behind newest", text))

    before = len(terminal.output)
    for _ in range(5):
        terminal.press("\x1b[D\x1b[C" * 8 + "\x1b[D")
    assert terminal.until(collect) < 2 * KEY_SECONDS
    # 85 cursor moves would be some hundred KiB.
    assert len(terminal.output) - before < 2 * MOST_UNANSWERED


def test_in_the_end_a_slow_terminal_shows_cell_by_cell_what_a_quick_one_shows(slow: Open, session: Path) -> None:  # ruff: ignore[redefined-while-unused]
    slowly, quickly = slow("replay", session, rate=60_000.0, latency=0.06), slow("replay", session)
    for terminal in (slowly, quickly):
        terminal.until(lambda text: "at the end" in text)
    # Each waits until the one before is gone: an escape with a key right behind it would be alt and that key.
    for keys, sign, there in (
        ("\x1b[D", "step 4", True),
        ("2\r", "conditioning", True),
        ("?", "help ·", True),
        ("\x1b", "help ·", False),
        (":", "Search", True),
        ("\x1b", "Search", False),
        ("g", "go to step", True),
    ):
        for terminal in (slowly, quickly):
            terminal.press(keys)
            terminal.until(lambda text, sign=sign, there=there: (sign in text) == there)  # type: ignore[misc]
        quickly.until(lambda _: without_link(slowly) == without_link(quickly))


def without_link(terminal: SlowTerminal) -> list[object]:
    """A picture, its first line but for the link's time."""
    first = re.sub(r"link \d+\.\d s", "", header(terminal.shown())).split()
    return [first, terminal.picture()[1:]]


def test_answers_and_their_look_alikes_are_never_taken_for_keys(slow: Open, session: Path) -> None:  # ruff: ignore[redefined-while-unused]
    terminal = slow("replay", session, **SLOW)
    terminal.until(lambda text: "at the end" in text)
    terminal.press("g")
    terminal.until(lambda text: "go to step" in text)
    asked = terminal.questions
    terminal.press("\x1b[2;5R\x1b[1;2R\x1b[48;160R\x1b[1;1R\x1b[2;16R" * 3)
    terminal.press("2")
    terminal.until(lambda text: re.search(r"go to step\W+2\s*\n?", text))
    terminal.press("\r")
    terminal.until(lambda text: re.search(r"step 2\b", text) and "go to step" not in text)
    assert terminal.questions > asked
    terminal.press("?\x1b[2;5R\x1b[1;2R")
    terminal.until(lambda text: "help ·" in text)
    terminal.press("\x1b[1;6R")
    terminal.press("\x1b")
    terminal.until(lambda text: "help ·" not in text)


def test_a_terminal_that_never_answers_shows_the_picture_and_answers_keys(slow: Open, recording: Path) -> None:
    terminal = slow("attach", recording, answers=lambda *_: [])
    terminal.until(lambda text: "running" in header(text) and "events" in text)
    terminal.press(" ")
    assert terminal.until(lambda text: "paused" in header(text)) < KEY_SECONDS
    terminal.press("q")
    assert terminal.ends() == 0


def test_leaving_with_parts_under_way_restores_the_terminal_and_no_answer_reaches_the_shell(
    slow: Open, recording: Path
) -> None:
    terminal = slow("attach", recording, rate=4_000.0, latency=0.2)
    terminal.until(lambda text: "running" in header(text))
    under_way = len(terminal.output)
    terminal.press("q")
    assert terminal.ends() == 0
    assert len(terminal.output) - under_way < MOST_UNANSWERED
    assert terminal.answered == terminal.questions
    restored = terminal.output.rsplit(b"\x1b[?1049l", 1)[1]
    assert b"\x1b[?25h" in restored
    assert b"wnt-tui attach" in restored
    assert b"\x1b[6n" not in restored


def test_after_a_new_size_and_after_a_suspension_all_is_drawn_again(slow: Open, session: Path) -> None:  # ruff: ignore[redefined-while-unused]
    terminal = slow("replay", session, **SLOW)
    terminal.until(lambda text: "at the end" in text and "ledger" in text)
    terminal.resize(100, 30)
    quickly = slow("replay", session, size=(100, 30))
    quickly.until(lambda text: "at the end" in text)
    terminal.until(lambda _: without_link(terminal) == without_link(quickly))
    terminal.process.send_signal(signal.SIGTSTP)
    terminal.until(lambda _: stopped(terminal.process.pid))
    terminal.clear()
    terminal.process.send_signal(signal.SIGCONT)
    terminal.until(lambda _: without_link(terminal) == without_link(quickly))


def stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] == "T"
