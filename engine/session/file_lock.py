"""``flock`` on small files that all users of a folder share; the system drops it when its process ends."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from pathlib import Path

_TAKEN = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}


def _open_file(path: Path, access: int) -> int:
    """A descriptor of a file that all users share, made if there is none; no link or pipe of another's."""
    flags = access | os.O_NOFOLLOW | os.O_NONBLOCK
    # Not with O_CREAT at once: some systems refuse that for somebody else's file in a shared folder.
    with contextlib.suppress(FileNotFoundError):
        return os.open(path, flags)
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return os.open(path, flags)
    with contextlib.suppress(OSError):
        os.fchmod(descriptor, 0o644)  # whatever the umask: who cannot read it sees no lock
    return descriptor


def lock_file(path: Path, kind: int, access: int) -> int:
    """A descriptor of the file at a path, made if there is none, once it is locked; else an OSError."""
    while True:
        try:
            descriptor = _open_file(path, access)
        except FileNotFoundError:
            if not path.parent.is_dir():
                raise
            continue  # removed between two looks
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            there = path.stat()
        except FileNotFoundError:
            os.close(descriptor)
            continue
        except OSError as error:
            os.close(descriptor)
            if error.errno in _TAKEN:
                raise BlockingIOError(error.errno, error.strerror) from None
            raise
        if os.path.samestat(there, os.fstat(descriptor)):
            return descriptor
        os.close(descriptor)


def is_held(path: Path, kind: int) -> bool | None:
    """Whether someone else's lock is in the way of this kind of lock; None where that cannot be seen."""
    flags = os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        try:
            # Network file systems give an exclusive lock only on a file that is open for writing.
            descriptor = os.open(path, flags | (os.O_RDWR if kind == fcntl.LOCK_EX else os.O_RDONLY))
        except OSError as error:
            if error.errno not in {errno.EACCES, errno.EPERM, errno.EROFS}:
                raise
            descriptor = os.open(path, flags | os.O_RDONLY)  # somebody else's, which may be read all the same
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in _TAKEN
    else:
        return False
    finally:
        os.close(descriptor)
