"""The command line as a real process, with and without a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.screen import Screen

ROOT = Path(__file__).parents[2]
SYNTHETIC = ROOT / "tests" / "synthetic_engine.py"
COMMAND = [sys.executable, "-P", "-m", "wnt_tui"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Nothing of the user's is read or written."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WNT_", "XDG_"))}
    for name in ("NO_COLOR", "LINES"):
        kept.pop(name, None)
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "TERM": "xterm-256color",
        "COLUMNS": "100",
    }


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def wnt(environment: dict[str, str], tmp_path: Path) -> Run:
    """``wnt("ls", "--json", WNT_SESSIONS=…)`` in an empty folder, without a terminal."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments],
            env={**environment, **variables},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@cache
def _written() -> bytes:
    """The bytes of a finished session of 6 rows, written once."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; import synthetic_engine as p;"
        "from engine.config import RunConfig; p.write_session(Path(sys.argv[2]), RunConfig(depth=3, steps=5), 6)"
    )
    with tempfile.TemporaryDirectory(prefix="wnt-session-") as folder:
        path = Path(folder) / "done.wnt"
        variables = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": folder}
        subprocess.run([sys.executable, "-c", program, str(SYNTHETIC.parent), str(path)], env=variables, check=True)
        return path.read_bytes()


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """A finished session of 6 rows."""
    path = tmp_path / "done.wnt"
    path.write_bytes(_written())
    path.chmod(0o600)
    return path


@pytest.fixture
def live(environment: dict[str, str], tmp_path: Path) -> Iterator[Path]:
    """The session of a synthetic engine that lives, paused at step 3."""
    path = tmp_path / "live.wnt"
    process = subprocess.Popen(
        [sys.executable, str(SYNTHETIC), str(path), "--rows", "4"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield path
    process.kill()
    process.wait()


def set_size(terminal: int, columns: int, rows: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


@dataclass
class Terminal:
    """A program in a terminal of its own; read what it draws, or hang up."""

    process: subprocess.Popen[bytes]
    master: int
    screen: Screen
    output: str = ""

    def until(self, condition: Callable[[str], object], patience: float = 90.0) -> str:
        """Read until what is shown satisfies a condition; a picture's bytes are only those of cells that change."""
        deadline = time.monotonic() + patience
        while not condition(shown := self.screen.text()):
            assert time.monotonic() < deadline, shown
            self.read_on(0.1)
        return shown

    def ends(self, patience: float = 90.0) -> int:
        """Read on until the program has ended; its exit code."""
        deadline = time.monotonic() + patience
        while self.process.poll() is None:
            assert time.monotonic() < deadline, "still running"
            self.read_on(0.05)
        self.read_on(0.05)
        return self.process.returncode

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        set_size(self.master, columns, rows)
        self.screen.resize(columns, rows)
        self.process.send_signal(signal.SIGWINCH)

    def hang_up(self) -> None:
        os.close(self.master)
        self.master = -1

    def read_on(self, seconds: float = 0.05) -> None:
        """Read what is there, waiting so long for the first of it."""
        if self.master < 0:
            time.sleep(seconds)
            return
        while select.select([self.master], [], [], seconds)[0]:
            try:
                read = os.read(self.master, 65536)
            except OSError:
                return
            if not read:
                return
            self.output += read.decode(errors="replace")
            # As terminals do: where the cursor stands.
            for row, column, _ in self.screen.read(read):
                os.write(self.master, f"\x1b[{row};{column}R".encode())
            seconds = 0


OpenTerminal = Callable[..., Terminal]


@pytest.fixture
def terminal(environment: dict[str, str], tmp_path: Path) -> Iterator[OpenTerminal]:
    """``terminal("replay", path, size=(80, 24))``: the command in a pseudo-terminal of that size."""
    opened: list[Terminal] = []

    def start(
        *arguments: str | Path,
        size: tuple[int, int] = (80, 24),
        ignore_hup: bool = False,
        before: str = "",
        **more: str,
    ) -> Terminal:
        master, slave = pty.openpty()
        set_size(master, *size)
        variables = {name: value for name, value in environment.items() if name != "COLUMNS"} | more
        command = [*COMMAND, *map(str, arguments)]
        if before:
            program = f"{before}\nfrom wnt_tui.__main__ import main\nmain()"
            command = [sys.executable, "-P", "-c", program, *map(str, arguments)]
        if ignore_hup:
            command = ["sh", "-c", "trap '' HUP; exec \"$@\"", "sh", *command]
        process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=variables, cwd=tmp_path, start_new_session=True
        )
        os.close(slave)
        opened.append(Terminal(process, master, Screen(*size)))
        return opened[-1]

    yield start
    for one in opened:
        one.process.kill()
        one.process.wait()
        if one.master >= 0:
            os.close(one.master)
