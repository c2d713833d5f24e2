"""The whole thing once: the real engine, started, watched, left, found again and stopped."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.history.verify import verify

Run = Callable[..., subprocess.CompletedProcess[str]]
OpenTerminal = Callable[..., Any]

TINY = ["--width", "12", "--depth", "3", "--examples", "12", "--data", "digits", "--device", "cpu", "--measure", "core"]


@pytest.fixture
def no_engine_left(wnt: Run) -> Iterator[None]:
    """A test that fails leaves its detached engine running otherwise, for an hour."""
    yield
    wnt("stop", "tiny")


@pytest.mark.usefixtures("no_engine_left")
def test_a_run_is_left_found_again_and_stopped(wnt: Run, terminal: OpenTerminal, tmp_path: Path) -> None:
    session = tmp_path / "tiny.wnt"
    opened = terminal(*TINY, "--steps", "100000", "--session", session, size=(120, 36))
    opened.until(lambda text: "starting engine" in text)
    opened.until(lambda text: "running" in text, patience=120)
    # Paused: one that has finished waits only seconds for the next viewer.
    opened.press(" ")
    opened.until(lambda text: "paused" in text)
    opened.press("q")
    assert opened.ends() == 0
    left = json.loads(wnt("status", "tiny", "--json").stdout)
    assert left["alive"]
    assert f"tiny waits at step {left['step']}" in opened.output
    assert "wnt-tui attach tiny.wnt" in opened.output

    again = terminal("attach", size=(80, 24))
    again.until(lambda text: f"step {left['step']}/100000" in text)
    again.press("\x1b[C")
    again.until(lambda text: f"step {left['step'] + 1}" in text)
    again.press("Q")
    assert again.ends() == 0
    assert "wnt-tui replay tiny.wnt" in again.output
    status = json.loads(wnt("status", "tiny", "--json").stdout)
    assert (status["alive"], status["state"], status["step"]) == (False, "stopped", left["step"] + 1)


@pytest.mark.usefixtures("no_engine_left")
def test_a_run_is_taken_back_to_the_cursor_and_branched_from_there(
    wnt: Run, terminal: OpenTerminal, tmp_path: Path
) -> None:
    session = tmp_path / "tiny.wnt"
    opened = terminal(*TINY, "--steps", "6", "--session", session, size=(160, 48))
    opened.until(lambda text: "finished, waiting" in text, patience=120)
    opened.press("g")
    opened.until(lambda text: "go to step" in text)
    opened.press("3\r")
    opened.until(lambda text: "3 steps behind" in text)
    opened.press("r")
    opened.until(lambda text: "live paused at step 3" in text)
    opened.press("b")
    opened.until(lambda text: "branch from step 3 with" in text)
    opened.press("lr=0.5 steps=5\r")
    opened.until(lambda text: "from tiny at 3" in text and "step 5/5" in text, patience=120)
    opened.press("Q")
    assert opened.ends() == 0
    listed = json.loads(wnt("ls", ".", "--json").stdout)
    assert [(one["branch"], one["step"]) for one in listed if one["branch"]] == [("from tiny at 3", 5)]
    # The run that was branched from was paused, with nothing to do: it is ended too, and that is said.
    assert "tiny, which waited at step 3, is saved too" in opened.output
    status = json.loads(wnt("status", "tiny", "--json").stdout)
    assert (status["alive"], status["state"], status["step"]) == (False, "stopped", 6)
    for one in listed:
        assert verify(tmp_path / one["session"]).identical


def test_an_engine_that_cannot_start_is_quoted_and_leaves_no_session(terminal: OpenTerminal, tmp_path: Path) -> None:
    # More than there are: only who loads the file knows that.
    images = np.random.default_rng(0).random((8, 4))
    np.savez(tmp_path / "few.npz", x_train=images, y_train=np.arange(8) % 2, x_test=images, y_test=np.arange(8) % 2)
    opened = terminal("--data", "few.npz", "--examples", "5000", "--session", tmp_path / "x.wnt")
    assert opened.ends(patience=120) == 1
    assert "--examples is 5000, but few.npz has 8" in opened.output
    assert "Traceback" not in opened.output
    assert not (tmp_path / "x.wnt").exists()


def test_run_becomes_the_engine_and_ends_with_its_code_and_summary(wnt: Run, tmp_path: Path) -> None:
    done = wnt("run", *TINY, "--steps", "2", "--session", "headless")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == 3
    assert "headless" in done.stderr
    assert json.loads(wnt("ls", ".", "--json").stdout)[0]["state"] == "finished"
