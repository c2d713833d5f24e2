"""Which file a command is about: where a new session goes, which ones there are, which one lives."""

from __future__ import annotations

import os
from pathlib import Path

import click

from engine.errors import SessionError
from engine.paths import existing_path, real_path
from engine.session.liveness import EngineLock
from engine.session.living import living_sessions
from engine.session.locations import list_sessions
from engine.session.reader import SessionReader
from wnt_tui.cli.options import RunRequest


def session_for(request: RunRequest) -> EngineLock:
    """The file a new run records in.

    Args:
        request: What the command line asks for.

    Returns:
        The lock of an absolute path at which there is nothing, in a folder that may be written to.

    Raises:
        WntError: The data or the device are not there, or nothing can be recorded at that place.
    """
    from engine.data.presence import require_data
    from engine.device.name import require_driver
    from engine.session.reservation import reserve_session

    # Said now, and not by an engine that takes seconds to start, beneath a screen that shows nothing.
    require_driver(request.config.device)
    require_data(request.config)
    return reserve_session(request.config, request.session)


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
        SessionError: There is no such folder, or it cannot be read.
    """
    if folder is not None:
        folder = existing_path(folder)
        if not os.path.lexists(folder) and os.access(folder.parent, os.X_OK):
            raise SessionError(f"There is no folder {folder}.", "`wnt-tui ls` lists the usual one.")
        return list_sessions(folder)
    found = living_sessions()
    known = {real_path(path) for path in found}
    try:
        recorded = list_sessions()
    except SessionError as error:
        if not found:
            raise
        click.echo(f"wnt-tui: {error.message}", err=True)
        recorded = []
    return [*found, *(path for path in recorded if real_path(path) not in known)]
