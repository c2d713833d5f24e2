"""The loop of a run: observe a row, record it, handle commands, pause or stop, update the weights.

The engine never waits for a viewer, but a live one waits, paused, when the steps are done, so that the person watching
can go on. A run may be taken back to any of its rows; from there it executes again what is recorded, checks it, and
goes on. Breakpoints see every row once, when it is new.
"""

from __future__ import annotations

import time

from engine.errors import SessionError
from engine.history.checkpoint_policy import CheckpointPolicy
from engine.paths import shell_path, shown_path
from engine.record import Event, StepRecord
from engine.runner.annotations import Annotations, hits_of
from engine.runner.command_handler import CommandHandler
from engine.runner.outcome import Outcome
from engine.runner.progress import Report
from engine.runner.run_state import RunState
from engine.session.liveness import viewer_attached, viewers_path
from engine.training.trainer import Trainer

POLL_SECONDS = 0.02
"""A paused engine looks for commands so often."""

UNWATCHED_SECONDS = 3600.0
"""A paused engine waits so long for a viewer to come back before it ends in order."""

GRACE_SECONDS = 3.0
"""A finished live engine waits so long for a viewer that may be about to attach."""


class TrainingLoop:
    """One run under command.

    Args:
        state: The run, where it is and where it goes.
        annotations: Its breakpoints and marks.
        report: Gets every row that was observed.
    """

    def __init__(self, state: RunState, annotations: Annotations, report: Report) -> None:
        self._state, self._run, self._writer = state, state.run, state.writer
        self._report = report
        self._annotations = annotations
        self._keeper = CheckpointPolicy(self._trainer.config, self._writer)
        self._commands = CommandHandler(state, self._keeper, annotations)
        self._hidden_viewers_noted = False
        self._finished_at = -1
        self._unwatched = False
        self._last: StepRecord | None = None
        self._hits: tuple[Event, ...] = ()
        self._first = max(self._run.first, 0) if self._writer.last_step >= 0 else state.step

    @property
    def _trainer(self) -> Trainer:
        return self._run.trainer

    def run(self) -> Outcome:
        """Train under command until the end; everything up to there has then been handed to the writer."""
        state = self._state
        self._writer.set_engine(device=self._trainer.resolved.label)
        self._say_running()
        while True:
            if not self._trainer.observed:
                self._observe()
            if self._trainer.diverged:
                return self._end("diverged", self._divergence())
            self._require_file()
            self._handle_commands()
            self._break()
            if state.pause_at == state.step and (state.rewinding or not state.at_limit):
                state.pause(self._arrival())
            if state.is_waiting and state.stop_reason is None:
                ended = self._wait()
                if ended is not None:
                    return self._end("finished", ended)
                continue  # a command may have taken the run somewhere else
            if state.stop_reason is not None:
                state.record("stopped", state.stop_reason)
                return self._end("stopped", state.stop_reason)
            self._leave_row()

    def _handle_commands(self) -> None:
        """Carry out what viewers and signals have asked for."""
        self._commands.handle_pending()
        if self._state.checkpoint_wanted:
            self._state.checkpoint_wanted = False
            _, sentence = self._keeper.save_now(self._trainer)
            self._report.say(f"SIGUSR1 asked for a checkpoint. {sentence}")

    def _observe(self) -> None:
        """Observe the current row; record it, unless it is recorded and came out the same."""
        state = self._state
        record, new = self._run.observe(final=state.at_limit, spectra=state.spectra_due)
        if new:
            state.spectra_wanted = False
            record = self._annotations.row(record)
        self._last, self._hits = record, hits_of(record)
        self._report.row(record, state.limit)
        if new:
            self._writer.put(record)
            self._keeper.after_row(self._trainer)
        elif notable := self._run.notable():
            state.record("notice", f"Executed again, training is the same to the bit, but not {notable}.")
        self._writer.set_engine(step=self._trainer.step)

    def _leave_row(self) -> None:
        """Update θ."""
        if self._run.rows_reexecuted and not self._run.behind:
            self._run.rows_reexecuted = 0
            self._writer.set_engine(message="")
        self._trainer.advance()

    def _wait(self) -> str | None:
        """Wait for commands while paused or at the last step; a sentence if the run is done instead."""
        state = self._state
        if state.at_limit:
            done = f"Finished {state.limit} steps."
            if not state.live:
                return done
            if self._finished_at != state.limit:
                self._finished_at = state.limit
                state.record("finished", done)
            self._writer.set_engine(state="finished", message=done)
        unwatched_since = time.monotonic()
        state.moved = False
        while state.stop_reason is None and state.is_waiting and not state.moved:
            time.sleep(POLL_SECONDS)
            self._require_file()
            self._handle_commands()
            watched = viewer_attached(self._writer.path)
            if watched:
                unwatched_since = time.monotonic()
            elif watched is None:
                self._note_hidden_viewers()
            unwatched = time.monotonic() - unwatched_since
            if state.at_limit and unwatched > GRACE_SECONDS and watched is False:
                return f"Finished {state.limit} steps."
            if unwatched > UNWATCHED_SECONDS:
                self._unwatched = True
                state.stop_reason = "Paused for an hour with no viewer: ended, everything is saved."
        if state.stop_reason is None:
            self._say_running()
        return None

    def _note_hidden_viewers(self) -> None:
        if not self._hidden_viewers_noted:
            self._hidden_viewers_noted = True
            mark = shown_path(viewers_path(self._writer.path))
            self._state.record(
                "notice", f"Whether anybody watches cannot be seen: {mark} is somebody else's. It waits up to an hour."
            )

    def _require_file(self) -> None:
        """End where the session's file was taken away: what is written to it would be gone with this process."""
        if not self._writer.lost_file:
            return
        self._writer.set_engine(state="stopped", message=self._writer.lost_file)
        rescued = self._writer.rescue()
        raise SessionError(f"{self._writer.lost_file} All {self._writer.last_step + 1 - self._first} rows are saved in"
                           f" {rescued}.", f"`wnt-tui resume {shell_path(rescued)}` goes on.")  # fmt: skip

    def _say_running(self) -> None:
        behind = self._run.behind
        self._writer.set_engine(
            state="running",
            step=self._trainer.step,
            message=f"replaying recorded steps, to step {self._writer.last_step}" if behind else "",
        )

    def _arrival(self) -> str:
        if not self._state.rewinding:
            return "Paused after the steps asked for."
        again = self._run.rows_reexecuted
        rows = f"{again} row{'s' if again != 1 else ''} executed again, as recorded" if again else "a copy was at hand"
        return f"Rewound to step {self._trainer.step}: {rows}."

    def _break(self) -> None:
        """Pause or stop at a new row that hits a breakpoint; at the last step there is nothing left to hold back."""
        hits, self._hits = self._hits, ()
        state, wanted = self._state, self._trainer.config.on_break
        # A rewind at the same row has taken the run away from its hits.
        if not hits or hits[0].step != state.step or wanted == "continue" or state.at_limit:
            return
        sentence = " ".join(hit.message for hit in hits)
        if wanted == "stop":
            state.stop_reason = state.stop_reason or f"Stopped at step {hits[0].step} by a breakpoint: {sentence}"
        elif not state.paused:
            state.pause(f"Paused by a breakpoint: {sentence}")

    def _divergence(self) -> str:
        step = self._trainer.step
        said = [event.message for event in (self._last.events if self._last is not None else ()) if event.step == step]
        return said[-1] if said else f"Diverged at step {step}."

    def _end(self, state: str, message: str) -> Outcome:
        if state == "finished" and not self._state.live:
            self._state.record("finished", message)
        if not self._run.behind:
            self._keeper.at_end(self._trainer, always=self._unwatched)
        self._writer.set_engine(state=state, step=self._trainer.step, message=message)
        last, examples = self._writer.last_step, self._trainer.config.examples
        return Outcome(state, last, last - self._first + 1, message, self._last, examples)
