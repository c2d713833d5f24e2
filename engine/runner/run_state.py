"""Where a run is going and whether it waits: what commands change, and the engine follows between steps."""

from __future__ import annotations

from dataclasses import dataclass

from engine.history.rerun_session import Past
from engine.record import Event, EventKind
from engine.session import SessionWriter


@dataclass(slots=True)
class Course:
    """A run's course.

    Attributes:
        past: The run, and the way back into it.
        writer: The session's writer.
        limit: The step that the run goes to.
        pause_at: The step at which it pauses, None if at none.
        paused: Whether it is paused.
        rewinding: Whether it is on its way to a step that is recorded.
        moved: Whether a command has taken it to another step; whoever follows takes it back.
        stop_reason: Why it is to end, a sentence, None while it is not.
    """

    past: Past
    writer: SessionWriter
    limit: int
    pause_at: int | None = None
    paused: bool = False
    rewinding: bool = False
    moved: bool = False
    stop_reason: str | None = None

    @property
    def step(self) -> int:
        """The step that the run is at."""
        return self.past.trainer.step

    @property
    def at_limit(self) -> bool:
        """Whether all steps are done."""
        return self.step >= self.limit

    @property
    def waits(self) -> bool:
        """Whether no step follows before a command."""
        return self.paused or self.at_limit

    def pause(self, sentence: str) -> None:
        """Pause here.

        Args:
            sentence: Why, for the session.
        """
        self.paused, self.pause_at = True, None
        self.tell("rewind" if self.rewinding else "pause", sentence)
        self.rewinding = False
        self.writer.set_engine(state="paused", step=self.step, message="")

    def go(self, beyond: int) -> None:
        """Leave the pause; at the last step the run is extended.

        Args:
            beyond: By how many steps.
        """
        if self.at_limit:
            self.limit = self.step + beyond
        self.paused = False

    def tell(self, kind: EventKind, message: str) -> None:
        """Record an event at the step that the run is at.

        Args:
            kind: Its kind.
            message: A sentence.
        """
        self.writer.put_event(Event(self.step, kind, message))
