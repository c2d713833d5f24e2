"""Commands to the engine from the screen: sent and awaited on a thread, off the keyboard's way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.errors import WntError
from engine.session.liveness import engine_alive

WAIT_SECONDS = 600.0
"""A step of a large network takes long; the answer comes after it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a command.

    Attributes:
        name: The command.
        done: Whether the engine did it.
        sentence: What to tell.
    """

    name: str
    done: bool
    sentence: str


class Commander:
    """Sends commands to one session's engine.

    Args:
        path: The session.
        tell: Called with each outcome, on the command's thread.
    """

    def __init__(self, path: Path, tell: Callable[[Outcome], None]) -> None:
        self._path = path
        self._tell = tell
        self._waiting: set[str] = set()

    def waits_for(self, name: str) -> bool:
        """Return whether such a command was sent and has not been answered."""
        return name in self._waiting

    def send(self, name: str, arguments: Mapping[str, int | float | str] | None = None) -> None:
        """Send a command; its outcome is told later.

        Args:
            name: One of :data:`engine.session.COMMAND_NAMES`.
            arguments: Its arguments.
        """
        self._waiting.add(name)
        given = dict(arguments or {})
        threading.Thread(target=self._deliver, args=(name, given), name=f"command-{name}", daemon=True).start()

    def mark(self, step: int, note: str) -> None:
        """Mark a step, through the engine where one lives, else in the session itself.

        Args:
            step: A recorded step.
            note: What to remember; may be empty.
        """
        threading.Thread(target=self._mark, args=(step, note), name="mark", daemon=True).start()

    def _mark(self, step: int, note: str) -> None:
        if engine_alive(self._path):
            self._deliver("mark", {"step": step, "note": note})
            return
        from engine.session.marks import put_mark

        try:
            put_mark(self._path, step, note)
        except WntError as error:
            self._tell(Outcome("mark", False, str(error)))
        else:
            self._tell(Outcome("mark", True, f"Step {step} is marked."))

    def _deliver(self, name: str, arguments: dict[str, int | float | str]) -> None:
        from engine.session import commands

        try:
            number = commands.send(self._path, name, arguments, sender="viewer")
            answer = commands.wait(self._path, number, timeout=WAIT_SECONDS)
            done = answer.state == "done"
            sentence = answer.reply or _sentence(name, answer.state, answer.step)
        except WntError as error:
            done, sentence = False, str(error)
        self._waiting.discard(name)
        self._tell(Outcome(name, done, sentence))


def _sentence(name: str, state: str, step: int | None) -> str:
    if state == "pending":
        return f"{name}: the engine has not answered yet"
    verb = {
        "pause": "paused",
        "resume": "resumed",
        "step": "stepped",
        "lr": "learning rate set",
        "rewind": "rewound",
        "stop": "stopped",
    }
    said = verb.get(name, name) if state == "done" else f"{name} refused"
    return said if step is None else f"{said} at step {step}"
