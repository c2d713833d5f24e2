"""Signs of life of an engine, in its lock file: a thread renews them, whatever the engine is doing.

The lock says whether the process is there, the heartbeat whether it goes on: a process that was stopped, or that waits
for a disk, still holds its lock. The signs are written over themselves, in a block that the lock file has from the
start, so that they reach other processes also where the disk is full and the session cannot be written.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

AT = 256
"""Where the signs begin in the lock file: after who holds it."""

ROOM = 256
"""Bytes that the signs have."""

INTERVAL = 1.0
"""Seconds between two beats."""

SILENT_AFTER = 4.0
"""Seconds without a beat after which an engine of this machine shows no sign of life."""

SILENT_AFTER_ELSEWHERE = 60.0
"""The same for an engine of another machine, whose clock may be wrong by less."""

_LONGEST_WAIT = 1.0


Signs = tuple[float | None, float | None]
"""Unix times since when an engine's state and step are what they are, and since when recording is blocked, or None."""


@dataclass(frozen=True, slots=True)
class Beat:
    """A beat as it is stored.

    Attributes:
        time: Unix time.
        uptime: Seconds on the machine's steady clock, which nobody can set.
        machine: Which start of which machine that clock belongs to.
        since: Unix time since when the engine's state and step are what they are, or None.
        blocked_since: Unix time since when recording is blocked, or None.
    """

    time: float
    uptime: float
    machine: str
    since: float | None = None
    blocked_since: float | None = None

    @property
    def silent_since(self) -> float | None:
        """Unix time of this beat if the next one is overdue, else None."""
        here = self.machine == _machine()
        age = time.monotonic() - self.uptime if here else time.time() - self.time
        return self.time if age > (SILENT_AFTER if here else SILENT_AFTER_ELSEWHERE) else None


def read_lock_file(lock: Path, size: int, offset: int = 0) -> bytes:
    """Bytes of a lock file; no link is followed, no pipe waited for that another user has left in its place."""
    descriptor = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        return os.pread(descriptor, size, offset)
    finally:
        os.close(descriptor)


def read_beat(lock: Path) -> Beat | None:
    """The newest beat of an engine's lock file, None where there is none that can be read."""
    for _ in range(2):  # once more where it was being written
        try:
            said = json.loads(read_lock_file(lock, ROOM, AT))
            beat = Beat(
                float(said["time"]), float(said["uptime"]), str(said["machine"]),
                _finite(said.get("since")), _finite(said.get("blocked_since")),
            )  # fmt: skip
        except OSError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        return beat if math.isfinite(beat.time) and math.isfinite(beat.uptime) else None
    return None


class Heartbeat:
    """Renews an engine's signs of life until it is stopped.

    Args:
        descriptor: The lock file, open for writing, with :data:`AT` + :data:`ROOM` bytes in it.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._signs: Callable[[], Signs] = lambda: (None, None)
        self._stopped = threading.Event()
        self._beat((None, None))
        # A thread of its own: the one that records waits for the disk, the engine's own for a step.
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()

    def report(self, signs: Callable[[], Signs]) -> None:
        """Have more than life reported: ``signs`` is called before each beat, on the heartbeat's thread."""
        self._signs = signs

    def stop(self) -> bool:
        """Stop; returns whether the thread has ended, and no longer uses the descriptor."""
        self._stopped.set()
        self._thread.join(_LONGEST_WAIT)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopped.wait(INTERVAL):
            # Whatever asking for more meets, the engine goes on, and that is what is said.
            try:
                signs = self._signs()
            except Exception:
                signs = (None, None)
            self._beat(signs)

    def _beat(self, signs: Signs) -> None:
        beat = Beat(round(time.time(), 3), round(time.monotonic(), 3), _machine(), *signs)
        # A disk that does not take it shows as silence.
        with contextlib.suppress(OSError):
            os.pwrite(self._descriptor, json.dumps(asdict(beat)).ljust(ROOM).encode(), AT)


def _machine() -> str:
    """A name of this machine since it was started."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return socket.gethostname()[:64]


def _finite(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
