"""Commands to the engine: sent and awaited, from the screen on a thread, out of the keyboard's way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.errors import WntError
from engine.session.liveness import engine_alive
from engine.session.rows import Argument, CommandState
from engine.session.vocabulary import check_arguments

WAIT_SECONDS = 600.0
"""A step of a large network takes long; the answer comes after it."""


@dataclass(frozen=True, slots=True)
class CommandOutcome:
    """The end of a command.

    Attributes:
        name: The command.
        state: ``done``, ``refused``, or ``pending`` where the time was up before the engine answered.
        step: The step at which it took effect, or None.
        reply: A sentence of the engine's.
    """

    name: str
    state: CommandState
    step: int | None
    reply: str

    @property
    def done(self) -> bool:
        """Whether it was carried out."""
        return self.state == "done"

    @property
    def sentence(self) -> str:
        """The outcome for people."""
        if self.state == "pending":
            return f"{self.name}: sent; the engine lives, is busy with a step, and will answer after it."
        return self.reply or f"{self.name}: {self.state} at step {self.step}."


def ask(
    path: Path, name: str, arguments: Mapping[str, Argument] | None = None, *, sender: str, timeout: float
) -> CommandOutcome:
    """Send a command and wait for its outcome; a mark on a session without an engine is written into it."""
    if name == "mark" and not engine_alive(path):
        from engine.session.marks import put_mark

        given = check_arguments(name, arguments or {})
        event = put_mark(path, int(given["step"] or 0), str(given["note"]))
        return CommandOutcome(name, "done", event.step, f"Step {event.step} is marked.")
    from engine.session.commands import send, wait

    answer = wait(path, send(path, name, arguments, sender), timeout)
    return CommandOutcome(name, answer.state, answer.step, answer.reply)


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

    def send(self, name: str, arguments: Mapping[str, Argument] | None = None) -> None:
        """Send one of :data:`engine.session.COMMAND_NAMES`; its outcome is reported later."""
        self._unanswered.add(name)
        given = dict(arguments or {})
        threading.Thread(target=self._deliver, args=(name, given), name=f"command-{name}", daemon=True).start()

    def _deliver(self, name: str, arguments: dict[str, Argument]) -> None:
        try:
            outcome = ask(self._path, name, arguments, sender="viewer", timeout=WAIT_SECONDS)
        except WntError as error:
            outcome = CommandOutcome(name, "refused", None, str(error))
        self._unanswered.discard(name)
        self._report(outcome)
