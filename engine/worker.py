"""The engine process: a run, its session, and the commands it obeys between steps.

The engine never waits for a viewer. ``run`` is headless: it trains to the end and exits. ``live`` is what the app
starts: it waits, paused, when the steps are done, so that the person watching can go on. A run may be taken back to
any of its rows; from there it executes again what is recorded, checks it, and goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from engine.errors import SessionError
from engine.history.keeping import CheckpointKeeper
from engine.history.past import Past
from engine.record import Event, EventKind, StepRecord
from engine.session import Command, SessionWriter, viewer_attached
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
        step: The session's newest step.
        rows: How many rows it has.
        message: A sentence for people.
        last: The row that was observed last, None if this engine has observed none.
    """

    state: str
    step: int
    rows: int
    message: str
    last: StepRecord | None


class Engine:
    """One run under command.

    Args:
        past: The run, and the way back into it.
        writer: The session's writer.
        live: Whether to wait, paused, when the steps are done.
        progress: Called with every row that was observed and the step that the run goes to.
        limit: The step that the run goes to.
    """

    def __init__(self, past: Past, writer: SessionWriter, *, live: bool, progress: Progress, limit: int) -> None:
        self._past = past
        self._writer = writer
        self._live = live
        self._progress = progress
        self._limit = limit
        self._keeper = CheckpointKeeper(past.trainer.config, writer)
        self._pause_at: int | None = None
        self._paused = False
        self._rewinding = False
        self._moved = False
        self._finished_at = -1
        self._lonely = False
        self._stop_reason: str | None = None
        self._last: StepRecord | None = None
        self._first = max(past.first, 0) if writer.last_step >= 0 else past.trainer.step
        self._newest_lr = past.newest_lr if writer.last_step >= 0 else None

    @property
    def _trainer(self) -> Trainer:
        return self._past.trainer

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
        self._writer.set_engine(device=self._trainer.resolved.label)
        self._say_running()
        while True:
            if not self._trainer.observed:
                self._observe()
            if self._trainer.diverged:
                return self._end("diverged", self._divergence())
            self._rescue_if_astray()
            self._obey()
            if self._pause_at == self._trainer.step and (self._rewinding or not self._at_limit()):
                self._pause(self._arrival())
            if (self._at_limit() or self._paused) and self._stop_reason is None:
                ended = self._wait()
                if ended is not None:
                    return self._end("finished", ended)
                continue  # a command may have taken the run somewhere else
            if self._stop_reason is not None:
                self._event("stopped", self._stop_reason)
                return self._end("stopped", self._stop_reason)
            self._leave_row()

    def _observe(self) -> None:
        """Observe the current row; record it, unless it is recorded and came out the same."""
        record, new = self._past.observe(final=self._trainer.step >= self._limit)
        self._last = record
        self._progress(record, self._limit)
        if new:
            self._newest_lr = record.values.get("lr")
            self._writer.put(record)
            self._keeper.after_row(self._trainer)
        elif notable := self._past.notable():
            self._event("notice", f"Executed again, training is the same to the bit, but not {notable}.")
        self._writer.set_engine(step=self._trainer.step)

    def _leave_row(self) -> None:
        """Update θ; the newest row learns the rate that it is left with."""
        trainer = self._trainer
        if not self._past.behind:
            if self._newest_lr != trainer.lr:
                self._writer.put_lr(trainer.step, trainer.lr)
            if self._past.again:
                self._past.again = 0
                self._writer.set_engine(message="")
        trainer.advance()

    def _at_limit(self) -> bool:
        return self._trainer.step >= self._limit

    def _wait(self) -> str | None:
        """Wait for commands while paused or at the last step; a sentence if the run is done instead."""
        if self._at_limit():
            if not self._live:
                return f"Finished {self._limit} steps."
            if self._finished_at != self._limit:
                self._finished_at = self._limit
                self._event("finished", f"Finished {self._limit} steps.")
            self._writer.set_engine(state="finished", message=f"Finished {self._limit} steps.")
        lonely_since = time.monotonic()
        self._moved = False
        while self._stop_reason is None and self._waits() and not self._moved:
            time.sleep(POLL_SECONDS)
            self._rescue_if_astray()
            self._obey()
            if viewer_attached(self._writer.path):
                lonely_since = time.monotonic()
            lonely = time.monotonic() - lonely_since
            if self._at_limit() and lonely > GRACE_SECONDS:
                return f"Finished {self._limit} steps."
            if lonely > LONELY_SECONDS:
                self._lonely = True
                self._stop_reason = "Paused for an hour with no viewer: ended, everything is saved."
        if self._stop_reason is None:
            self._say_running()
        return None

    def _rescue_if_astray(self) -> None:
        """End where the session's file was taken away: what is written to it would be gone with this process."""
        if not self._writer.astray:
            return
        self._writer.set_engine(state="stopped", message=self._writer.astray)
        rescued = self._writer.rescue()
        raise SessionError(f"{self._writer.astray} All {self._writer.last_step + 1 - self._first} rows are saved in"
                           f" {rescued}.", f"`wnt-tui resume {rescued}` goes on.")  # fmt: skip

    def _say_running(self) -> None:
        behind = self._past.behind
        self._writer.set_engine(
            state="running",
            step=self._trainer.step,
            message=f"executing recorded steps again, to step {self._writer.last_step}" if behind else "",
        )

    def _obey(self) -> None:
        for command in self._writer.pending_commands():
            if self._stop_reason is not None:
                return
            answer = _ANSWERS[command.name](self, command)
            self._writer.answer(command.id, "done" if answer[0] else "refused", self._trainer.step, answer[1])

    def _pause(self, sentence: str) -> None:
        self._paused, self._pause_at = True, None
        self._event("rewind" if self._rewinding else "pause", sentence)
        self._rewinding = False
        self._writer.set_engine(state="paused", step=self._trainer.step, message="")

    def _arrival(self) -> str:
        if not self._rewinding:
            return "Paused after the steps asked for."
        again = self._past.again
        rows = f"{again} row{'s' if again != 1 else ''} executed again, as recorded" if again else "a copy was at hand"
        return f"Rewound to step {self._trainer.step}: {rows}."

    def _waits(self) -> bool:
        return self._paused or self._at_limit()

    def _on_pause(self, command: Command) -> tuple[bool, str]:
        if self._waits():
            return False, f"It is not running: it waits at step {self._trainer.step}."
        self._rewinding = False
        self._pause(f"Paused by {command.sender}.")
        return True, f"Paused at step {self._trainer.step}."

    def _on_resume(self, command: Command) -> tuple[bool, str]:
        if not self._waits():
            return False, "It is running already."
        self._go(self._trainer.config.steps or 1)
        self._pause_at = None
        self._event("resume", f"Resumed by {command.sender}.")
        return True, f"Resumed at step {self._trainer.step}, to step {self._limit}."

    def _on_step(self, command: Command) -> tuple[bool, str]:
        if not self._waits():
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
        step = self._trainer.step
        if self._past.behind:
            return False, (
                f"Step {step} is history: with another learning rate from there on it is a branch."
                f" `wnt-tui branch {self._writer.path} --step {step} --lr X` makes it, and so does b."
            )
        before, now = self._trainer.lr, float(command.arguments["lr"] or 0.0)
        self._trainer.set_lr(now)
        sentence = f"Learning rate {before:g} → {now:g} from step {step} on."
        self._writer.put_event(Event(step, "lr", sentence, data={"before": before, "lr": now}))
        return True, sentence

    def _on_checkpoint(self, _command: Command) -> tuple[bool, str]:
        return self._keeper.asked(self._trainer)

    def _on_rewind(self, command: Command) -> tuple[bool, str]:
        step = int(command.arguments["step"] or 0)
        if not self._waits():
            return False, "It is running: pause it first."
        try:
            self._past.require(step)
        except SessionError as error:
            return False, str(error)
        if step == self._trainer.step:
            return False, f"It is at step {step} already."
        place = self._past.go_towards(step)
        self._limit = max(self._limit, self._writer.last_step)
        self._paused, self._rewinding, self._pause_at, self._moved = False, True, step, True
        way = step - self._trainer.step
        rest = f", {way} step{'s' if way != 1 else ''} to execute again" if way else ""
        return True, f"Rewinding to step {step}: from {place}{rest}."

    def _event(self, kind: EventKind, message: str) -> None:
        self._writer.put_event(Event(self._trainer.step, kind, message))

    def _divergence(self) -> str:
        step = self._trainer.step
        told = [event.message for event in (self._last.events if self._last is not None else ()) if event.step == step]
        return told[-1] if told else f"Diverged at step {step}."

    def _end(self, state: str, message: str) -> Outcome:
        if state == "finished" and not self._live:
            self._event("finished", message)
        if not self._past.behind:
            self._keeper.at_end(self._trainer, always=self._lonely)
        self._writer.set_engine(state=state, step=self._trainer.step, message=message)
        return Outcome(state, self._writer.last_step, self._writer.last_step - self._first + 1, message, self._last)


_ANSWERS: dict[str, Callable[[Engine, Command], tuple[bool, str]]] = {
    "pause": Engine._on_pause,
    "resume": Engine._on_resume,
    "step": Engine._on_step,
    "stop": Engine._on_stop,
    "lr": Engine._on_lr,
    "checkpoint": Engine._on_checkpoint,
    "rewind": Engine._on_rewind,
}
