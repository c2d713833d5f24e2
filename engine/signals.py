"""Signals of a whole process: safe from its first instruction on, and an exit code that says which one ended it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Generator
from types import FrameType
from typing import NoReturn

_ELSEWHERE = (signal.SIGPWR,) if hasattr(signal, "SIGPWR") else ()
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2, signal.SIGXCPU, *_ELSEWHERE)
"""Signals that ask a process to end: of people, shells, systemd, Slurm, the limit on CPU time, a power failure."""

CHECKPOINT = signal.SIGUSR1
"""The signal that has a run keep a checkpoint and go on."""

_HANDLED = (*ENDING, CHECKPOINT)


class Interrupted(BaseException):
    """A signal asks this process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def use_defaults(*, held: bool = False) -> None:
    """Let SIGINT end this process quietly, as it does any program; call it before anything heavy is imported.

    A signal that :func:`held_back` has kept for this process arrives now. Or all are held: :data:`ENDING` until
    :func:`ending_with`, :data:`CHECKPOINT` until :func:`release_checkpoint`.
    """
    # Python's own handler raises KeyboardInterrupt wherever the program happens to be: within an import that means a
    # traceback, or an abort of the C++ library that is loading. What nohup or a background job ignores stays ignored.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK if held else signal.SIG_UNBLOCK, _HANDLED)


def release_checkpoint() -> None:
    """Hold :data:`CHECKPOINT` back no longer: there is a handler for it now."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {CHECKPOINT})


def ending_with(cleanup: Callable[[int], None]) -> None:
    """Have a signal end this process as it does by default, but only after a cleanup that gets the signal's number.

    Nothing is raised, so that it is safe while something heavy is imported. It holds until other handlers are set.
    """

    def end(number: int, _frame: FrameType | None) -> None:
        cleanup(number)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


@contextlib.contextmanager
def held_back() -> Generator[None]:
    """Keep signals back while a program is started that calls :func:`use_defaults`: they reach it only then.

    A blocked signal stays blocked in a child and through exec, so that a starting interpreter, which would answer
    with a traceback, never sees it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def raised() -> Generator[None]:
    """Have a signal raise :class:`Interrupted` here, where something half done is to be taken back.

    Call it from the main thread; nothing heavy should be imported inside.
    """

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise Interrupted(number)

    before = {number: signal.getsignal(number) for number in ENDING}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def exit_code(number: int) -> int:
    """The exit code after a signal, as shells have it: 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP."""
    return 128 + number


def end(code: int) -> NoReturn:
    """End this process with an exit code; that of SIGINT becomes an end by SIGINT where that was typed."""
    # A shell that got the same Ctrl+C ends its loop or script only if what it ran has died of it.
    if code == exit_code(signal.SIGINT) and _in_foreground():
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    sys.exit(code)


def _in_foreground() -> bool:
    """Whether this process is what its terminal's Ctrl+C reaches."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
