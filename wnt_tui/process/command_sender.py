"""Commands to the engine from the screen: sent and awaited on a thread, out of the keyboard's way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.errors import WntError
from engine.session.liveness import engine_alive
from engine.session.rows import Argument, CommandAnswer
from engine.session.vocabulary import check_arguments

WAIT_SECONDS = 600.0
"""A step of a large network takes long; the answer comes after it."""


@dataclass(frozen=True, slots=True)
class CommandOutcome:
    """What became of a command: its name, whether the engine did it, and a sentence."""

    name: str
    done: bool
    sentence: str


def ask(
    path: Path, name: str, arguments: Mapping[str, Argument] | None = None, *, sender: str, timeout: float
) -> CommandAnswer:
    """The answer to a command; a mark on a session without an engine is written into it."""
    if name == "mark" and not engine_alive(path):
        from engine.session.marks import put_mark

        given = check_arguments(name, arguments or {})
        event = put_mark(path, int(given["step"] or 0), str(given["note"]))
        return CommandAnswer(0, "done", event.step, f"Step {event.step} is marked.")
    from engine.session.commands import send, wait

    return wait(path, send(path, name, arguments, sender), timeout)


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
        from engine.session.commands import sentence_of_answer

        try:
            answer = ask(self._path, name, arguments, sender="viewer", timeout=WAIT_SECONDS)
            done, sentence = answer.state == "done", sentence_of_answer(name, answer)
        except WntError as error:
            done, sentence = False, str(error)
        self._unanswered.discard(name)
        self._report(CommandOutcome(name, done, sentence))
