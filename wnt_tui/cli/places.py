"""Which file a command is about: where a new session goes, which ones there are, which one lives."""

from __future__ import annotations

import os
from pathlib import Path

from engine.errors import SessionError
from engine.session.living import living_sessions
from engine.session.paths import list_sessions, new_session_path
from engine.session.reader import SessionReader
from wnt_tui.cli.options import RunRequest


def session_for(request: RunRequest) -> Path:
    """The file a new run records in.

    Args:
        request: What the command line asks for.

    Returns:
        An absolute path at which there is nothing, in a folder that may be written to.
    """
    from wnt_tui.branching import writable

    return writable(new_session_path(request.config, request.session).absolute())


def require_readable(path: Path) -> None:
    """Refuse what is no session, while the terminal is still as it was.

    Args:
        path: The file.
    """
    with SessionReader(path):
        pass


def living() -> list[Path]:
    """The sessions whose engines live, at least one.

    Returns:
        Their paths, the one started last first.

    Raises:
        SessionError: No engine lives.
    """
    found = living_sessions()
    if not found:
        raise SessionError(
            "No engine is running here.",
            "`wnt-tui` starts one; `wnt-tui replay SESSION` opens what was recorded (`wnt-tui ls`).",
        )
    return found


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
