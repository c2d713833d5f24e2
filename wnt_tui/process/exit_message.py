"""How the app ends: with an exit code and sentences about what becomes of the runs that it has shown."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from engine.errors import WntError
from engine.paths import named_path, shell_path
from engine.session.liveness import engine_alive, viewer_attached
from engine.session.reader import SessionReader

_PATIENCE = 10.0
"""Seconds in which a waiting engine saves and ends; it does so at once."""

LEAVING_SECONDS = 1.0

_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Farewell:
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
    """Return what is said of a run whose engine has ended, or is about to."""
    return f"{name} {how}. Look at it again: wnt-tui replay {_where(session)}"


def left(name: str, session: Path, state: str, step: int) -> str:
    """What becomes of a run whose engine lives when nobody looks any more.

    Args:
        name: The session's name.
        session: The session.
        state: The engine's state.
        step: Where it is.

    Returns:
        That, and how to come back.
    """
    if state == "finished":  # its engine waits some seconds for another viewer
        return saved(name, session, "has finished and is saved")
    fate = f"waits at step {step} and is ended and saved after an hour without a viewer"
    return f"{name} {fate if state == 'paused' else 'goes on without you'}. Come back: wnt-tui attach {_where(session)}"


def of_the_others(sessions: Iterable[Path], *, stop: bool) -> list[str]:
    """What becomes of the runs that are not on the screen when the app is left: parents of branches, and branches.

    A run that trains goes on. One that waits has nothing to do before somebody comes back: it says so, and is ended
    in order where to stop was asked for, unless another viewer looks at it. Otherwise it would hold its memory for an
    hour, and nobody would know.

    Args:
        sessions: The sessions; those without an engine are passed over.
        stop: Whether to stop was asked for.

    Returns:
        A sentence or two for each whose engine lived.
    """
    told = []
    for session in sessions:
        try:
            with SessionReader(session) as reader:
                name, engine = reader.name, reader.engine()
        except WntError:
            continue
        if not engine.alive:
            continue
        if stop and engine.state in {"paused", "finished"} and _stopped(session):
            told.append(saved(f"{name}, which waited at step {engine.step},", session, "is saved too"))
        else:
            told.append(left(name, session, engine.state, engine.step))
    return told


def in_time(tell: Callable[[], list[str]], stop: bool) -> list[str]:
    """What is to be told if it can be found in time: who leaves does not wait for a disk that does not answer.

    Args:
        tell: Finds it.
        stop: Whether engines are stopped for it, which is waited for.

    Returns:
        The sentences, none if they could not be found.
    """
    told: list[str] = []
    # A daemon: the interpreter ends without it.
    finding = threading.Thread(target=lambda: told.extend(tell()), daemon=True)
    finding.start()
    # An engine that is stopped has its own patience; the reads around it have as much as those of who only leaves.
    finding.join(LEAVING_SECONDS + (_PATIENCE if stop else 0.0))
    return list(told)


def _where(session: Path) -> str:
    """Return a session as a shell takes it."""
    return shell_path(os.path.relpath(session) if session.is_relative_to(named_path(".")) else session)


def _stopped(session: Path) -> bool:
    """Stop a waiting engine at which nobody looks; whether it has ended."""
    from engine.session.commands import send, wait

    deadline = time.monotonic() + _PATIENCE
    # This viewer's own marks go with its threads, which end a moment after the screen.
    while viewer_attached(session) is not False:
        if time.monotonic() > deadline - 0.9 * _PATIENCE:
            return False
        time.sleep(_POLL_SECONDS)
    try:
        if wait(session, send(session, "stop", sender="viewer"), timeout=_PATIENCE).state != "done":
            return False
    except WntError:  # it has ended by itself meanwhile
        return not engine_alive(session)
    while engine_alive(session) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return not engine_alive(session)
