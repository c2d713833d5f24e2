"""Two real viewers of one real engine, each in its own terminal: what one does both see, and what a dying one asked
for is done once."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.session.commands import send
from engine.session.liveness import engine_alive
from engine.session.reader import SessionReader

OpenTerminal = Callable[..., Any]
SMALL = ("--width", "16", "--depth", "3", "--examples", "12", "--data", "gaussian", "--measure", "core")


def until(condition: Callable[[], object], patience: float = 60.0) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.fixture
def path(tmp_path: Path) -> Any:
    session = tmp_path / "run.wnt"
    yield session
    if engine_alive(session):
        send(session, "stop")
        until(lambda: not engine_alive(session))


def state(path: Path) -> tuple[str, int]:
    with SessionReader(path) as reader:
        return reader.engine().state, reader.last_step()


def commands(path: Path, name: str) -> list[Any]:
    with SessionReader(path) as reader:
        return [sent for sent in reader.commands() if sent.name == name]


def rings(output: str) -> int:
    """How often the bell rang; the same character also ends what is said to a terminal about its window."""
    return re.sub(r"\x1b\][^\a\x1b]*(\a|\x1b\\)", "", output).count("\a")


def test_two_viewers_share_an_engine_and_a_killed_one_leaves_its_command_done_once(
    terminal: OpenTerminal, path: Path
) -> None:
    first = terminal(*SMALL, "--steps", "1000000", "--session", path, size=(160, 48))
    until(lambda: path.exists() and state(path)[0] == "running")
    other = terminal("attach", path, size=(80, 24))
    for viewer in (first, other):
        viewer.until(lambda text: "live running" in text)

    # What one asks for both see.
    first.press(" ")
    for viewer in (first, other):
        viewer.until(lambda text: "paused" in text)
    paused, step = state(path)
    assert paused == "paused"
    (pause,) = commands(path, "pause")
    assert (pause.state, pause.step) == ("done", step)

    # A viewer that is killed as soon as its command is in the file.
    first.press("N")
    first.until(lambda text: "train how many steps" in text)
    first.press("3\r")
    until(lambda: commands(path, "step"))
    first.process.kill()
    until(lambda: state(path) == ("paused", step + 3))
    time.sleep(0.3)
    assert state(path) == ("paused", step + 3)
    (steps,) = commands(path, "step")
    assert (steps.state, steps.step) == ("done", step)

    # The other one goes on, sets a breakpoint and hears it.
    assert rings(other.output) == 0
    other.press("B")
    other.until(lambda text: "enter sets" in text)
    other.press(f"step >= {step + 6}\r")
    until(lambda: commands(path, "break"))
    other.press(" ")
    other.until(lambda text: "breakpoint at step" in text)
    until(lambda: state(path) == ("paused", step + 6))
    assert rings(other.output) == 1
    other.press("Q")
    assert other.ends() == 0
    until(lambda: not engine_alive(path))
    with SessionReader(path) as reader:
        assert {sent.state for sent in reader.commands()} == {"done"}
        assert reader.steps()[0].size == step + 7
