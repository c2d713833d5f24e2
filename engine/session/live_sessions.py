"""Which engines live: a small file each in the user's state folder, so that ``attach`` works from any folder.

Only a hint where to look: whether an engine lives is asked of its session's lock. Entries of engines that are
gone are removed by whoever reads them; entries of other machines (a home folder on the network) are left
alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import time
from pathlib import Path

import platformdirs

from engine.session.liveness import engine_alive
from engine.session.locations import APPLICATION

_LONGEST_ENTRY = 65_536


def register(session: str | Path) -> bool:
    """List a session whose engine holds the lock; return whether the state folder could be written."""
    real = os.path.realpath(session)
    entry = {"session": real, "host": socket.gethostname(), "pid": os.getpid(), "started": time.time()}
    path = _entry_path(real)
    draft = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft.write_text(json.dumps(entry), encoding="utf-8")
        draft.replace(path)
    except (OSError, UnicodeError):
        return False
    return True


def unregister(session: str | Path) -> None:
    """Take a session off the list; does nothing if it is not on it."""
    with contextlib.suppress(OSError):
        _entry_path(os.path.realpath(session)).unlink()


def live_sessions() -> list[Path]:
    """The sessions whose engines live and can be seen from here, the one started last first."""
    try:
        entries = [path for path in _folder().iterdir() if path.suffix == ".json"]
    except OSError:
        return []
    found = []
    for path in entries:
        entry = _read(path)
        session = entry.get("session")
        started = entry.get("started")
        if not isinstance(session, str) or "\0" in session or not _is_encodable(session):
            _remove(path)
        elif engine_alive(session):
            found.append((started if isinstance(started, (int, float)) else 0.0, session))
        elif entry.get("host") == socket.gethostname():
            _remove(path)
    return [Path(session) for _, session in sorted(found, reverse=True)]


def _folder() -> Path:
    return platformdirs.user_state_path(APPLICATION, appauthor=False) / "living"


def _entry_path(real: str) -> Path:
    name = hashlib.sha256(f"{socket.gethostname()}\0{real}".encode("utf-8", "surrogateescape")).hexdigest()
    return _folder() / f"{name[:32]}.json"


def _is_encodable(text: str) -> bool:
    """Whether a text can be a file's name: bytes that are no UTF-8 stand in it as surrogates, others not."""
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True


def _read(path: Path) -> dict[str, object]:
    try:
        with path.open(encoding="utf-8") as file:
            entry = json.loads(file.read(_LONGEST_ENTRY))
    except (OSError, ValueError, RecursionError):
        return {}
    return entry if isinstance(entry, dict) else {}


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
