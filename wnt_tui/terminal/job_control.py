"""Job control: stopping at Ctrl+Z, where a shell is there that gives the terminal back."""

from __future__ import annotations

import os
import signal
from pathlib import Path


def can_stop() -> bool:
    """Whether somebody is there who can continue this process once it has stopped."""
    # POSIX calls a group of processes orphaned where no parent of a member is in another group of the same session: the
    # program of a terminal window, of ``ssh HOST wnt-tui`` or of a service. It would stop for ever.
    if signal.getsignal(signal.SIGTSTP) is signal.SIG_IGN:
        return False
    group, session = os.getpgrp(), os.getsid(0)
    parent = os.getppid()
    try:
        while os.getsid(parent) == session:
            if os.getpgid(parent) != group:
                return True
            parent = _parent_of(parent)
    except (OSError, ValueError, IndexError):
        return False
    return False


def stop_group() -> None:
    """Stop this process's group, as the terminal's own Ctrl+Z does: a script that has called it, too."""
    os.killpg(os.getpgrp(), signal.SIGTSTP)


def _parent_of(pid: int) -> int:
    # The name in parentheses may hold anything.
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
