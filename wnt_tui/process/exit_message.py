"""The app's end: an exit code, and sentences about the runs that it has shown."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from engine.errors import WntError
from engine.paths import named_path, shell_path
from engine.session.liveness import engine_alive, viewer_attached
from engine.session.reader import SessionReader

_PATIENCE = 10.0
"""Seconds in which a waiting engine saves and ends; it does so at once."""

LEAVING_SECONDS = 1.0
"""Seconds in which sessions are read before leaving: a disk that does not answer is not waited for."""

_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class ExitMessage:
    """The app's result.

    Attributes:
        code: The exit code.
        sentence: What to print once the terminal is as it was before.
        session: The session that was on the screen, None if there was none.
        stop: Whether to stop was asked for, and not only to leave.
    """

    code: int
    sentence: str
    session: Path | None = None
    stop: bool = False


def saved(name: str, session: Path, how: str = "is saved") -> str:
    """The sentence about a run whose engine has ended, or is about to."""
    return f"{name} {how}. Look at it again: wnt-tui replay {_typed(session)}"


def goes_on(name: str, session: Path, state: str, step: int) -> str:
    """The sentence about a run whose engine lives, in this state at this step, when nobody looks any more."""
    if state == "finished":  # its engine waits some seconds for another viewer
        return saved(name, session, "has finished and is saved")
    fate = f"waits at step {step} and is ended and saved after an hour without a viewer"
    return f"{name} {fate if state == 'paused' else 'goes on without you'}. Come back: wnt-tui attach {_typed(session)}"


def messages_for_other_runs(sessions: Iterable[Path], *, stop: bool) -> list[str]:
    """Sentences about the runs that are not on the screen when the app is left: parents of branches, and branches.

    A run that trains goes on. One that waits would hold its memory for an hour, and nobody would know: where to stop
    was asked for it is ended in order, unless another viewer looks at it.

    Args:
        sessions: The sessions; those without an engine are passed over.
        stop: Whether to stop was asked for.

    Returns:
        A sentence or two for each whose engine lived; none of those that could not be read in time.
    """
    found: list[str] = []

    def find() -> None:
        for session in sessions:
            try:
                with SessionReader(session) as reader:
                    name, engine = reader.name, reader.engine()
            except WntError:
                continue
            if not engine.alive:
                continue
            if stop and engine.state in {"paused", "finished"} and _stopped(session):
                found.append(saved(f"{name}, which waited at step {engine.step},", session, "is saved too"))
            else:
                found.append(goes_on(name, session, engine.state, engine.step))

    # A daemon: the interpreter ends without it.
    finding = threading.Thread(target=find, daemon=True)
    finding.start()
    # An engine that is stopped has its own patience; the reads around it have as much as those of who only leaves.
    finding.join(LEAVING_SECONDS + (_PATIENCE if stop else 0.0))
    return list(found)


def _typed(session: Path) -> str:
    """A session as a shell takes it."""
    return shell_path(os.path.relpath(session) if session.is_relative_to(named_path(".")) else session)


def _stopped(session: Path) -> bool:
    """Stop a waiting engine at which nobody looks; whether it has ended."""
    from wnt_tui.process.command_sender import ask

    deadline = time.monotonic() + _PATIENCE
    # This viewer's own marks go with its threads, which end a moment after the screen.
    while viewer_attached(session) is not False:
        if time.monotonic() > deadline - 0.9 * _PATIENCE:
            return False
        time.sleep(_POLL_SECONDS)
    try:
        if ask(session, "stop", sender="viewer", timeout=_PATIENCE).state != "done":
            return False
    except WntError:  # it has ended by itself meanwhile
        return not engine_alive(session)
    while engine_alive(session) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return not engine_alive(session)
