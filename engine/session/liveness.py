"""Presence: the engine's lock, which is its liveness, and the mark of a viewer that is looking.

Both are ``flock`` on a small file beside the session. The system drops them when their process ends, however
it ends; a pid check would take a viewer's own unreaped child for alive. Whether a process that is there also goes on,
its heartbeat in the lock file says. The pid in the lock file and in the session is for people only.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Generator
from pathlib import Path
from types import TracebackType
from typing import Self

from engine.errors import SessionError
from engine.paths import real_path, shell_path
from engine.session.file_lock import is_held, lock_file
from engine.session.filesystem import own_copy
from engine.session.heartbeat import AT, ROOM, Heartbeat, read_lock_file

_PATIENCE = 1.0
"""Seconds in which a taker tries again: someone who only asks holds a shared lock for some microseconds."""


def lock_path(session: str | Path) -> Path:
    """Return ``SESSION.lock``, whose lock the engine holds for life; a file has one lock under all its names."""
    return _beside(session, ".lock")


def viewers_path(session: str | Path) -> Path:
    """Return ``SESSION.viewers``, on which the session's viewers hold shared locks."""
    return _beside(session, ".viewers")


def engine_alive(session: str | Path) -> bool:
    """Whether an engine holds the session's lock; asking disturbs nobody and needs no write permission."""
    return is_held(lock_path(session), fcntl.LOCK_SH) is True


def viewer_attached(session: str | Path) -> bool | None:
    """Whether a :func:`viewer_mark` lasts; None where another's file there may not be read."""
    return is_held(viewers_path(session), fcntl.LOCK_EX)


class EngineLock:
    """The lock that an engine holds for life; a second engine on the same session is refused.

    Use it as a context manager around everything that writes. The file is removed on an orderly end and
    otherwise left, unlocked, which means the same. A process may take the lock and hand it to the one that becomes
    the engine: it belongs to the open file and not to the process.

    Args:
        session: The session file, which need not exist yet; its folder must.
        descriptor: What :meth:`hand_over` returned in the process that started this one; None takes the lock here.
    """

    def __init__(self, session: str | Path, descriptor: int | None = None) -> None:
        self.session = Path(session)
        self._path = lock_path(session)
        self._fd = None if descriptor is None else _inherited(self._path, descriptor)
        self._named = False
        self._heartbeat: Heartbeat | None = None

    def heartbeat(self) -> Heartbeat:
        """Give signs of life from now on, until the lock, which must be held, is given back."""
        if self._fd is None:
            raise RuntimeError("Only who holds the lock gives signs of life.")
        self._heartbeat = self._heartbeat or Heartbeat(self._fd)
        return self._heartbeat

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._fd is not None

    def acquire(self) -> None:
        """Take the lock; a SessionError where another engine holds it, or the lock file cannot be made."""
        deadline = time.monotonic() + _PATIENCE
        while not self.try_acquire():
            if time.monotonic() > deadline:
                raise SessionError(
                    f"Another engine is already writing {self.session}{_holder(self._path)}.",
                    f"`wnt-tui attach {shell_path(self.session)}` watches it.",
                )
            time.sleep(0.005)

    def try_acquire(self) -> bool:
        """Take the lock if nobody has it now; return whether it is held. A SessionError if no lock file can be made."""
        if self._fd is None:
            try:
                self._fd = lock_file(self._path, fcntl.LOCK_EX, os.O_RDWR)
            except BlockingIOError:
                return False
            except OSError as error:
                elsewhere = "Give a --session in an existing folder that you may write to and that knows file locks."
                raise SessionError(
                    f"Cannot lock {self.session}: {error.strerror or error}.",
                    own_copy(self.session) if os.path.lexists(self.session) else elsewhere,
                ) from None
        if self._named:  # what this process has written since is not written over
            return True
        holder = f"{os.getpid()} {socket.gethostname()}"[: AT - 1]
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{holder}\n".ljust(AT + ROOM).encode(), 0)
        except OSError as error:
            self.release()
            raise SessionError(f"Cannot lock {self.session}: {error.strerror or error}.",
                               "Give a --session on a disk with room.") from None  # fmt: skip
        self._named = True
        return True

    def hand_over(self) -> int:
        """The descriptor by which a process that is started from here inherits the lock, which must be held."""
        if self._fd is None:
            raise RuntimeError("A lock that is not held cannot be handed over.")
        os.set_inheritable(self._fd, True)
        return self._fd

    def forget(self) -> None:
        """Leave the lock to the process that it was handed to."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
            self._named = False

    def release(self) -> None:
        """Give the lock back and remove its file; does nothing if it is not held."""
        if self._fd is None:
            return
        # Removed while still held: whoever opened the old file meanwhile notices that it is no longer there.
        with contextlib.suppress(OSError):
            self._path.unlink()
        if self._heartbeat is None or self._heartbeat.stop():
            os.close(self._fd)
        self._fd = self._heartbeat = None
        self._named = False

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


@contextlib.contextmanager
def viewer_mark(session: str | Path) -> Generator[bool]:
    """Say that a viewer is looking, for whom a finished engine waits; yield whether it can be said."""
    # A shared lock on a file that anyone may read, whoever has made it. Where none can be made (another's folder, a
    # read-only disk), or another's cannot be read, nothing is said.
    path = viewers_path(session)
    descriptor = _shared_lock(path)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            with contextlib.suppress(OSError):  # the last viewer removes the file
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            os.close(descriptor)


def _shared_lock(path: Path) -> int | None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return lock_file(path, fcntl.LOCK_SH, os.O_RDONLY)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return None
            time.sleep(0.005)
        except OSError:
            return None


def _beside(session: str | Path, suffix: str) -> Path:
    real = real_path(session)
    return real.with_name(real.name + suffix)


def _inherited(path: Path, descriptor: int) -> int | None:
    """The descriptor if it is one of the lock file at the path, which is then held."""
    try:
        if not os.path.samestat(os.fstat(descriptor), path.stat()):
            return None
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.set_inheritable(descriptor, False)
    except OSError:
        return None
    return descriptor


def _holder(path: Path) -> str:
    """Whom the lock file names, in brackets, for people."""
    try:
        pid, _, host = read_lock_file(path, AT).decode(errors="replace").splitlines()[0].partition(" ")
    except (OSError, IndexError):
        return ""
    return f" (process {pid} on {host})" if pid.isdigit() and host.isprintable() else ""
