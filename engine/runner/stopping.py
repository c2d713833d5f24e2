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
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from engine import signals
from engine.paths import shown_path
from engine.requests import Resume

if TYPE_CHECKING:
    from engine.requests import Training
    from engine.runner.loop import TrainingLoop
    from engine.runner.progress import Report
    from engine.session.liveness import EngineLock
    from engine.session.writer import SessionWriter

_PATIENCE = 3.0
"""Seconds in which the step at hand may be finished and saved."""

_PATIENCE_PREPARING = 1.0
"""Seconds in which a run that has not begun may be given up in order."""

_FINAL_SECONDS = 0.4
"""Seconds in which what is queued is written and told of, after that."""

_ONE_PRESS = 0.3
"""Seconds within which a second SIGINT is the same key press, passed on by a wrapper."""


class Stopping:
    """Watches for signals while it is entered; without that it only knows that nothing was asked for.

    Args:
        report: Gets what is not in the session.
        live: Whether viewers come and go: then neither Ctrl+C nor a hangup concerns the run.
    """

    def __init__(self, report: Report | None = None, *, live: bool = False) -> None:
        self._report = report
        self._live = live
        self._before: dict[signal.Signals, Any] = {}
        self._pipe: tuple[int, int] | None = None
        self._wakeup = -1
        self._lock: EngineLock | None = None
        self._request: Training | None = None
        self._checkpoint_wanted = False
        self._loop: TrainingLoop | None = None
        self._writer: SessionWriter | None = None
        self._mutex = threading.Lock()
        self._ended = threading.Event()
        self._ending_now = False
        self._asked_at = 0.0
        self.number: int | None = None
        """The signal that asked for the end, or None."""

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():
            return self
        self._pipe = os.pipe()
        for descriptor in self._pipe:
            os.set_blocking(descriptor, descriptor == self._pipe[0])
        self._wakeup = signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
        for number in (*signals.ENDING, signals.CHECKPOINT):
            self._before[number] = signal.getsignal(number)
            if self._live and number in {signal.SIGINT, signal.SIGHUP}:
                signal.signal(number, signal.SIG_IGN)
            # Ignored by nohup, it stays so; SIGINT is also ignored by what a script runs in the background, but who
            # sends it to this very process means it.
            elif self._before[number] is not signal.SIG_IGN or number == signal.SIGINT:
                signal.signal(number, _leave_it_to_the_thread)
        threading.Thread(target=self._watch, args=(self._pipe[0],), name="signals", daemon=True).start()
        signals.release_checkpoint()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over()
        if self._pipe is None:
            return
        signal.set_wakeup_fd(self._wakeup)
        for number, handler in self._before.items():
            if number != signals.CHECKPOINT or handler is not signal.SIG_DFL:  # asked for too late, it ends nothing
                signal.signal(number, handler)
        os.close(self._pipe[1])  # ends the thread, which closes the other end

    def preparing(self, lock: EngineLock, request: Training) -> None:
        """Take note of a run that is being prepared; its lock is given back if the process has to be ended."""
        self._lock, self._request = lock, request

    def running(self, loop: TrainingLoop, writer: SessionWriter) -> None:
        """Take note that a run has begun: from now on it is stopped in order."""
        self._loop, self._writer = loop, writer
        if self.number is not None:
            loop.request_stop(self._reason())
        if self._checkpoint_wanted:
            loop.request_checkpoint()

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
            self._say_not_begun()
            raise signals.Interrupted(self.number)

    def _watch(self, pipe: int) -> None:
        while received := os.read(pipe, 64):
            for number in received:
                self._on(number)
        os.close(pipe)

    def _on(self, number: int) -> None:
        if number == signals.CHECKPOINT:
            self._checkpoint_wanted = True
            if self._loop is not None:
                self._loop.request_checkpoint()
        elif self.number is None:
            self.number, self._asked_at = number, time.monotonic()
            if self._loop is not None:
                self._loop.request_stop(self._reason())
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
        if self._writer is not None:
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

    def _say_not_begun(self) -> None:
        if self._report is not None and self._request is not None and self.number is not None:
            self._report.say(not_begun(self.number, self._request))

    def _say_what_is_saved(self) -> None:
        from engine.session.live_sessions import unregister

        if self._writer is not None:
            writer, reason = self._writer, self._reason()
            trouble, put = writer.trouble or "", writer.last_step
            saved = writer.abandon(f"{reason} It was in the midst of a step.", _FINAL_SECONDS)
            kept = (
                f"Rows up to step {saved} are saved in {shown_path(writer.path)}" if saved >= 0 else "No row is saved"
            )
            gone = f"; those of steps {saved + 1} to {put} are lost. {trouble}" if put > saved else "."
            if self._report is not None:
                self._report.say(f"{reason} {kept}{gone}")
            unregister(writer.path)
        else:
            self._say_not_begun()
        if self._lock is not None:
            with contextlib.suppress(OSError):
                self._lock.release()


def not_begun(number: int, request: Training) -> str:
    """The sentence about a run that a signal has ended before it began."""
    rest = f"{shown_path(request.session)} is as it was" if isinstance(request, Resume) else "nothing is recorded"
    return f"Stopped by {signal.Signals(number).name} before it began; {rest}."


def _leave_it_to_the_thread(_number: int, _frame: FrameType | None) -> None:
    """Nothing is done here; that there is a handler has the signal written to the wakeup descriptor."""
