"""A run's end asked for by a signal: in order where that is possible, within seconds whatever the run is doing.

Python runs signal handlers between two instructions of the main thread, which may be inside a product of matrices, or
wait for a disk, for minutes. So the handlers do nothing; a thread learns of signals through the wakeup descriptor.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Generator
from types import FrameType
from typing import TYPE_CHECKING

from engine import signals
from engine.paths import shown_path
from engine.requests import Resume

if TYPE_CHECKING:
    from engine.requests import Training
    from engine.runner.progress import Report
    from engine.runner.run_state import RunState
    from engine.session.liveness import EngineLock

_PATIENCE = 3.0
"""Seconds in which the step at hand may be finished and saved."""

_PATIENCE_PREPARING = 1.0
"""Seconds in which a run that has not begun may be given up in order."""

_FINAL_SECONDS = 0.4
"""Seconds in which what is queued is written and reported, after that."""

_ONE_PRESS = 0.3
"""Seconds within which a second SIGINT is the same key press, passed on by a wrapper."""


class SignalWatch:
    """The signals to a run, while it is :meth:`active`, with the report and the lock that an end needs.

    Args:
        request: The run. Where it is live viewers come and go: neither Ctrl+C nor a hangup concerns it.
        report: Gets what is not in the session.
        lock: The session's, given back if the process has to be ended.
    """

    def __init__(self, request: Training, report: Report, lock: EngineLock) -> None:
        self.report, self.lock = report, lock
        self.live = request.live
        self._request = request
        self._state: RunState | None = None
        self._checkpoint_wanted = False
        self._mutex = threading.Lock()
        self._ended = threading.Event()
        self._ending_now = False
        self._asked_at = 0.0
        self.number: int | None = None
        """The signal that asked for the end, or None."""

    @contextlib.contextmanager
    def active(self) -> Generator[None]:
        """Take signals over, in the main thread."""
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        before = {number: signal.getsignal(number) for number in (*signals.ENDING, signals.CHECKPOINT)}
        for number, handler in before.items():
            if self.live and number in {signal.SIGINT, signal.SIGHUP}:
                signal.signal(number, signal.SIG_IGN)
            # Ignored by nohup, it stays so; SIGINT is also ignored by what a script runs in the background, but who
            # sends it to this very process means it.
            elif handler is not signal.SIG_IGN or number == signal.SIGINT:
                signal.signal(number, _leave_it_to_the_thread)
        threading.Thread(target=self._read, args=(reading,), name="signals", daemon=True).start()
        signals.release_checkpoint()
        try:
            yield
        finally:
            self.over()
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                if number != signals.CHECKPOINT or handler is not signal.SIG_DFL:  # asked for too late, it ends nothing
                    signal.signal(number, handler)
            os.close(writing)  # ends the thread, which closes the other end

    def running(self, state: RunState) -> None:
        """Take note that a run has begun: from now on it is stopped in order."""
        self._state = state
        if self.number is not None:
            state.stop_reason = self._reason()
        state.checkpoint_wanted = self._checkpoint_wanted

    def over(self) -> None:
        """Take note that the run has come to its end: from now on no signal ends the process in another way.

        Does not return where a signal is ending the process already: an error that comes of that is not how it ended.
        """
        with self._mutex:
            self._ended.set()
        if self._ending_now:
            threading.Event().wait()

    def check(self) -> None:
        """Raise Interrupted if a signal has asked for the end of a run that is being prepared."""
        if self.number is not None:
            self.report.say(not_begun(self.number, self._request))
            raise signals.Interrupted(self.number)

    def _read(self, pipe: int) -> None:
        while received := os.read(pipe, 64):
            for number in received:
                self._on(number)
        os.close(pipe)

    def _on(self, number: int) -> None:
        if number == signals.CHECKPOINT:
            self._checkpoint_wanted = True
            if self._state is not None:
                self._state.checkpoint_wanted = True
        elif self.number is None:
            self.number, self._asked_at = number, time.monotonic()
            if self._state is not None:
                self._state.stop_reason = self._reason()
            threading.Thread(target=self._enforce, name="enforce", daemon=True).start()
        elif number == signal.SIGINT and time.monotonic() - self._asked_at > _ONE_PRESS:
            self._end_now()

    def _reason(self) -> str:
        assert self.number is not None
        return f"Stopped by {signal.Signals(self.number).name}."

    def _enforce(self) -> None:
        """End the process where it does not end in order in time."""
        if self._ended.wait(_PATIENCE_PREPARING):
            return
        if self._state is not None:
            self._ended.wait(_PATIENCE - _PATIENCE_PREPARING)
        self._end_now()

    def _end_now(self) -> None:
        """End the process, unless the run has come to its end."""
        assert self.number is not None
        with self._mutex:
            if self._ended.is_set():
                return
            self._ending_now = True
        try:
            # On a thread: a disk that hangs, or a terminal that takes nothing, must not keep it from ending.
            last = threading.Thread(target=self._say_what_is_saved, name="end now", daemon=True)
            last.start()
            last.join(3 * _FINAL_SECONDS)
        finally:
            os._exit(signals.exit_code(self.number))

    def _say_what_is_saved(self) -> None:
        from engine.session.live_sessions import unregister

        assert self.number is not None
        if self._state is None:
            self.report.say(not_begun(self.number, self._request))
        else:
            writer = self._state.writer
            trouble, put, reason = writer.trouble or "", writer.last_step, self._reason()
            saved = writer.abandon(f"{reason} It was in the midst of a step.", _FINAL_SECONDS)
            kept = f"Rows up to step {saved} are saved in {shown_path(writer.path)}"
            gone = f"; those of steps {saved + 1} to {put} are lost. {trouble}" if put > saved else "."
            self.report.say(f"{reason} {kept if saved >= 0 else 'No row is saved'}{gone}")
            unregister(writer.path)
        with contextlib.suppress(OSError):
            self.lock.release()


def not_begun(number: int, request: Training) -> str:
    """The sentence about a run that a signal has ended before it began."""
    rest = f"{shown_path(request.session)} is as it was" if isinstance(request, Resume) else "nothing is recorded"
    return f"Stopped by {signal.Signals(number).name} before it began; {rest}."


def _leave_it_to_the_thread(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: that there is a handler has the signal written to the wakeup descriptor."""
