"""A place for a new session, kept from the moment that it is chosen: the lock that its engine will hold is taken then.

Runs that are started at the same moment, by whomever, never choose the same name: whoever has the lock has the name.
The lock is handed to the engine (:meth:`EngineLock.hand_over`), so that nobody can come between.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

from engine.config import RunConfig
from engine.errors import SessionError
from engine.paths import beside_links, existing_path, is_folder, shell_path
from engine.session.filesystem import side_files
from engine.session.liveness import EngineLock, lock_path
from engine.session.locations import SUFFIX, sessions_folder
from engine.session.opening import LONGEST_PATH

_LONGEST_FRESH = 120
_LONGEST_NAME = 220
"""Bytes of a session's name: the files beside it have longer ones, and most file systems end at 255."""

_LONGEST_PATH = LONGEST_PATH - 80
"""The same of its whole path: it is made as a draft, with a journal."""


def session_name(config: RunConfig, now: datetime | None = None) -> str:
    """A readable file name for a run, with the time in UTC: ``relu-500x9-mse-20261123-204501.wnt``."""
    when = (now or datetime.now(UTC)).astimezone(UTC)
    return f"{config.activation}-{config.width}x{config.depth}-{config.loss}-{when:%Y%m%d-%H%M%S}{SUFFIX}"


def reserve_session(config: RunConfig, asked: str | Path | None = None) -> EngineLock:
    """The lock, held, of the path of a new session; a SessionError where nothing can be made."""
    # What ``--session`` asks for is a file (.wnt is added where it has no suffix of letters), or a folder, in which a
    # fresh name is chosen; without it, the sessions folder, made if need be.
    if asked is None:
        return _fresh(_made(sessions_folder()), session_name(config))
    path = beside_links(existing_path(asked))
    if is_folder(path):
        return _fresh(path, session_name(config))
    # In `lr0.01` the digits are no suffix: without one the run would be in no listing.
    return _reserved(path if path.suffix[1:].isalpha() else existing_path(path.with_name(path.name + SUFFIX)))


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SessionError(
            f"Cannot make the folder {folder}: {error.strerror or error}.",
            "Give --session PATH or set WNT_SESSIONS to a folder that you may write to.",
        ) from None
    return folder


def _reserved(path: Path) -> EngineLock:
    """Take the lock of the very file that was asked for."""
    _refuse_long(path)
    taken = SessionError(f"{path} exists already.", "Give another --session: nothing is overwritten.")
    if os.path.lexists(path):
        raise taken
    if not is_folder(path.parent):
        raise SessionError(f"There is no folder {path.parent}.", f"`mkdir -p {shell_path(path.parent)}` makes it.")
    _require_writable(path.parent)
    lock = EngineLock(path)
    lock.acquire()
    if os.path.lexists(path):  # somebody was quicker, and has ended
        lock.release()
        raise taken
    return lock


def _refuse_long(path: Path) -> None:
    """Refuse a path for which SQLite, or a file beside it, has no room."""
    for size, most, what in (
        (len(os.fsencode(path.name)), _LONGEST_NAME, "name"),
        (len(os.fsencode(path)), _LONGEST_PATH, "path"),
    ):
        if size > most:
            raise SessionError(
                f"A session's {what} cannot be {size} bytes long.", f"Give a --session of at most {most}."
            )


def _fresh(folder: Path, name: str) -> EngineLock:
    """Take the lock of a name in the folder at which there is neither a session nor an engine about to make one."""
    _require_writable(folder)
    _refuse_long(folder / name)
    stem = re.sub(r"[^\w.+-]", "_", name.removesuffix(SUFFIX))[:_LONGEST_FRESH]
    path, number = folder / f"{stem}{SUFFIX}", 1
    while (lock := _lock_of_nothing(path)) is None:
        number += 1
        path = folder / f"{stem}-{number}{SUFFIX}"
    return lock


def _lock_of_nothing(path: Path) -> EngineLock | None:
    """The lock of a path at which nothing is, None where something is or somebody else has it."""
    if os.path.lexists(path) or side_files(path):
        return None
    lock = EngineLock(path)
    try:
        if not lock.try_acquire():
            return None
    except SessionError:
        if os.path.lexists(lock_path(path)):  # another user's, left over
            return None
        raise
    if os.path.lexists(path):
        lock.release()
        return None
    return lock


def _require_writable(folder: Path) -> None:
    # Asked here, where a sentence can still be read, and not by an engine that has no terminal.
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SessionError(
            f"The folder {folder} is not writable.",
            "Choose another place with --session PATH, or set WNT_SESSIONS.",
        )
