"""Progress of a headless run, on standard error."""

from __future__ import annotations

import contextlib
import math
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TextIO

from engine.paths import shell_path, shown_path
from engine.record import Event, StepRecord
from engine.session.speed import SPEED_ROWS, steps_per_second
from engine.session.text import clock

_EVERY_SECONDS = 5.0
_EVERY_SHARE = 0.01
_AT_LEAST_EVERY_SECONDS = 600.0
"""Outside a terminal progress comes every five seconds, but not before another hundredth of the steps is done, and
every ten minutes in any case: some hundred lines, however long the run."""

_MOST_HELD = 1000
"""Lines that wait for a terminal or pipe that takes nothing; then the oldest are given up."""

_CLOSING_SECONDS = 0.5


class Report:
    """A run's reports; this one writes nothing, since viewers read the session. Events come from any thread."""

    def row(self, record: StepRecord, limit: int) -> None:
        """Take a row, of a run that goes to step ``limit``."""

    def event(self, event: Event) -> None:
        """Take an event that is recorded in the session."""

    def say(self, sentence: str) -> None:
        """Take a sentence about the run as a whole."""

    def close(self) -> None:
        """Write what has not been written yet."""


class Lines(Report):
    """Progress on a stream: a line rewritten in place on a terminal, else a line now and then; and every event.

    A stream that has gone (a closed terminal) is not the run's concern: it trains on without a word. Nor does it wait
    for one that takes nothing (a stopped terminal, a pager): progress is left out, events come once it does.

    Args:
        stream: Usually standard error.
        session: Named before the first row.
    """

    def __init__(self, stream: TextIO, session: Path) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._times: deque[float] = deque(maxlen=SPEED_ROWS)
        self._last = -math.inf
        self._last_step = 0
        self._broke_at = -1
        self._named = False
        self._session = session
        self._mutex = threading.Lock()
        self._held: deque[str] = deque(maxlen=_MOST_HELD)
        self._progress_shown = False

    def row(self, record: StepRecord, limit: int) -> None:
        """Write how far the run is, if it is time."""
        now = time.monotonic()
        final = record.step >= limit
        self._times.append(now)
        self._name_session()
        if not (final or self._due(record.step, limit, now - self._last)):
            return
        self._last, self._last_step = now, record.step
        rate = steps_per_second(self._times)
        speed = "" if math.isnan(rate) else f" · {rate:.1f}/s"
        left = f" · {(limit - record.step) / rate:.0f} s left" if speed and not final else ""
        loss, accuracy = record.values.get("loss", math.nan), record.values.get("accuracy", math.nan)
        text = f"step {record.step}/{limit} · loss {loss:.6g} · accuracy {accuracy:.1%}{speed}{left}"
        self._write(f"\r\x1b[2K{text}" if self._terminal else f"{text}\n", progress=not final)

    def event(self, event: Event) -> None:
        """Write an event, except where another line says it: a run's end, marks and checkpoints asked for."""
        if event.kind in {"finished", "stopped", "mark", "checkpoint"}:
            return
        self._name_session()
        if event.kind == "break":
            self._broke_at = event.step
            self._line(f"breakpoint at step {event.step}: {event.message}", bell=True)
        elif event.kind == "pause" and event.step == self._broke_at:  # the line before has the reason
            self._line(f"Waiting at step {event.step}: `wnt-tui resume {shell_path(self._session)}` goes on.")
        elif event.kind == "blocked":
            saved = event.data.get("saved")
            kept = f"Rows up to step {saved} are saved" if isinstance(saved, int) and saved >= 0 else "No row is saved"
            then = "it goes on by itself when that is over, and Ctrl+C or SIGTERM ends it."
            self._line(f"{clock(time.time(), exact=True)} {event.message} {kept}; {then}")
        else:
            self._line(f"{clock(time.time(), exact=True)} step {event.step}: {event.message}")

    def say(self, sentence: str) -> None:
        """Write a sentence."""
        self._line(sentence)

    def close(self) -> None:
        """End the line; what the stream has not taken yet is given half a second."""
        with self._mutex:
            unfinished = self._terminal and self._progress_shown
        if unfinished:
            self._write("\n")
        deadline = time.monotonic() + _CLOSING_SECONDS
        while self._held and time.monotonic() < deadline:
            time.sleep(0.01)
            self._write("")

    def _name_session(self) -> None:
        if not self._named:
            self._named = True
            self._write(f"recording {shown_path(self._session)}\n")

    def _due(self, step: int, limit: int, seconds: float) -> bool:
        if self._terminal:
            return seconds >= 0.1
        enough = step - self._last_step >= _EVERY_SHARE * limit
        return (seconds >= _EVERY_SECONDS and enough) or seconds >= _AT_LEAST_EVERY_SECONDS

    def _line(self, text: str, *, bell: bool = False) -> None:
        clear = "\r\x1b[2K" if self._terminal else ""
        self._write(f"{clear}{text}\n" + ("\a" if bell and self._terminal else ""))

    def _write(self, text: str, *, progress: bool = False) -> None:
        with self._mutex, contextlib.suppress(OSError, ValueError):
            takes = _takes_text(self._stream)
            if text and (takes or not progress):
                self._held.append(text)
                self._progress_shown = not text.endswith(("\n", "\a"))
            while takes and self._held:
                self._stream.write(self._held.popleft())
                self._stream.flush()
                takes = _takes_text(self._stream)


def _takes_text(stream: TextIO) -> bool:
    """Whether a stream takes a line now, without waiting for somebody to read."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # no file
        return True
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(0))


@contextlib.contextmanager
def reexecution_shown(stream: TextIO) -> Generator[Callable[[int, int], None]]:
    """Progress of re-execution on a terminal, elsewhere nothing; yields what takes a step and the last one."""
    shown = -math.inf
    terminal = stream.isatty()

    def show(step: int, goal: int) -> None:
        nonlocal shown
        if terminal and (time.monotonic() - shown > 0.1 or step >= goal):
            shown = time.monotonic()
            write(f"\r\x1b[2Kreplaying recorded steps: step {step}/{goal}")

    def write(text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            stream.write(text)
            stream.flush()

    try:
        yield show
    finally:
        if terminal:
            write("\r\x1b[2K")
