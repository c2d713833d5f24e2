"""The engine of the session on the screen: its state, commands to it, and how the app is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from textual.message import Message

from engine.paths import shown_path
from engine.record import lr_in_force
from wnt_tui.process.command_sender import CommandOutcome, CommandSender
from wnt_tui.process.engine_process import EngineProcess
from wnt_tui.process.exit_message import ExitMessage, goes_on, saved
from wnt_tui.screens.messages import CommandAnswered, Post
from wnt_tui.session.snapshot import Snapshot
from wnt_tui.theme.wording import short_number
from wnt_tui.widgets.footer import Footer
from wnt_tui.widgets.prompt import Prompt, Question, count_of_steps, learning_rate

if TYPE_CHECKING:
    from wnt_tui.process.branching import Branching

ENDINGS = {
    "died": "the engine died",
    "failed": "the engine failed",
    "diverged": "the run diverged",
    "stopped": "the engine has stopped",
    "finished": "the run is finished",
}
BLIND = "The engine cannot see that you watch (its .viewers file cannot be locked from here): it ends at its last step"


@dataclass(eq=False)
class BranchWanted(Message):
    """A branch is to be made and shown."""

    branching: Branching


@dataclass(eq=False)
class EngineControl:
    """Commands to the engine, and notices of its state."""

    path: Path  # the session
    process: EngineProcess | None  # the engine that was started for it, if this viewer started one
    footer: Footer
    prompt: Prompt
    post: Post
    exit: Callable[[ExitMessage], object]  # ends the app
    snapshot: Snapshot | None = None  # the session's own newest state; None while only its parent's rows are shown

    def __post_init__(self) -> None:
        self.commander = CommandSender(self.path, lambda outcome: self.post(CommandAnswered(outcome)))
        self._began = time.monotonic()
        self._stopping = False

    # State

    @property
    def alive(self) -> bool:
        """Whether an engine lives that can be sent commands."""
        return self.snapshot is not None and self.snapshot.engine.alive

    @property
    def waits(self) -> bool:
        """Whether the engine lives and waits for a command."""
        return self.snapshot is not None and self.alive and self.snapshot.engine.state in {"paused", "finished"}

    @property
    def starting(self) -> bool:
        """Whether an engine was started for this session that cannot be sent commands yet."""
        return self.process is not None and not self.process.ended and not self.alive

    def update(self, snapshot: Snapshot) -> None:
        """Take a new state of the session: say how the engine ended; if it was to stop, leave."""
        engine, before = snapshot.engine, self.snapshot.engine.state if self.snapshot is not None else ""
        self.snapshot = snapshot
        if self._stopping and not engine.alive:
            self.leave(stop=True)
        if engine.state != before and engine.state in ENDINGS and engine.message:
            bad = engine.state in {"died", "failed", "diverged"}
            more = " space goes on" if engine.alive else ""
            self.footer.say(engine.message + more, "error" if bad else "information", lasting=bad)
        elif not before and engine.alive and not engine.sees_viewer:
            self.footer.say(BLIND, "warning", lasting=True)

    def start_phrase(self) -> str:
        """What is said while the engine starts, "" afterwards; leave if it ends before the first step."""
        if self.process is None:
            return ""
        recorded = self.snapshot is not None and self.snapshot.rows > 0
        if self.process.ended and self._stopping:
            nothing = f"{shown_path(self.path.stem)} was stopped before its first step: nothing was recorded."
            self.leave(0, self._fate() if Path(self.path).exists() else nothing, stop=True)
        elif self.process.ended and not recorded:
            reason = self.snapshot.engine.message if self.snapshot is not None else ""
            self.leave(1, f"The engine ended before the first step: {reason or self.process.reason_of_end()}")
        return "" if recorded else f"starting engine… {time.monotonic() - self._began:.0f} s"

    # Commands

    def toggle(self) -> None:
        """Pause, or resume."""
        if self._can_command():
            name = "resume" if self.waits else "pause"
            self.footer.say(f"{name} …", lasting=True)
            self.commander.send(name)

    def train(self, count: int) -> None:
        """Train a number of steps, unless the engine is still busy with the last request."""
        if self._can_command() and not self.commander.is_waiting_for("step"):
            if count > 1:
                self.footer.say(f"{count} steps …", lasting=True)
            self.commander.send("step", {"n": count})

    def rewind(self, step: int) -> None:
        """Take a waiting engine back to a step."""
        if not self._can_command():
            return
        if not self.waits:
            self.footer.say("space pauses it first: only a paused engine goes back", "warning")
            return
        self.footer.say(f"rewinding to step {step} …", lasting=True)
        self.commander.send("rewind", {"step": step})

    def record_spectra(self) -> None:
        """Have the engine record whole spectra at its next row."""
        if self._can_command():
            self.footer.say("spectra …", lasting=True)
            self.commander.send("spectra")

    def ask_steps(self, train: Callable[[int], None]) -> None:
        """Ask how many steps to train."""
        if self._can_command():
            self.prompt.ask(Question("train how many steps", count_of_steps, train))

    def ask_rate(self) -> None:
        """Ask for a learning rate; where the engine was taken back another rate is another run: a branch."""
        snapshot = self.snapshot
        if not self._can_command() or snapshot is None:
            return
        if not snapshot.engine_behind:
            now = short_number(lr_in_force(snapshot.events, snapshot.lr_at(snapshot.last_step)))
            self.prompt.ask(Question(f"learning rate (now {now})", learning_rate, self._set_rate))
            return
        from wnt_tui.process.branching import Branching

        step = snapshot.engine.step
        self.prompt.ask(Question(
            f"learning rate of a branch from step {step}",
            lambda text: Branching(self.path, step, {"lr": learning_rate(text)}),
            self._branch,
        ))  # fmt: skip

    def _set_rate(self, rate: float) -> None:
        self.footer.say(f"learning rate {short_number(rate)} …", lasting=True)
        self.commander.send("lr", {"lr": rate})

    def ask_branch(self, step: int) -> None:
        """Ask which options a branch from a step changes."""
        if not self.rows_or_notice("branch from"):
            return
        from wnt_tui.process.branching import Branching, parse_changes

        self.prompt.ask(Question(
            f"branch from step {step} with",
            lambda text: Branching(self.path, step, parse_changes(self.path, step, text)),
            self._branch,
            "lr=.005 steps=200 · esc: cancel",
            width=30,
        ))  # fmt: skip

    def _branch(self, branching: Branching) -> None:
        self.post(BranchWanted(branching))

    def answered(self, outcome: CommandOutcome) -> None:
        """Say how the engine has answered a command."""
        stopped = outcome.name == "stop" and outcome.done
        if outcome.name == "stop":
            self._stopping = self._stopping and outcome.done
        if stopped and not self.alive:
            self.leave(stop=True)
        else:
            self.footer.say(outcome.sentence, "information" if outcome.done else "error", lasting=stopped)

    def snapshot_or_notice(self) -> Snapshot | None:
        """The session's own newest state; where there is none yet a notice says so."""
        if self.snapshot is None:
            self.footer.say("the engine is still starting", "warning")
        return self.snapshot

    def rows_or_notice(self, purpose: str) -> bool:
        """Whether the session has rows; if not, a notice says that there is no step yet for a purpose."""
        snapshot = self.snapshot_or_notice()
        if snapshot is not None and not snapshot.rows:
            self.footer.say(f"there is no step yet to {purpose}", "warning")
        return snapshot is not None and snapshot.rows > 0

    def _can_command(self) -> bool:
        """Whether an engine lives; if not, a notice says why."""
        snapshot = self.snapshot_or_notice()
        if snapshot is not None and not self.alive:
            why = ENDINGS.get(snapshot.engine.state, "there is none")
            self.footer.say(f"no engine: this is a replay ({why})", "warning")
        return self.alive

    # The way out

    def stop(self) -> None:
        """Stop the engine, which saves, and leave; without an engine just leave."""
        if self.starting and self.process is not None:
            if not self._stopping:  # a second signal would not let it save
                self._stopping = True
                self.footer.say("stopping the engine that is starting … (q leaves at once)", lasting=True)
                self.process.stop()
        elif not self.alive:
            self.leave(stop=True)
        elif not self.commander.is_waiting_for("stop"):
            self._stopping = True
            self.footer.say("stopping after the step at hand … (q leaves at once)", lasting=True)
            self.commander.send("stop")

    def explain_leaving(self) -> None:
        """Say how to leave."""
        living = "q leaves, training goes on · Q stops the engine, saves and leaves"
        self.footer.say(living if self.alive else "q leaves")

    def leave(self, code: int = 0, sentence: str = "", *, stop: bool = False) -> None:
        """End the app with a sentence, by default on what becomes of the run; ``stop``: its engine was to stop."""
        self.exit(ExitMessage(code, sentence or self._fate(), self.path, stop))

    def _fate(self) -> str:
        name, snapshot = shown_path(self.path.stem), self.snapshot
        if self.starting and not self._stopping:
            return goes_on(name, self.path, "starting", -1)
        if snapshot is None or not self.alive or self._stopping:
            return saved(name, self.path)
        return goes_on(name, self.path, snapshot.engine.state, snapshot.engine.step)
