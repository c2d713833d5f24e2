"""The engine as a process of its own: how it is called, started, and asked why it died.

Never through multiprocessing: spawning inside a Textual app raises ``bad value(s) in fds_to_keep``.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import engine
from engine import signals
from engine.errors import SessionError

if TYPE_CHECKING:
    from engine.requests import Request, Training
    from engine.session.liveness import EngineLock

LOG_TAIL_BYTES = 16_384


def engine_command(request: Request) -> list[str]:
    """The command line of an engine with this interpreter; ``-P``: a folder named ``engine`` here must not be run."""
    return [sys.executable, "-P", "-m", "engine", request.to_json()]


def engine_environment() -> Mapping[str, str]:
    """The environment in which ``-m engine`` finds this very engine, installed or not."""
    root = str(Path(engine.__file__).resolve().parent.parent)
    inherited = os.environ.get("PYTHONPATH", "")
    parts = [root, *(part for part in inherited.split(os.pathsep) if part and part != root)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(parts)}


def become_engine(request: Request) -> NoReturn:
    """Replace this process by the engine: signals, exit code and pid are then the engine's own."""
    sys.stdout.flush()
    command = engine_command(request)
    with signals.held_back():
        os.execve(command[0], command, dict(engine_environment()))


def ask_engine(request: Request) -> subprocess.CompletedProcess[str]:
    """Have the engine carry out a request and wait for it; a signal that ends this process ends it too."""
    command, environment, pipe = engine_command(request), engine_environment(), subprocess.PIPE
    with signals.held_back():
        process = subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)
        signals.ending_with(lambda _number: process.kill())
    output, errors = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def log_path(session: Path) -> Path:
    """The engine's log, beside its session."""
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
        """The last sentence of its log, for the person who wonders why it ended."""
        text = b""
        with contextlib.suppress(OSError), self.log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(self.log_begins, file.tell() - LOG_TAIL_BYTES))
            text = file.read()
        lines = [line.strip() for line in text.decode("utf-8", errors="replace").splitlines() if line.strip()]
        if not lines:
            return f"It ended with exit code {self.process.poll()} and said nothing."
        return lines[-1].removeprefix("wnt-tui: ")


def start_engine(request: Training, lock: EngineLock | None = None) -> EngineProcess:
    """Start an engine for the app, in a session of its own so that no hangup of this terminal reaches it.

    Args:
        request: Which run, and where.
        lock: The session's lock, where it is held already: it is the engine's from then on.

    Returns:
        The running engine.

    Raises:
        SessionError: Its log cannot be written beside the session.
    """
    log = log_path(request.session)
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
            inherited = None if lock is None else lock.hand_over()
            with signals.held_back():
                process = subprocess.Popen(
                    engine_command(replace(request, live=True, lock=inherited)),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=engine_environment(),
                    start_new_session=True,
                    pass_fds=() if inherited is None else (inherited,),
                )
        finally:
            os.close(output)
        if lock is not None:
            lock.forget()
    return EngineProcess(process, log, began)
