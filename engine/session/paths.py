"""Where sessions are: the folder they go to, a fresh name for a run, and the file that a few letters mean."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import platformdirs

from engine.config import RunConfig
from engine.errors import SessionError
from engine.session.liveness import lock_path

SUFFIX = ".wnt"
APPLICATION = "wnt-tui"

_LONGEST_NAME = 120


def sessions_folder() -> Path:
    """The folder that sessions are saved in and looked for.

    Returns:
        ``$WNT_SESSIONS``, else ``./sessions`` if there is one, else the user's data folder; it need not
        exist.
    """
    named = os.environ.get("WNT_SESSIONS")
    if named:
        return _at_home(named)
    here = Path("sessions")
    if here.is_dir():
        return here
    return platformdirs.user_data_path(APPLICATION, appauthor=False) / "sessions"


def session_name(config: RunConfig, now: datetime | None = None) -> str:
    """A readable file name for a run: network, loss and time in UTC.

    Args:
        config: The run.
        now: When it starts; None is now.

    Returns:
        For example ``relu-500x9-mse-20261123-204501.wnt``.
    """
    when = (now or datetime.now(UTC)).astimezone(UTC)
    return f"{config.activation}-{config.width}x{config.depth}-{config.loss}-{when:%Y%m%d-%H%M%S}{SUFFIX}"


def new_session_path(config: RunConfig, asked: str | Path | None = None) -> Path:
    """The path of a new session; its folder is made if it is the default one.

    Args:
        config: The run.
        asked: What ``--session`` said: a file (``.wnt`` is added where it has no suffix), or an existing
            folder, in which a fresh name is chosen; None is the sessions folder.

    Returns:
        A path at which nothing is.

    Raises:
        SessionError: Something is there already, or the folder does not exist or cannot be made.
    """
    if asked is not None:
        path = _at_home(asked)
        try:
            if path.is_dir():
                return _fresh(path, session_name(config))
            path = path if path.suffix else path.with_name(path.name + SUFFIX)
            taken, has_folder = path.exists(), path.parent.is_dir()
        except (OSError, ValueError) as error:
            raise SessionError(f"{path} cannot be a session: {error}.", "Give another --session.") from None
        if taken:
            raise SessionError(f"{path} exists already.", "Give another --session: nothing is overwritten.")
        if not has_folder:
            raise SessionError(f"There is no folder {path.parent}.", f"`mkdir -p {path.parent}` makes it.")
        return path
    folder = sessions_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SessionError(
            f"Cannot make the folder {folder}: {error.strerror or error}.",
            "Give --session PATH or set WNT_SESSIONS to a folder that you may write to.",
        ) from None
    return _fresh(folder, session_name(config))


def resolve_session(text: str | Path) -> Path:
    """The session that someone means.

    Args:
        text: A path, or the name of a session in the sessions folder; ``.wnt`` may be left out of both.

    Returns:
        An existing file.

    Raises:
        SessionError: There is no such session; the hint names the most similar ones.
    """
    given = _at_home(text)
    folder = sessions_folder()
    for base in (given, folder / given):
        for path in (base, base.with_name(base.name + SUFFIX) if base.name else base):
            if _is(path, Path.is_file):
                return path
    if _is(given, Path.is_dir):
        raise SessionError(f"{given} is a folder, not a session.", f"`wnt-tui ls {given}` lists its sessions.")
    near = difflib.get_close_matches(given.name, [path.stem for path in list_sessions(folder)], n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else "`wnt-tui ls` lists the sessions there are."
    raise SessionError(f"There is no session {text}.", hint)


def list_sessions(folder: str | Path | None = None) -> list[Path]:
    """The files in a folder that are named like sessions.

    Args:
        folder: The folder; None is the sessions folder.

    Returns:
        Paths, the one written last first; none if the folder cannot be read.
    """
    dated = []
    try:
        for path in Path(sessions_folder() if folder is None else folder).iterdir():
            if path.suffix == SUFFIX and not path.name.startswith(".") and path.is_file():
                dated.append((_last_written(path), path.name, path))
    except OSError:
        return []
    return [path for _, _, path in sorted(dated, reverse=True)]


def _last_written(path: Path) -> float:
    """Return when a session was last written; while it is live only its log grows."""
    times = [0.0]
    for candidate in (path, path.with_name(path.name + "-wal")):
        try:
            times.append(candidate.stat().st_mtime)
        except OSError:
            continue
    return max(times)


def _is(path: Path, kind: Callable[[Path], bool]) -> bool:
    """Return whether a path is of a kind; False also for names that cannot be and in folders that are closed."""
    try:
        return kind(path)
    except (OSError, ValueError):
        return False


def _at_home(text: str | Path) -> Path:
    """Return a path with a leading ``~`` resolved, or as it is if there is no such user."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def _fresh(folder: Path, name: str) -> Path:
    """Return a path in the folder at which there is neither a session nor an engine about to make one."""
    stem = re.sub(r"[^\w.+-]", "_", name.removesuffix(SUFFIX))[:_LONGEST_NAME]
    path, number = folder / f"{stem}{SUFFIX}", 1
    while path.exists() or path.is_symlink() or lock_path(path).exists():
        number += 1
        path = folder / f"{stem}-{number}{SUFFIX}"
    return path
