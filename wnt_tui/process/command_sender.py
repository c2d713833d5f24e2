"""Commands to the engine from the screen: sent and awaited on a thread, out of the keyboard's way."""

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
class CommandOutcome:
    """What became of a command: its name, whether the engine did it, and a sentence."""

    name: str
    done: bool
    sentence: str


class CommandSender:
    """Sends commands to one session's engine.

    Args:
        path: The session.
        report: Called with each outcome, on the command's thread.
    """

    def __init__(self, path: Path, report: Callable[[CommandOutcome], None]) -> None:
        self._path = path
        self._report = report
        self._unanswered: set[str] = set()

    def is_waiting_for(self, name: str) -> bool:
        """Whether such a command was sent and has not been answered."""
        return name in self._unanswered

    def send(self, name: str, arguments: Mapping[str, int | float | str] | None = None) -> None:
        """Send one of :data:`engine.session.COMMAND_NAMES`; its outcome is reported later."""
        self._unanswered.add(name)
        given = dict(arguments or {})
        threading.Thread(target=self._deliver, args=(name, given), name=f"command-{name}", daemon=True).start()

    def mark(self, step: int, note: str) -> None:
        """Mark a recorded step, through the engine where one lives, else in the session itself."""
        threading.Thread(target=self._mark, args=(step, note), name="mark", daemon=True).start()

    def _mark(self, step: int, note: str) -> None:
        if engine_alive(self._path):
            self._deliver("mark", {"step": step, "note": note})
            return
        from engine.session.marks import put_mark

        try:
            put_mark(self._path, step, note)
        except WntError as error:
            self._report(CommandOutcome("mark", False, str(error)))
        else:
            self._report(CommandOutcome("mark", True, f"Step {step} is marked."))

    def _deliver(self, name: str, arguments: dict[str, int | float | str]) -> None:
        from engine.session import commands

        try:
            number = commands.send(self._path, name, arguments, sender="viewer")
            answer = commands.wait(self._path, number, timeout=WAIT_SECONDS)
            done, sentence = answer.state == "done", commands.sentence_of_answer(name, answer)
        except WntError as error:
            done, sentence = False, str(error)
        self._unanswered.discard(name)
        self._report(CommandOutcome(name, done, sentence))
