"""Commands to the engine: carried out between two steps, and answered."""

from __future__ import annotations

from engine.errors import SessionError, UsageError
from engine.history.checkpoint_policy import CheckpointPolicy
from engine.paths import shell_path
from engine.record import Event
from engine.runner.annotations import Annotations
from engine.runner.run_state import RunState
from engine.session.rows import Command


class CommandHandler:
    """Carries out the commands of a session between two steps.

    A command ``name`` is a method ``on_name``: it returns a sentence, or raises UsageError to refuse.

    Args:
        state: The run.
        keeper: Keeps its checkpoints.
        annotations: Its breakpoints and marks.
    """

    def __init__(self, state: RunState, keeper: CheckpointPolicy, annotations: Annotations) -> None:
        self._state, self._run, self._writer = state, state.run, state.writer
        self._keeper = keeper
        self._annotations = annotations

    def handle_pending(self) -> None:
        """Carry out and answer what was sent, oldest first; nothing after a command that ends the run."""
        for command in self._writer.pending_commands():
            if self._state.stop_reason is not None:
                return
            try:
                reply = getattr(self, f"on_{command.name}")(command)
            except UsageError as refusal:
                self._writer.answer(command.id, "refused", self._state.step, str(refusal))
            else:
                self._writer.answer(command.id, "done", self._state.step, reply)

    def on_pause(self, command: Command) -> str:
        """Pause here."""
        if self._state.is_waiting:
            raise UsageError(f"It is not running: it waits at step {self._state.step}.")
        self._state.rewinding = False
        self._state.pause(f"Paused by {command.sender}.")
        return f"Paused at step {self._state.step}."

    def on_resume(self, command: Command) -> str:
        """Go on, at the last step for as many steps as were configured."""
        self._require_waiting("It is running already.")
        if self._state.at_limit:
            self._state.stepped_beyond = False
        self._state.leave_pause(self._run.trainer.config.steps or 1)
        self._state.pause_at = None
        self._state.record("resume", f"Resumed by {command.sender}.")
        return f"Resumed at step {self._state.step}, to step {self._state.limit}."

    def on_step(self, command: Command) -> str:
        """Train some steps, then pause."""
        self._require_waiting()
        state, count = self._state, int(command.arguments["n"] or 1)
        state.stepped_beyond |= state.step + count > state.limit
        state.leave_pause(count)
        state.limit = max(state.limit, state.step + count)
        state.pause_at = state.step + count
        return f"{count} step{'s' if count != 1 else ''} from step {state.step}."

    def on_stop(self, command: Command) -> str:
        """End the run in order."""
        self._state.stop_reason = f"Stopped by {command.sender} at step {self._state.step}."
        return self._state.stop_reason

    def on_lr(self, command: Command) -> str:
        """Change the learning rate from this step on."""
        step = self._state.step
        if self._run.behind:
            raise UsageError(
                f"Step {step} is history: with another learning rate from there on it is a branch."
                f" `wnt-tui branch {shell_path(self._writer.path)} --step {step} --lr X` makes it, and so does b."
            )
        before, now = self._run.trainer.lr, float(command.arguments["lr"] or 0.0)
        self._run.trainer.set_lr(now)
        sentence = f"Learning rate {before:g} → {now:g} from step {step + 1} on."
        self._writer.put_event(Event(step, "lr", sentence, data={"before": before, "lr": now}))
        return sentence

    def on_checkpoint(self, _command: Command) -> str:
        """Keep a checkpoint of this step."""
        kept, sentence = self._keeper.save_now(self._run.trainer)
        if not kept:
            raise UsageError(sentence)
        return sentence

    def on_spectra(self, _command: Command) -> str:
        """Record whole spectra at the next new row."""
        config = self._run.trainer.config
        if config.measure == "none":
            raise UsageError(
                "Nothing is measured in this run, so that there are no matrices: `wnt-tui branch"
                f" {shell_path(self._writer.path)} --step {self._state.step} --measure core` goes on with them."
            )
        self._state.spectra_wanted = True
        waits = ", when it goes on" if self._state.is_waiting else ""
        which = "G and K" if config.measure == "all" else "G"
        return f"Whole spectra of {which} are recorded at step {self._writer.last_step + 1}{waits}."

    def on_rewind(self, command: Command) -> str:
        """Go back to a recorded step."""
        self._require_waiting()
        state, step = self._state, int(command.arguments["step"] or 0)
        try:
            self._run.require(step)
        except SessionError as error:
            raise UsageError(error.message, error.hint) from None
        if step == state.step:
            raise UsageError(f"It is at step {step} already.")
        place = self._run.go_towards(step)
        state.limit = max(state.limit, self._writer.last_step)
        state.paused, state.rewinding, state.pause_at, state.moved = False, True, step, True
        way = step - state.step
        rest = f", {way} step{'s' if way != 1 else ''} to execute again" if way else ""
        return f"Rewinding to step {step}: from {place}{rest}."

    def on_break(self, command: Command) -> str:
        """Set or clear a breakpoint, or mark a step."""
        return self._annotations.handle(command, self._state.step)

    on_clear = on_mark = on_break

    def _require_waiting(self, refusal: str = "It is running: pause it first.") -> None:
        if not self._state.is_waiting:
            raise UsageError(refusal)
