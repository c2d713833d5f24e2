"""The state of a run under command: its step, its goal, whether it waits. Commands and signals change it."""

from __future__ import annotations

from dataclasses import dataclass

from engine.history.rerun_session import RerunSession
from engine.record import Event, EventKind
from engine.session.writer import SessionWriter


@dataclass(slots=True)
class RunState:
    """A run under command.

    Attributes:
        run: The run, and the way back into its recorded steps.
        writer: The session's writer.
        live: Whether to wait, paused, when the steps are done.
        limit: The step that the run goes to.
        stepped_beyond: Whether single steps have taken the limit beyond the run's own: its last row is then none that
            whole spectra are recorded at.
        pause_at: The step at which it pauses, None if at none.
        paused: Whether it is paused.
        rewinding: Whether it is on its way to a step that is recorded.
        moved: Whether a command has taken it to another step; the loop takes this back.
        stop_reason: Why it is to end after the current step, a sentence; None while it is not. Signals set it.
        checkpoint_wanted: Whether a signal asks for a checkpoint of the current step.
        spectra_wanted: Whether the next new row is to record whole spectra.
    """

    run: RerunSession
    writer: SessionWriter
    live: bool
    limit: int
    stepped_beyond: bool = False
    pause_at: int | None = None
    paused: bool = False
    rewinding: bool = False
    moved: bool = False
    stop_reason: str | None = None
    checkpoint_wanted: bool = False
    spectra_wanted: bool = False

    @property
    def step(self) -> int:
        """The step that the run is at."""
        return self.run.trainer.step

    @property
    def at_limit(self) -> bool:
        """Whether all steps are done."""
        return self.step >= self.limit

    @property
    def is_waiting(self) -> bool:
        """Whether no step follows before a command."""
        return self.paused or self.at_limit

    @property
    def spectra_due(self) -> bool:
        """Whether the row that the run is at is to record whole spectra, if it is new."""
        last = self.at_limit and not self.stepped_beyond
        return self.spectra_wanted or last or self.run.trainer.spectra_due

    def pause(self, reason: str) -> None:
        """Pause here; the reason is a sentence for the session."""
        self.paused, self.pause_at = True, None
        self.record("rewind" if self.rewinding else "pause", reason)
        self.rewinding = False
        self.writer.set_engine(state="paused", step=self.step, message="")

    def leave_pause(self, more: int) -> None:
        """Leave the pause; at the last step the run is extended by so many more."""
        if self.at_limit:
            self.limit = self.step + more
        self.paused = False

    def record(self, kind: EventKind, message: str) -> None:
        """Record an event at the step that the run is at."""
        self.writer.put_event(Event(self.step, kind, message))
