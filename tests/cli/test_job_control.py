"""Ctrl+Z in a real shell, and where there is none."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shlex
import signal
import struct
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import COMMAND
from tests.screen import Screen

OpenTerminal = Callable[..., Any]
PATIENCE = 90.0


class Shell:
    """An interactive bash with a terminal of its own."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], {**environment, "PS1": "$ "})
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.output = ""
        self.screen = Screen(100, 30)

    def type(self, text: str) -> None:
        self.output = ""
        os.write(self.master, text.encode())

    def until(self, pattern: str) -> None:
        """Read until something is written that has not been before the last keys."""
        self._read_until(lambda: re.search(pattern, self.output))

    def until_shown(self, words: str) -> None:
        """Read until words are on the screen: a picture's bytes may come in parts, and are only those that change."""
        self._read_until(lambda: words in self.screen.text())

    def _read_until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, (self.output[-2000:], self.screen.text())
            if select.select([self.master], [], [], 0.1)[0]:
                data = os.read(self.master, 65536)
                self.output += data.decode(errors="replace")
                for _ in self.screen.read(data):
                    pass  # questions for the cursor stay without an answer


@pytest.fixture
def shell(environment: dict[str, str], tmp_path: Path) -> Iterator[Shell]:
    variables = {name: value for name, value in environment.items() if name != "COLUMNS"}
    opened = Shell(variables, tmp_path)
    yield opened
    os.kill(opened.pid, signal.SIGKILL)
    os.close(opened.master)
    os.waitpid(opened.pid, 0)


@pytest.mark.parametrize(
    ("opened", "words"), [("", "1 loss"), ("?", "esc closes"), ("g", "go to step"), (":", "Search")]
)
def test_ctrl_z_gives_the_shell_the_terminal_and_fg_draws_again(
    shell: Shell, session: Path, opened: str, words: str
) -> None:
    shell.type(shlex.join([*COMMAND, "replay", str(session)]) + "\n")
    shell.until_shown("1 loss")
    if opened:
        shell.type(opened)
        shell.until_shown(words)
    shell.type("\x1a")
    shell.until(r"\x1b\[\?1049l[\s\S]*Stopped")
    shell.type("echo six$((1+5)); stty -a\n")
    shell.until(r"six6[\s\S]* icanon[\s\S]* echo ")
    shell.screen.cells.reset()
    shell.type("fg\n")
    shell.until(r"\x1b\[\?1049h")
    shell.until_shown(words)
    if opened:
        return
    shell.type("q")
    shell.until(r"wnt-tui replay done\.wnt")
    shell.type("echo code$?\n")
    shell.until("code0")


def test_without_a_shell_ctrl_z_says_so_and_nothing_stops(terminal: OpenTerminal, session: Path) -> None:
    opened = terminal("replay", session)
    opened.until(lambda text: "ended" in text and "loss" in text)
    opened.press("\x1a")
    opened.until(lambda text: "no shell" in text)
    opened.press("q")
    assert opened.ends() == 0
