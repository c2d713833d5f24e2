"""The engine as a process of its own: how it is called, started, and asked why it died.

Never through multiprocessing: spawning inside a Textual app raises ``bad value(s) in fds_to_keep``.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import engine
from engine import signals
from engine.errors import SessionError

if TYPE_CHECKING:
    from engine.session.liveness import EngineLock

LOG_TAIL_BYTES = 16_384


def engine_command(*arguments: str) -> list[str]:
    """The command line of ``python -m engine …`` with this interpreter.

    ``-P`` keeps the current folder off the module path: a folder named ``engine`` there must not be run
    instead.

    Args:
        *arguments: What follows ``-m engine``.

    Returns:
        An argument vector.
    """
    return [sys.executable, "-P", "-m", "engine", *arguments]


def engine_environment() -> Mapping[str, str]:
    """Return the environment in which ``-m engine`` finds this very engine, installed or not."""
    root = str(Path(engine.__file__).resolve().parent.parent)
    inherited = os.environ.get("PYTHONPATH", "")
    parts = [root, *(part for part in inherited.split(os.pathsep) if part and part != root)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(parts)}


def become_engine(*arguments: str, debug: bool = False, lock: EngineLock | None = None) -> NoReturn:
    """Replace this process by the engine: signals, exit code and pid are then the engine's own.

    Args:
        *arguments: What follows ``python -m engine``.
        debug: Whether it shows tracebacks.
        lock: The lock of the session that it is to write, which it goes on holding; None where none is held here.
    """
    sys.stdout.flush()
    command = engine_command(*arguments, *_held(lock), *(["--debug"] if debug else []))
    with signals.held_back():
        os.execve(command[0], command, dict(engine_environment()))


def ask_engine(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Have the engine do something and wait for what it says; a signal that ends this process ends it too.

    Args:
        *arguments: What follows ``python -m engine``.

    Returns:
        Its output, and how it ended.
    """
    command, environment, pipe = engine_command(*arguments), engine_environment(), subprocess.PIPE
    with signals.held_back():
        process = subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)
        signals.ending_with(lambda _number: process.kill())
    said, complained = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, said, complained)


def log_path(session: Path) -> Path:
    """Return the engine's log, beside its session."""
    return session.with_name(session.name + ".log")


@dataclass(frozen=True, slots=True)
class EngineProcess:
    """An engine that this viewer has started; it does not end with the viewer.

    Attributes:
        process: The process.
        log: The file with its output.
        log_begins: Bytes in it that are of earlier engines.
    """

    process: subprocess.Popen[bytes]
    log: Path
    log_begins: int = 0

    @property
    def ended(self) -> bool:
        """Whether it has ended (and, if so, it is reaped)."""
        return self.process.poll() is not None

    def stop(self) -> None:
        """Have it end: at once while it is starting, else after the step at hand, saved."""
        self.process.terminate()

    def tidy(self) -> None:
        """Remove its log if it has ended without a word."""
        with contextlib.suppress(OSError):
            if self.ended and self.log.stat().st_size == 0:
                self.log.unlink()

    def reason_of_end(self) -> str:
        """Return the last sentence of its log, for the person who wonders why it ended."""
        said = last_sentence(self.log, self.log_begins)
        return said or f"It ended with exit code {self.process.poll()} and said nothing."


def start_engine(session: Path, *arguments: str, debug: bool = False, lock: EngineLock | None = None) -> EngineProcess:
    """Start an engine for the app, in a session of its own so that no hangup of this terminal reaches it.

    Args:
        session: The file that it writes.
        *arguments: What follows ``python -m engine live``: which run, and where.
        debug: Whether it logs tracebacks.
        lock: The session's lock, where it is held already: it is the engine's from then on.

    Returns:
        The running engine.

    Raises:
        SessionError: Its log cannot be written beside the session.
    """
    log = log_path(session)
    held = _held(lock) or ["--session", str(session)]
    with lock or contextlib.nullcontext():
        try:
            # Appended to: what stands there is of an engine before this one. Never through a link.
            output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise SessionError(
                f"Cannot write {log}: {error.strerror}.", "Choose another place with --session PATH."
            ) from None
        try:
            began = os.fstat(output).st_size
            with signals.held_back():
                process = subprocess.Popen(
                    engine_command("live", *arguments, *held, *(["--debug"] if debug else [])),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=engine_environment(),
                    start_new_session=True,
                    pass_fds=() if lock is None else (lock.hand_over(),),
                )
        finally:
            os.close(output)
        if lock is not None:
            lock.forget()
    return EngineProcess(process, log, began)


def _held(lock: EngineLock | None) -> list[str]:
    return [] if lock is None else ["--session", str(lock.session), "--lock", str(lock.hand_over())]


def last_sentence(log: Path, begins: int = 0) -> str:
    """The last line of a log that says something, without Python's exception class path in front.

    Args:
        log: The file.
        begins: Bytes of it that are passed over.

    Returns:
        The line, or nothing if there is none or the file cannot be read.
    """
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(begins, file.tell() - LOG_TAIL_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("wnt-tui: ") if lines else ""
