"""Which file a command is about: where a new session goes, which ones there are, which one lives."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.config import RunConfig
from engine.errors import SessionError
from engine.history.recorded import RecordedRun
from engine.session.living import living_sessions
from engine.session.paths import list_sessions, new_session_path, resolve_session
from engine.session.reader import SessionReader
from wnt_tui.cli.options import RunRequest


def session_for(request: RunRequest) -> Path:
    """The file a new run records in.

    Args:
        request: What the command line asks for.

    Returns:
        An absolute path at which there is nothing, in a folder that may be written to.

    Raises:
        SessionError: There is no such place.
    """
    return _writable(new_session_path(request.config, request.session).absolute())


def session_for_branch(source: Path, step: int, changes: Mapping[str, Any], asked: Path | None) -> tuple[Path, Path]:
    """The file that a branch begins in and the one it records in; refused here, where a sentence can still be read.

    Args:
        source: The session to branch from, as it was named.
        step: Where.
        changes: Options that change.
        asked: What ``--session`` said; None is a fresh name beside the parent, or in the usual place.

    Returns:
        The parent and the branch, absolute.
    """
    parent = resolve_session(source).absolute()
    with SessionReader(parent) as reader:
        recorded = RecordedRun(reader)
        recorded.require(step)
        config = RunConfig.from_mapping(recorded.config.to_dict() | dict(changes))
    beside = parent.parent if asked is None and os.access(parent.parent, os.W_OK | os.X_OK) else asked
    return parent, _writable(new_session_path(config, beside).absolute())


def _writable(path: Path) -> Path:
    # Asked here, where a sentence can still be read, and not by an engine that has no terminal.
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise SessionError(
            f"The folder {path.parent} is not writable.",
            "Choose another place with --session PATH, or set WNT_SESSIONS.",
        )
    return path


def require_readable(path: Path) -> None:
    """Refuse what is no session, while the terminal is still as it was.

    Args:
        path: The file.
    """
    with SessionReader(path):
        pass


def newest_living() -> Path:
    """The session whose engine was started last.

    Returns:
        Its path.

    Raises:
        SessionError: No engine lives.
    """
    living = living_sessions()
    if not living:
        raise SessionError(
            "No engine is running here.",
            "`wnt-tui` starts one; `wnt-tui replay SESSION` opens what was recorded (`wnt-tui ls`).",
        )
    return living[0]


def sessions_in(folder: Path | None) -> list[Path]:
    """Sessions of a folder; of the usual one together with the living ones of all folders.

    Args:
        folder: The folder, or None for the usual one.

    Returns:
        Paths, each file once, the newest first.

    Raises:
        SessionError: There is no such folder.
    """
    if folder is not None and not folder.is_dir():
        raise SessionError(f"There is no folder {folder}.", "`wnt-tui ls` lists the usual one.")
    found = [] if folder is not None else living_sessions()
    known = {os.path.realpath(path) for path in found}
    return [*found, *(path for path in list_sessions(folder) if os.path.realpath(path) not in known)]
