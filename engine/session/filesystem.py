"""Where a session lies: network file systems, the files beside it, and files that appear whole or not at all.

Nothing here opens an existing session: closing it would drop the SQLite locks of this process (they are POSIX
locks, which belong to process and file and not to a descriptor).
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Generator
from pathlib import Path

from engine.errors import SessionError
from engine.paths import real_path, shell_path

# fmt: off
_NETWORK_TYPES = frozenset({
    "9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fhgfs", "gfs", "gfs2", "glusterfs",
    "gpfs", "lustre", "mmfs", "ncp", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "prl_fs", "pvfs2",
    "smb2", "smb3", "smbfs", "vboxsf", "vmhgfs", "wekafs",
})
_NETWORK_FUSE = frozenset({
    "ceph", "cephfs", "curlftpfs", "davfs", "gcsfuse", "glusterfs", "goofys", "juicefs", "mfs", "moosefs",
    "rclone", "s3fs", "sshfs", "vmhgfs-fuse",
})
# fmt: on
ASK_OWNER = "Ask its owner to `wnt-tui copy` it for you."
_MOUNTS = Path("/proc/mounts")
_DRAFT_CHARACTERS = 40


def filesystem_type(path: str | Path, mounts: str | None = None) -> str:
    """The type of the file system that a path lies on: ``ext4``, ``nfs4``; "" where that is not known."""
    if mounts is None:
        try:
            mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return ""
    real = Path(os.path.realpath(path))
    best, found = -1, ""
    for line in mounts.splitlines():
        parts = line.split()
        if len(parts) < 3:
            continue
        mount = Path(re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), parts[1]))
        # A later mount on the same folder hides an earlier one, hence >=.
        if real.is_relative_to(mount) and len(mount.parts) >= best:
            best, found = len(mount.parts), parts[2]
    return found


def is_network_type(kind: str) -> bool:
    """Whether a type of file system is shared between machines, which SQLite's WAL cannot be."""
    name = kind.lower()
    return name in _NETWORK_TYPES or (name.startswith("fuse.") and name.removeprefix("fuse.") in _NETWORK_FUSE)


def side_files(session: Path) -> tuple[Path, ...]:
    """Those of ``SESSION-wal`` and ``SESSION-journal`` that exist: they belong to its content."""
    real = real_path(session)  # SQLite follows links before it names them
    beside = (real.with_name(real.name + suffix) for suffix in ("-wal", "-journal"))
    return tuple(path for path in beside if os.path.lexists(path))


@contextlib.contextmanager
def appearing(path: Path, *, replace: bool = False, mode: int = 0o600) -> Generator[Path]:
    """A new file that appears at its place whole or not at all, by default readable by its owner only.

    Args:
        path: Where it is to appear; nothing may be there.
        replace: Whether a file that is there is replaced instead.
        mode: Its permissions, less the process's mask.

    Yields:
        An empty file in the same folder, to be filled and closed, which is moved then, or removed if anything fails.

    Raises:
        SessionError: Something is at the path already, or nothing can be written there.
    """
    # Its own even where two processes, on two machines, make the same file; and short: names end at 255 bytes.
    draft = path.with_name(f".{path.name[:_DRAFT_CHARACTERS]}.{os.urandom(6).hex()}.new")
    try:
        if not replace:
            refuse_existing(path)
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
        try:
            yield draft
            if replace:
                draft.replace(path)
            else:
                _place(draft, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                draft.unlink()
            for left in side_files(draft):
                left.unlink(missing_ok=True)
    except OSError as error:
        raise SessionError(
            f"Cannot write {path}: {error.strerror or error}.", _other_folder(path.parent, error)
        ) from None


def _other_folder(folder: Path, error: OSError) -> str:
    """The way out where a file cannot be made in a folder."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "Give a path on a disk with room."
    if error.errno == errno.ENOENT:
        return f"`mkdir -p {shell_path(folder)}` makes the folder."
    if error.errno == errno.ENAMETOOLONG:
        return "Give a shorter path."
    return "Give a path in a folder that you may write to."


def own_copy(session: Path) -> str:
    """The way out for whoever may not write a session."""
    if not os.access(session, os.R_OK):
        return ASK_OWNER
    name = shell_path(session)
    return f"To go on in a file of your own: `wnt-tui copy {name} FILE` or `wnt-tui branch {name} --step K`."


def _place(draft: Path, path: Path) -> None:
    try:
        os.link(draft, path)  # unlike a rename it never replaces what is there
    except FileExistsError:
        refuse_existing(path)
        raise
    except OSError:  # a file system without hard links
        refuse_existing(path)
        draft.rename(path)


def refuse_existing(path: Path) -> None:
    """Refuse a path for a new file where something is, be it a link to nothing, or left of another session."""
    if os.path.lexists(path):
        raise SessionError(f"{path} exists already.", "Nothing is overwritten: give another path.")
    left = side_files(path)
    if left:
        raise SessionError(
            f"{left[0]} is left over from another session.",
            "Move it away or give another path; SQLite would mix them.",
        )
