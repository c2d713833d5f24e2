"""The engine process: a trainer, its session, and the commands it obeys between steps.

The engine never waits for a viewer. ``run`` is headless: it trains to the end and exits. ``live`` is what the app
starts: it waits, paused, when the steps are done, so that the person watching can go on.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from engine.annotations import ANNOTATING_COMMANDS, Annotations, hits_of
from engine.config import RunConfig
from engine.errors import WntError
from engine.provenance import provenance
from engine.record import Event, StepRecord
from engine.session import Command, EngineLock, SessionWriter, register, unregister, viewer_attached
from engine.trainer import Trainer

POLL_SECONDS = 0.02
"""How often a paused engine looks for commands."""

LONELY_SECONDS = 3600.0
"""How long a paused engine waits for a viewer to come back before it ends in order."""

GRACE_SECONDS = 3.0
"""How long a finished live engine waits for a viewer that may be about to attach."""

Progress = Callable[[StepRecord, int], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        state: ``finished``, ``stopped`` or ``diverged``.
        step: The last row's step.
        message: A sentence for people.
        last: The last row.
    """

    state: str
    step: int
    message: str
    last: StepRecord


class Engine:
    """One run under command.

    Args:
        trainer: What trains.
        writer: The session's writer.
        live: Whether to wait, paused, when the steps are done.
        progress: Called with every row and the step that the run goes to.
    """

    def __init__(self, trainer: Trainer, writer: SessionWriter, *, live: bool, progress: Progress) -> None:
        self._trainer = trainer
        self._writer = writer
        self._live = live
        self._progress = progress
        self._annotations = Annotations(trainer.config, writer)
        self._limit = trainer.config.steps
        self._pause_at: int | None = None
        self._paused = False
        self._stop_reason: str | None = None

    def request_stop(self, reason: str) -> None:
        """Ask for an orderly end after the current step; safe in a signal handler.

        Args:
            reason: A sentence for the session.
        """
        self._stop_reason = reason

    def run(self) -> Outcome:
        """Train under command until the end.

        Returns:
            How it ended. Everything up to there has been handed to the writer.
        """
        trainer, writer = self._trainer, self._writer
        writer.set_engine(state="running", step=0, device=trainer.resolved.label)
        while True:
            record = self._annotations.row(trainer.observe(final=trainer.step >= self._limit))
            writer.put(record)
            writer.set_engine(step=trainer.step)
            self._progress(record, self._limit)
            if trainer.diverged:
                return self._end("diverged", record.events[-1].message, record)
            self._obey()
            self._break(record)
            if self._pause_at == trainer.step and trainer.step < self._limit:
                self._pause("Paused after the steps asked for.")
            if (self._at_limit() or self._paused) and self._stop_reason is None:
                ended = self._wait()
                if ended is not None:
                    return self._end("finished", ended, record)
            if self._stop_reason is not None:
                self._event("stopped", self._stop_reason)
                return self._end("stopped", self._stop_reason, record)
            if record.values.get("lr") != trainer.lr:
                writer.put_lr(trainer.step, trainer.lr)
            trainer.advance()

    def _at_limit(self) -> bool:
        return self._trainer.step >= self._limit

    def _wait(self) -> str | None:
        """Wait for commands while paused or at the last step; a sentence if the run is done instead."""
        if self._at_limit():
            if not self._live:
                return f"Finished {self._limit} steps."
            self._event("finished", f"Finished {self._limit} steps.")
            self._writer.set_engine(state="finished", message=f"Finished {self._limit} steps.")
        lonely_since = time.monotonic()
        while self._stop_reason is None and (self._paused or self._at_limit()):
            time.sleep(POLL_SECONDS)
            self._obey()
            if viewer_attached(self._writer.path):
                lonely_since = time.monotonic()
            lonely = time.monotonic() - lonely_since
            if self._at_limit() and lonely > GRACE_SECONDS:
                return f"Finished {self._limit} steps."
            if lonely > LONELY_SECONDS:
                self._stop_reason = "Paused for an hour with no viewer: ended, everything is saved."
        if self._stop_reason is None:
            self._writer.set_engine(state="running", message="")
        return None

    def _obey(self) -> None:
        for command in self._writer.pending_commands():
            if self._stop_reason is not None:
                return
            answer = _ANSWERS[command.name](self, command)
            self._writer.answer(command.id, "done" if answer[0] else "refused", self._trainer.step, answer[1])

    def _pause(self, sentence: str) -> None:
        self._paused, self._pause_at = True, None
        self._event("pause", sentence)
        self._writer.set_engine(state="paused")

    def _break(self, record: StepRecord) -> None:
        """Pause or stop at a row that hits a breakpoint; at the last step there is nothing left to hold back."""
        hits, wanted = hits_of(record), self._trainer.config.on_break
        if not hits or wanted == "continue" or self._at_limit():
            return
        sentence = " ".join(hit.message for hit in hits)
        if wanted == "stop":
            self._stop_reason = self._stop_reason or f"Stopped at step {record.step} by a breakpoint: {sentence}"
        elif not self._paused:
            self._pause(f"Paused by a breakpoint: {sentence}")

    def _on_pause(self, command: Command) -> tuple[bool, str]:
        if self._paused or self._at_limit():
            return False, f"It is not running: it waits at step {self._trainer.step}."
        self._pause(f"Paused by {command.sender}.")
        return True, f"Paused at step {self._trainer.step}."

    def _on_resume(self, command: Command) -> tuple[bool, str]:
        if not (self._paused or self._at_limit()):
            return False, "It is running already."
        self._go(self._trainer.config.steps or 1)
        self._pause_at = None
        self._event("resume", f"Resumed by {command.sender}.")
        return True, f"Resumed at step {self._trainer.step}, to step {self._limit}."

    def _on_step(self, command: Command) -> tuple[bool, str]:
        if not (self._paused or self._at_limit()):
            return False, "It is running: pause it first."
        count = int(command.arguments["n"] or 1)
        self._go(count)
        self._limit = max(self._limit, self._trainer.step + count)
        self._pause_at = self._trainer.step + count
        return True, f"{count} step{'s' if count != 1 else ''} from step {self._trainer.step}."

    def _go(self, beyond: int) -> None:
        """Leave the pause; at the last step the run is extended."""
        if self._at_limit():
            self._limit = self._trainer.step + beyond
        self._paused = False

    def _on_stop(self, command: Command) -> tuple[bool, str]:
        self._stop_reason = f"Stopped by {command.sender} at step {self._trainer.step}."
        return True, self._stop_reason

    def _on_lr(self, command: Command) -> tuple[bool, str]:
        before, now = self._trainer.lr, float(command.arguments["lr"] or 0.0)
        self._trainer.set_lr(now)
        sentence = f"Learning rate {before:g} → {now:g} from step {self._trainer.step} on."
        event = Event(self._trainer.step, "lr", sentence, data={"before": before, "lr": now})
        self._writer.put_event(event)
        return True, sentence

    def _on_annotation(self, command: Command) -> tuple[bool, str]:
        return self._annotations.obey(command, self._trainer.step)

    def _event(self, kind: str, message: str) -> None:
        self._writer.put_event(Event(self._trainer.step, kind, message))  # type: ignore[arg-type]  # literal kinds

    def _end(self, state: str, message: str, record: StepRecord) -> Outcome:
        if state == "finished" and not self._live:
            self._event("finished", message)
        self._writer.set_engine(state=state, step=record.step, message=message)
        return Outcome(state, record.step, message, record)


_ANSWERS: dict[str, Callable[[Engine, Command], tuple[bool, str]]] = {
    "pause": Engine._on_pause,
    "resume": Engine._on_resume,
    "step": Engine._on_step,
    "stop": Engine._on_stop,
    "lr": Engine._on_lr,
    **dict.fromkeys(ANNOTATING_COMMANDS, Engine._on_annotation),
}


def run_session(config: RunConfig, path: Path, *, live: bool, progress: Progress) -> Outcome:
    """Run a configuration and record it.

    Data, device and network are prepared before the file is made, so that a wrong option leaves nothing behind.

    Args:
        config: What to run.
        path: The session to write; nothing may be there.
        live: See :class:`Engine`.
        progress: See :class:`Engine`.

    Returns:
        How it ended.

    Raises:
        WntError: The run could not start, or failed; the session then says so.
    """
    with EngineLock(path):
        trainer = Trainer(config)
        meta = provenance(trainer)
        with SessionWriter.create(path, config, meta) as writer:
            register(path)
            try:
                engine = Engine(trainer, writer, live=live, progress=progress)
                _install_signals(engine, live=live)
                for notice in (trainer.resolved.notice, trainer.data.notice):
                    if notice:
                        writer.put_event(Event(0, "notice", notice))
                return engine.run()
            except WntError as error:
                writer.set_engine(state="failed", message=str(error))
                raise
            finally:
                unregister(path)


def _install_signals(engine: Engine, *, live: bool) -> None:
    """First Ctrl+C or TERM: finish the step and save; second: quit. A hangup is survived: viewers come and go."""

    def stop(number: int, _frame: FrameType | None) -> None:
        engine.request_stop(f"Stopped by {signal.Signals(number).name}.")
        signal.signal(number, signal.SIG_DFL)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN if live else stop)
