"""The dashboard's keys that concern the engine and the way out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.paths import shown_path
from engine.record import lr_in_force
from wnt_tui.process.command_sender import CommandSender
from wnt_tui.process.engine_process import EngineProcess
from wnt_tui.process.exit_message import ExitMessage, goes_on, saved
from wnt_tui.screens.messages import CommandAnswered
from wnt_tui.session.cursor import Cursor
from wnt_tui.session.snapshot import Snapshot
from wnt_tui.theme.wording import short_number
from wnt_tui.widgets.footer import Footer
from wnt_tui.widgets.prompt import Question, count_of_steps, learning_rate

if TYPE_CHECKING:
    from textual.screen import Screen

    from wnt_tui.process.branching import Branching

    _Base = Screen[None]
else:
    _Base = object

ENDINGS = {
    "died": "the engine died",
    "failed": "the engine failed",
    "diverged": "the run diverged",
    "stopped": "the engine has stopped",
    "finished": "the run is finished",
}


class EngineKeys(_Base):
    """Mixed into the dashboard; it has the session, this has the engine."""

    path: Path
    snapshot: Snapshot | None
    cursor: Cursor
    commander: CommandSender
    engine_process: EngineProcess | None
    leaving: bool
    shows_origin: bool
    _told: str = ""

    if TYPE_CHECKING:

        @property
        def footer(self) -> Footer:
            """The footer."""

        @property
        def complete(self) -> bool:
            """Whether the dashboard's widgets are there."""

        @property
        def has_engine(self) -> bool:
            """Whether an engine lives that can be told something."""

        @property
        def engine_starting(self) -> bool:
            """Whether an engine was started that cannot be told anything yet."""

        def make_branch(self, branching: Branching) -> None:
            """Ask for a branch to be made and shown."""

    @property
    def engine_waits(self) -> bool:
        """Whether the engine lives and waits for a command."""
        return self.snapshot is not None and self.snapshot.engine.alive and self.snapshot.engine.state in {
            "paused",
            "finished",
        }  # fmt: skip

    def engine_changed(self, snapshot: Snapshot) -> None:
        """Take note of the engine's state: tell how it ended; when it was asked to stop, leave."""
        engine = snapshot.engine
        if self.leaving and not engine.alive:
            self.leave(0, self.exit_sentence(), stop=True)
        if engine.state != self._told and engine.state in ENDINGS and engine.message:
            bad = engine.state in {"died", "failed", "diverged"}
            more = " space goes on" if engine.alive else ""
            self.footer.say(engine.message + more, severity="error" if bad else "information", lasting=bad)
        elif self._told == "" and engine.alive and not engine.sees_viewer:
            self.footer.say("The engine cannot see that you watch (its .viewers file cannot be locked from here):"
                            " it ends at its last step", severity="warning", lasting=True)  # fmt: skip
        self._told = engine.state

    def action_toggle_running(self) -> None:
        """Pause, or resume."""
        if self._refused_without_engine():
            return
        name = "resume" if self.engine_waits else "pause"
        self.footer.say(f"{name} …", lasting=True)
        self.commander.send(name)

    def train_steps(self, count: int) -> None:
        """Have the engine train a number of steps, unless it is still busy with the last request."""
        if self._refused_without_engine() or self.commander.is_waiting_for("step"):
            return
        self.cursor = self.cursor.to_end()
        if count > 1:
            self.footer.say(f"{count} steps …", lasting=True)
        self.commander.send("step", {"n": count})

    def action_rewind(self) -> None:
        """Take a waiting engine back to the cursor's step."""
        if self._refused_without_engine():
            return
        if not self.engine_waits:
            self.footer.say("space pauses it first: only a paused engine goes back", severity="warning")
            return
        self.footer.say(f"rewinding to step {self.cursor.step} …", lasting=True)
        self.commander.send("rewind", {"step": self.cursor.step})

    def branch_question(self) -> Question | None:
        """Return the question behind b: which options a branch from the cursor's step changes."""
        if self.shows_origin:
            self.footer.say("the engine is still starting", severity="warning")
            return None
        if self.snapshot is None or not self.snapshot.rows:
            self.footer.say("there is no step yet to branch from", severity="warning")
            return None
        from wnt_tui.process.branching import Branching, parse_changes

        step = self.cursor.step

        def parse(text: str) -> Branching:
            return Branching(self.path, step, parse_changes(self.path, step, text))

        hint = "lr=.005 steps=200 · esc: drop it"
        return Question("branch", f"branch from step {step} with", parse, hint, width=30)

    def _rate_question(self, snapshot: Snapshot) -> Question:
        """The question behind L; where the engine was taken back another rate is another run: a branch."""
        if not snapshot.engine_behind:
            return Question("lr", f"learning rate (now {short_number(self._learning_rate())})", learning_rate)
        from wnt_tui.process.branching import Branching

        step = snapshot.engine.step

        def parse(text: str) -> Branching:
            return Branching(self.path, step, {"lr": learning_rate(text)})

        return Question("branch", f"learning rate of a branch from step {step}", parse)

    def engine_question(self, name: str) -> Question | None:
        """Return the question behind a key of the engine's; None where there is no engine to answer it to."""
        if self._refused_without_engine():
            return None
        if name == "lr" and self.snapshot is not None:
            return self._rate_question(self.snapshot)
        return Question("steps", "train how many steps", count_of_steps)

    def engine_answer(self, name: str, answer: Any) -> None:
        """Send what was answered."""
        if name == "lr":
            self.footer.say(f"learning rate {short_number(answer)} …", lasting=True)
            self.commander.send("lr", {"lr": answer})
        elif name == "branch":
            self.make_branch(answer)
        else:
            self.train_steps(answer)

    def on_command_answered(self, message: CommandAnswered) -> None:
        """Say what the engine has answered."""
        if not self.complete:
            return
        outcome = message.outcome
        if outcome.name == "stop":
            self.leaving = self.leaving and outcome.done
            if outcome.done and not self.has_engine:
                self.leave(0, self.exit_sentence(), stop=True)
                return
        self.footer.say(
            outcome.sentence,
            severity="information" if outcome.done else "error",
            lasting=outcome.name == "stop" and outcome.done,
        )

    def action_stop(self) -> None:
        """Stop the engine, which saves, and leave; without an engine just leave."""
        if self.engine_starting and self.engine_process is not None:
            if self.leaving:
                return  # a second signal would not let it save
            self.leaving = True
            self.footer.say("stopping the engine that is starting … (q leaves at once)", lasting=True)
            self.engine_process.stop()
        elif not self.has_engine:
            self.leave(0, self.exit_sentence(), stop=True)
        elif not self.commander.is_waiting_for("stop"):
            self.leaving = True
            self.footer.say("stopping after the step at hand … (q leaves at once)", lasting=True)
            self.commander.send("stop")

    def action_leave(self) -> None:
        """Leave; a living engine goes on."""
        self.leave(0, self.exit_sentence())

    def action_how_to_quit(self) -> None:
        """Say how to leave: what ctrl+c would do is not clear enough to do it."""
        if self.has_engine:
            self.footer.say("q leaves, training goes on · Q stops the engine, saves and leaves")
        else:
            self.footer.say("q leaves")

    def leave(self, code: int, sentence: str, *, stop: bool = False) -> None:
        """End the app.

        Args:
            code: The exit code.
            sentence: What to print afterwards.
            stop: Whether to stop was asked for, and not only to leave.
        """
        self.app.exit(ExitMessage(code, sentence, self.path, stop))

    def exit_sentence(self) -> str:
        """Return what to print when the app has ended: what becomes of the run, and how to come back."""
        name, snapshot = shown_path(self.path.stem), self.snapshot
        if self.engine_starting and not self.leaving:
            return goes_on(name, self.path, "starting", -1)
        if snapshot is None or not self.has_engine or self.leaving:
            return saved(name, self.path)
        return goes_on(name, self.path, snapshot.engine.state, snapshot.engine.step)

    def _learning_rate(self) -> float:
        if self.snapshot is None:
            return float("nan")
        return lr_in_force(self.snapshot.events, self.snapshot.lr_at(self.snapshot.last_step))

    def _refused_without_engine(self) -> bool:
        if self.has_engine:
            return False
        if self.snapshot is None or self.shows_origin:
            self.footer.say("the engine is still starting", severity="warning")
        else:
            why = ENDINGS.get(self.snapshot.engine.state, "there is none")
            self.footer.say(f"no engine: this is a replay ({why})", severity="warning")
        return True
