"""The engine process: a run, its session, and the commands it obeys between steps.

The engine never waits for a viewer. ``run`` is headless: it trains to the end and exits. ``live`` is what the app
starts: it waits, paused, when the steps are done, so that the person watching can go on. A run may be taken back to
any of its rows; from there it executes again what is recorded, checks it, and goes on. Breakpoints look at every row
once, when it is new.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from engine.errors import SessionError
from engine.history.checkpoint_policy import CheckpointKeeper
from engine.history.rerun_session import Past
from engine.paths import shell_path, shown_path
from engine.record import Event, StepRecord
from engine.runner.annotations import Annotations, hits_of
from engine.runner.command_handler import Obedience
from engine.runner.progress import Report
from engine.runner.run_state import Course
from engine.session import SessionWriter, viewer_attached
from engine.session.liveness import viewers_path
from engine.training.trainer import Trainer

POLL_SECONDS = 0.02
"""How often a paused engine looks for commands."""

LONELY_SECONDS = 3600.0
"""How long a paused engine waits for a viewer to come back before it ends in order."""

GRACE_SECONDS = 3.0
"""How long a finished live engine waits for a viewer that may be about to attach."""


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
        report: Told of every row that was observed.
        limit: The step that the run goes to.
        annotations: What is noted on its rows: breakpoints and marks.
    """

    def __init__(
        self,
        past: Past,
        writer: SessionWriter,
        *,
        live: bool,
        report: Report,
        limit: int,
        annotations: Annotations,
    ) -> None:
        self._past = past
        self._writer = writer
        self._live = live
        self._report = report
        self._annotations = annotations
        self._keeper = CheckpointKeeper(past.trainer.config, writer)
        self._course = Course(past, writer, limit)
        self._obedience = Obedience(self._course, self._keeper, annotations)
        self._checkpoint_wanted = False
        self._hidden_told = False
        self._finished_at = -1
        self._lonely = False
        self._last: StepRecord | None = None
        self._hits: tuple[Event, ...] = ()
        self._first = max(past.first, 0) if writer.last_step >= 0 else past.trainer.step
        self._newest_lr = past.newest_lr if writer.last_step >= 0 else None

    @property
    def _trainer(self) -> Trainer:
        return self._past.trainer

    def request_stop(self, reason: str) -> None:
        """Ask for an orderly end after the current step; safe in any thread.

        Args:
            reason: A sentence for the session.
        """
        self._course.stop_reason = reason

    def request_checkpoint(self) -> None:
        """Ask for a checkpoint of the current step; safe in any thread."""
        self._checkpoint_wanted = True

    def run(self) -> Outcome:
        """Train under command until the end.

        Returns:
            How it ended. Everything up to there has been handed to the writer.
        """
        course = self._course
        self._writer.set_engine(device=self._trainer.resolved.label)
        self._say_running()
        while True:
            if not self._trainer.observed:
                self._observe()
            if self._trainer.diverged:
                return self._end("diverged", self._divergence())
            self._rescue_if_astray()
            self._obey()
            self._break()
            if course.pause_at == course.step and (course.rewinding or not course.at_limit):
                course.pause(self._arrival())
            if course.waits and course.stop_reason is None:
                ended = self._wait()
                if ended is not None:
                    return self._end("finished", ended)
                continue  # a command may have taken the run somewhere else
            if course.stop_reason is not None:
                course.tell("stopped", course.stop_reason)
                return self._end("stopped", course.stop_reason)
            self._leave_row()

    def _obey(self) -> None:
        """Do what viewers and signals have asked for."""
        self._obedience.obey()
        if self._checkpoint_wanted:
            self._checkpoint_wanted = False
            _, sentence = self._keeper.asked(self._trainer)
            self._report.say(f"SIGUSR1 asked for a checkpoint. {sentence}")

    def _observe(self) -> None:
        """Observe the current row; record it, unless it is recorded and came out the same."""
        record, new = self._past.observe(final=self._trainer.step >= self._course.limit)
        if new:
            record = self._annotations.row(record)
        self._last, self._hits = record, hits_of(record)
        self._report.row(record, self._course.limit)
        if new:
            self._newest_lr = record.values.get("lr")
            self._writer.put(record)
            self._keeper.after_row(self._trainer)
        elif notable := self._past.notable():
            self._course.tell("notice", f"Executed again, training is the same to the bit, but not {notable}.")
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

    def _wait(self) -> str | None:
        """Wait for commands while paused or at the last step; a sentence if the run is done instead."""
        course = self._course
        if course.at_limit:
            done = f"Finished {course.limit} steps."
            if not self._live:
                return done
            if self._finished_at != course.limit:
                self._finished_at = course.limit
                course.tell("finished", done)
            self._writer.set_engine(state="finished", message=done)
        lonely_since = time.monotonic()
        course.moved = False
        while course.stop_reason is None and course.waits and not course.moved:
            time.sleep(POLL_SECONDS)
            self._rescue_if_astray()
            self._obey()
            watched = viewer_attached(self._writer.path)
            if watched:
                lonely_since = time.monotonic()
            elif watched is None:
                self._say_who_watches_is_hidden()
            lonely = time.monotonic() - lonely_since
            if course.at_limit and lonely > GRACE_SECONDS and watched is False:
                return f"Finished {course.limit} steps."
            if lonely > LONELY_SECONDS:
                self._lonely = True
                course.stop_reason = "Paused for an hour with no viewer: ended, everything is saved."
        if course.stop_reason is None:
            self._say_running()
        return None

    def _say_who_watches_is_hidden(self) -> None:
        if not self._hidden_told:
            self._hidden_told = True
            mark = shown_path(viewers_path(self._writer.path))
            self._course.tell(
                "notice", f"Whether anybody watches cannot be seen: {mark} is somebody else's. It waits up to an hour."
            )

    def _rescue_if_astray(self) -> None:
        """End where the session's file was taken away: what is written to it would be gone with this process."""
        if not self._writer.astray:
            return
        self._writer.set_engine(state="stopped", message=self._writer.astray)
        rescued = self._writer.rescue()
        raise SessionError(f"{self._writer.astray} All {self._writer.last_step + 1 - self._first} rows are saved in"
                           f" {rescued}.", f"`wnt-tui resume {shell_path(rescued)}` goes on.")  # fmt: skip

    def _say_running(self) -> None:
        behind = self._past.behind
        self._writer.set_engine(
            state="running",
            step=self._trainer.step,
            message=f"executing recorded steps again, to step {self._writer.last_step}" if behind else "",
        )

    def _arrival(self) -> str:
        if not self._course.rewinding:
            return "Paused after the steps asked for."
        again = self._past.again
        rows = f"{again} row{'s' if again != 1 else ''} executed again, as recorded" if again else "a copy was at hand"
        return f"Rewound to step {self._trainer.step}: {rows}."

    def _break(self) -> None:
        """Pause or stop at a new row that hits a breakpoint; at the last step there is nothing left to hold back."""
        hits, self._hits = self._hits, ()
        course, wanted = self._course, self._trainer.config.on_break
        # A rewind that was obeyed at the same row has taken the run away from its hits.
        if not hits or hits[0].step != course.step or wanted == "continue" or course.at_limit:
            return
        sentence = " ".join(hit.message for hit in hits)
        if wanted == "stop":
            course.stop_reason = course.stop_reason or f"Stopped at step {hits[0].step} by a breakpoint: {sentence}"
        elif not course.paused:
            course.pause(f"Paused by a breakpoint: {sentence}")

    def _divergence(self) -> str:
        step = self._trainer.step
        told = [event.message for event in (self._last.events if self._last is not None else ()) if event.step == step]
        return told[-1] if told else f"Diverged at step {step}."

    def _end(self, state: str, message: str) -> Outcome:
        if state == "finished" and not self._live:
            self._course.tell("finished", message)
        if not self._past.behind:
            self._keeper.at_end(self._trainer, always=self._lonely)
        self._writer.set_engine(state=state, step=self._trainer.step, message=message)
        return Outcome(state, self._writer.last_step, self._writer.last_step - self._first + 1, message, self._last)
