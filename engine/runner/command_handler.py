"""What the engine answers to each command, and what a command changes."""

from __future__ import annotations

from collections.abc import Callable

from engine.errors import SessionError
from engine.history.checkpoint_policy import CheckpointKeeper
from engine.paths import shell_path
from engine.record import Event
from engine.runner.annotations import ANNOTATING_COMMANDS, Annotations
from engine.runner.run_state import Course
from engine.session import Command

Answer = tuple[bool, str]
"""Whether a command was done, and a sentence."""


class Obedience:
    """Obeys the commands of a session between two steps.

    Args:
        course: The run's course.
        keeper: Keeps its checkpoints.
        annotations: What is noted on its rows.
    """

    def __init__(self, course: Course, keeper: CheckpointKeeper, annotations: Annotations) -> None:
        self._course = course
        self._past = course.past
        self._writer = course.writer
        self._keeper = keeper
        self._annotations = annotations

    def obey(self) -> None:
        """Obey and answer what was sent, oldest first; nothing after a command that ends the run."""
        for command in self._writer.pending_commands():
            if self._course.stop_reason is not None:
                return
            done, sentence = _ANSWERS[command.name](self, command)
            self._writer.answer(command.id, "done" if done else "refused", self._course.step, sentence)

    def _on_pause(self, command: Command) -> Answer:
        if self._course.waits:
            return False, f"It is not running: it waits at step {self._course.step}."
        self._course.rewinding = False
        self._course.pause(f"Paused by {command.sender}.")
        return True, f"Paused at step {self._course.step}."

    def _on_resume(self, command: Command) -> Answer:
        if not self._course.waits:
            return False, "It is running already."
        self._course.go(self._past.trainer.config.steps or 1)
        self._course.pause_at = None
        self._course.tell("resume", f"Resumed by {command.sender}.")
        return True, f"Resumed at step {self._course.step}, to step {self._course.limit}."

    def _on_step(self, command: Command) -> Answer:
        course = self._course
        if not course.waits:
            return False, "It is running: pause it first."
        count = int(command.arguments["n"] or 1)
        course.go(count)
        course.limit = max(course.limit, course.step + count)
        course.pause_at = course.step + count
        return True, f"{count} step{'s' if count != 1 else ''} from step {course.step}."

    def _on_stop(self, command: Command) -> Answer:
        self._course.stop_reason = f"Stopped by {command.sender} at step {self._course.step}."
        return True, self._course.stop_reason

    def _on_lr(self, command: Command) -> Answer:
        step = self._course.step
        if self._past.behind:
            return False, (
                f"Step {step} is history: with another learning rate from there on it is a branch."
                f" `wnt-tui branch {shell_path(self._writer.path)} --step {step} --lr X` makes it, and so does b."
            )
        before, now = self._past.trainer.lr, float(command.arguments["lr"] or 0.0)
        self._past.trainer.set_lr(now)
        sentence = f"Learning rate {before:g} → {now:g} from step {step} on."
        self._writer.put_event(Event(step, "lr", sentence, data={"before": before, "lr": now}))
        return True, sentence

    def _on_checkpoint(self, _command: Command) -> Answer:
        return self._keeper.asked(self._past.trainer)

    def _on_rewind(self, command: Command) -> Answer:
        course, step = self._course, int(command.arguments["step"] or 0)
        if not course.waits:
            return False, "It is running: pause it first."
        try:
            self._past.require(step)
        except SessionError as error:
            return False, str(error)
        if step == course.step:
            return False, f"It is at step {step} already."
        place = self._past.go_towards(step)
        course.limit = max(course.limit, self._writer.last_step)
        course.paused, course.rewinding, course.pause_at, course.moved = False, True, step, True
        way = step - course.step
        rest = f", {way} step{'s' if way != 1 else ''} to execute again" if way else ""
        return True, f"Rewinding to step {step}: from {place}{rest}."

    def _on_annotation(self, command: Command) -> Answer:
        return self._annotations.obey(command, self._course.step)


_ANSWERS: dict[str, Callable[[Obedience, Command], Answer]] = {
    "pause": Obedience._on_pause,
    "resume": Obedience._on_resume,
    "step": Obedience._on_step,
    "stop": Obedience._on_stop,
    "lr": Obedience._on_lr,
    "checkpoint": Obedience._on_checkpoint,
    "rewind": Obedience._on_rewind,
    **dict.fromkeys(ANNOTATING_COMMANDS, Obedience._on_annotation),
}
