"""Places of sessions: the folder they go to, and the file that a few letters mean."""

from __future__ import annotations

import difflib
import os
import stat
from pathlib import Path

import platformdirs

from engine.errors import SessionError
from engine.paths import existing_path, is_folder, named_path, real_path, shell_path, shown_path

SUFFIX = ".wnt"
APPLICATION = "wnt-tui"


def sessions_folder() -> Path:
    """Return ``$WNT_SESSIONS``, else ``./sessions`` if it exists, else the user's data folder."""
    named = os.environ.get("WNT_SESSIONS")
    if named:
        return existing_path(named)
    here = named_path("sessions")
    if is_folder(here):
        return here
    return platformdirs.user_data_path(APPLICATION, appauthor=False) / "sessions"


def resolve_session(text: str | Path) -> Path:
    """The path of the session that someone means, links followed: one path however it is named.

    Args:
        text: A path, or the name of a session in the sessions folder; ``.wnt`` may be left out, and escapes are read.

    Returns:
        The path of an existing file.

    Raises:
        SessionError: There is no such session, or it cannot be looked at; the hint names the most similar ones.
    """
    given, folder = Path(text), sessions_folder()
    trouble = directory = None
    for base in (named_path(text), folder / given):
        for path in (base, base.with_name(base.name + SUFFIX) if base.name else base):
            path = existing_path(path)
            try:
                kind = path.stat().st_mode
            except FileNotFoundError:
                if path.is_symlink():
                    trouble = trouble or f"{path} is a link to nothing"
            except (OSError, ValueError) as error:
                trouble = trouble or _trouble(path, error)
            else:
                if not stat.S_ISDIR(kind):
                    return real_path(path)
                directory = directory or path
    if directory is not None:
        raise SessionError(
            f"{directory} is a folder, not a session.", f"`wnt-tui ls {shell_path(directory)}` lists its sessions."
        )
    if trouble:
        raise SessionError(f"{trouble}.", "`wnt-tui ls` lists the sessions there are.")
    raise SessionError(f"There is no session {text}.", _similar(given.name, folder))


def list_sessions(folder: str | Path | None = None) -> list[Path]:
    """A folder's files named like sessions, the one written last first, each once; [] if it is missing."""
    # However many links lead to a file. What they are turns out when they are opened.
    place = sessions_folder() if folder is None else existing_path(folder)
    try:
        paths = [path for path in place.iterdir() if path.suffix == SUFFIX and not path.name.startswith(".")]
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise SessionError(f"{_trouble(place, error)}.", "`wnt-tui ls DIR` lists another folder.") from None
    found: dict[Path, tuple[float, str, Path]] = {}
    for path in sorted(paths):
        real = real_path(path)
        if is_folder(path) or (real in found and path.is_symlink()):
            continue
        found[real] = (_last_written(real), path.name, path)
    return [path for _, _, path in sorted(found.values(), reverse=True)]


def _trouble(path: Path, error: OSError | ValueError) -> str:
    """Why a path cannot be looked at, without a full stop."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"Cannot open {path if len(path.name) < 1000 else 'this path'}: {reason}"


def _similar(name: str, folder: Path) -> str:
    """The way out where there is no session of a name."""
    try:
        stems = [path.stem for path in list_sessions(folder)]
    except SessionError:
        stems = []
    near = difflib.get_close_matches(name, stems, n=3, cutoff=0.5)
    words = " or ".join(map(shown_path, near))
    return f"Did you mean {words}?" if near else "`wnt-tui ls` lists the sessions there are."


def _last_written(real: Path) -> float:
    """When a session was last written; while it is live only its log grows."""
    times = [0.0]
    for candidate in (real, real.with_name(real.name + "-wal")):
        try:
            times.append(candidate.stat().st_mtime)
        except (OSError, ValueError):
            continue
    return max(times)
