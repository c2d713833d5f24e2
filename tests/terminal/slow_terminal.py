"""A terminal behind a slow link: what a program writes is taken at once, as SSH and TCP take it, and shown later."""

from __future__ import annotations

import fcntl
import math
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.screen import Screen

PIECE = 256

Answers = Callable[[int, int, int], list[str]]
"""From the question's number and the cursor's row and column to what the terminal answers."""


def at_cursor(_number: int, row: int, column: int) -> list[str]:
    return [f"\x1b[{row};{column}R"]


class SlowTerminal:
    """A program in a terminal at the end of a link.

    Args:
        command: The program.
        environment: Its variables.
        folder: Where it runs.
        rate: Bytes a second.
        latency: Seconds there, and as many back.
        size: Columns and rows.
        answers: What it answers to the question for its cursor.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        environment: dict[str, str],
        folder: Path,
        *,
        rate: float = math.inf,
        latency: float = 0.0,
        size: tuple[int, int] = (160, 48),
        answers: Answers = at_cursor,
    ) -> None:
        self.rate, self.latency, self.answers = rate, latency, answers
        self.master, slave = pty.openpty()
        self._set_size(*size)
        self._screen = Screen(*size)
        self.screen = self._screen.cells
        self.process = subprocess.Popen(
            list(map(str, command)),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            cwd=folder,
            start_new_session=True,
        )
        os.close(slave)
        self.output = b""
        self.questions = self.answered = self.most_unanswered = 0
        self.ended: float | None = None
        self._answered_bytes = self._delivered = 0
        self._there: deque[tuple[float, bytes]] = deque()
        self._back: deque[tuple[float, bytes, int]] = deque()
        self._lock = threading.RLock()
        self._closing, self._taken_all = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self.process.kill()
        self.process.wait()
        self._thread.join()
        os.close(self.master)

    # What a user does and sees

    def press(self, keys: str) -> None:
        with self._lock:
            self._back.append((time.monotonic() + self.latency, keys.encode(), 0))

    def resize(self, columns: int, rows: int) -> None:
        with self._lock:
            self._set_size(columns, rows)
            self._screen.resize(columns, rows)
        self.process.send_signal(signal.SIGWINCH)

    def clear(self) -> None:
        """Lose what is shown, as when a shell has had the terminal."""
        with self._lock:
            self.screen.reset()

    def shown(self) -> str:
        with self._lock:
            return self._screen.text()

    def picture(self) -> list[list[tuple[str, str, str, bool, bool, bool]]]:
        """Every cell with its colours."""
        with self._lock:
            return [
                [
                    (cell.data, cell.fg, cell.bg, cell.bold, cell.italics, cell.reverse)
                    for cell in (self.screen.buffer[y][x] for x in range(self.screen.columns))
                ]
                for y in range(self.screen.lines)
            ]

    def until(self, condition: Callable[[str], object], patience: float = 90.0) -> float:
        """Wait until what is shown satisfies a condition; how many seconds that took."""
        began = time.monotonic()
        while not condition(self.shown()):
            assert time.monotonic() - began < patience, self.shown()
            time.sleep(0.01)
        return time.monotonic() - began

    def ends(self, patience: float = 60.0) -> int:
        """Wait until the program has ended and all is shown; its exit code."""
        code = self.process.wait(patience)
        self.ended = time.monotonic()
        assert self._taken_all.wait(patience)
        while self._there:
            time.sleep(0.01)
        return code

    # The link

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _carry(self) -> None:
        free = time.monotonic()
        while not self._closing.is_set():
            if select.select([self.master], [], [], 0.002)[0]:
                self._take()
            with self._lock:
                now = time.monotonic()
                while self._there and max(free, self._there[0][0]) <= now:
                    due, data = self._there.popleft()
                    free = max(free, due) + len(data) / self.rate
                    self._show(data)
                while self._back and self._back[0][0] <= now:
                    _, data, answers = self._back.popleft()
                    if answers:
                        self.answered += 1
                        self._answered_bytes = max(self._answered_bytes, answers)
                    os.write(self.master, data)

    def _take(self) -> None:
        try:
            data = os.read(self.master, 65536)
        except OSError:  # the program has ended
            self._taken_all.set()
            self._closing.wait(0.01)
            return
        with self._lock:
            self.output += data
            due = time.monotonic() + self.latency
            self._there.extend((due, data[start : start + PIECE]) for start in range(0, len(data), PIECE))
            self.most_unanswered = max(self.most_unanswered, len(self.output) - self._answered_bytes)

    def _show(self, data: bytes) -> None:
        self._delivered += len(data)
        for question in self._screen.read(data):
            self.questions += 1
            before = self._delivered - question.after
            for answer in self.answers(self.questions, question.row, question.column):
                self._back.append((time.monotonic() + self.latency, answer.encode(), before))
