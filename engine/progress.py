"""What a headless run says while it runs, and its summary when it is done."""

from __future__ import annotations

import contextlib
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from engine.paths import shell_path, shown_path
from engine.record import Event, StepRecord
from engine.session.reader import SessionReader

if TYPE_CHECKING:
    from engine.worker import Outcome

_EVERY_SECONDS = 5.0


class Silent:
    """Says nothing: viewers read the session."""

    def row(self, record: StepRecord, limit: int) -> None:
        """Take a row.

        Args:
            record: The row.
            limit: The step that the run goes to.
        """

    def close(self) -> None:
        """Nothing to close."""


class Lines:
    """Progress on a stream: a line rewritten in place on a terminal, else a line every few seconds.

    A stream that has gone (a closed terminal) is not the run's concern: it trains on without a word.

    Args:
        stream: Usually standard error.
        session: Named before the first row.
    """

    def __init__(self, stream: TextIO, session: Path) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._began = time.monotonic()
        self._last = -math.inf
        self._first_step: int | None = None
        self._session = session

    def row(self, record: StepRecord, limit: int) -> None:
        """Tell of a row.

        Args:
            record: The row.
            limit: The step that the run goes to.
        """
        now = time.monotonic()
        final = record.step >= limit
        if self._first_step is None:
            self._first_step, self._began = record.step, now
            self._write(f"recording {shown_path(self._session)}\n")
        for event in record.events:
            if event.kind == "break":
                self._break(event, last=final)
        if now - self._last < (0.1 if self._terminal else _EVERY_SECONDS) and not final:
            return
        self._last = now
        done = record.step - self._first_step
        rate = done / (now - self._began) if done else 0.0
        left = f" · {(limit - record.step) / rate:.0f} s left" if rate and not final else ""
        loss, accuracy = record.values.get("loss", math.nan), record.values.get("accuracy", math.nan)
        text = f"step {record.step}/{limit} · loss {loss:.6g} · accuracy {accuracy:.1%} · {rate:.1f}/s{left}"
        self._write(f"\r\x1b[2K{text}" if self._terminal else f"{text}\n")

    def _break(self, event: Event, *, last: bool) -> None:
        bell, clear = ("\a", "\r\x1b[2K") if self._terminal else ("", "")
        then = (
            f" Waiting: `wnt-tui resume {shell_path(self._session)}` goes on."
            if self._waits_at_hits() and not last
            else ""
        )
        self._write(f"{bell}{clear}breakpoint at step {event.step}: {event.message}{then}\n")

    def _waits_at_hits(self) -> bool:
        with SessionReader(self._session) as reader:
            return reader.config().on_break == "pause"

    def close(self) -> None:
        """End the line."""
        if self._terminal:
            self._write("\n")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()


class Way:
    """How far re-execution has come, on a terminal; elsewhere nothing is said.

    Args:
        stream: Usually standard error.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._told = -math.inf

    def at(self, step: int, goal: int) -> None:
        """Tell of a step.

        Args:
            step: The step.
            goal: The step that is gone to.
        """
        now = time.monotonic()
        if self._terminal and (now - self._told > 0.1 or step >= goal):
            self._told = now
            self._write(f"\r\x1b[2Kexecuting again: step {step}/{goal}")

    def close(self) -> None:
        """Take the line away."""
        if self._terminal:
            self._write("\r\x1b[2K")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()


def summary(outcome: Outcome, session: Path) -> dict[str, Any]:
    """The JSON summary of a run: how it ended and the last row's main numbers.

    Args:
        outcome: How it ended.
        session: Its file.

    Returns:
        JSON-compatible; a number that was not computed or is not finite is null.
    """
    last = outcome.last
    values = last.values if last is not None else {}
    names = ("loss", "accuracy", "test_loss", "test_accuracy", "grad_norm", "pl", "smoothness_hessian")
    conditioning = last.layers.get("log10_cond") if last is not None else None
    return {
        "session": shown_path(session),
        "state": outcome.state,
        "message": outcome.message,
        "step": outcome.step,
        "rows": outcome.rows,
        **{name: _finite(values.get(name, math.nan)) for name in names},
        "log10_cond": None if conditioning is None else [_finite(float(v)) for v in conditioning[:-1]],
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
