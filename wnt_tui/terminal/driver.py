"""The terminal's driver: bytes to the terminal, its answers and keys back."""

from __future__ import annotations

import asyncio
import os
import re
import selectors
import signal
import threading
import time
from typing import Any, Protocol

from textual import events
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Region
from textual.message import Message

from wnt_tui.terminal.flow import Link
from wnt_tui.terminal.input import TerminalInput
from wnt_tui.terminal.pictures import Pictures

READ_BYTES = 4096
POLL_SECONDS = 0.1
"""Longest time in which the app's end goes unnoticed."""

_PICTURE = re.compile(r"\x1b\[\d+;\d+H")
"""The beginning of a picture, or of a piece of one, as Textual writes it."""

_SYNCHRONIZED = ("\x1b[?2026h", "\x1b[?2026l")
"""Written around a picture where the terminal can hold it back until it is whole."""

_KEYS = (events.Key, events.Paste, events.MouseDown, events.MouseScrollDown, events.MouseScrollUp)

UNKNOWN = 1 << 16
"""For the columns or rows of a terminal that does not say: more than there can be."""

LEAVING_SECONDS = 10.0
"""Longest wait for answers when the terminal is given back."""

HANGUP_SECONDS = 0.4
"""… where the process is ended soon, see :mod:`wnt_tui.terminal.hangup`."""


class TerminalApp(Protocol):
    """The app, as its driver needs it.

    Attributes:
        link: The link to the terminal.
        hung_up: Whether the terminal is going, and the app ends within a second.
    """

    link: Link
    hung_up: bool

    def first_regions(self) -> tuple[list[Region], list[Region]]:
        """Lines that are written first; what a key most likely changes."""

    def repaint(self) -> None:
        """Draw the whole picture."""

    def fail(self, error: Exception) -> None:
        """End with an error."""


class TerminalDriver(LinuxDriver):
    """Textual's driver for Unix terminals; pictures wait until the terminal has taken what is under way.

    Over a fast link pictures go as Textual writes them. Over any other they are kept here, cell by cell, and the
    difference to what the terminal shows is written as there is room, what matters first.
    """

    def __init__(self, app: Any, **arguments: Any) -> None:
        ignored = signal.getsignal(signal.SIGTSTP) is signal.SIG_IGN
        super().__init__(app, **arguments)
        if ignored:
            signal.signal(signal.SIGTSTP, signal.SIG_IGN)
        self._suspended = False
        self._terminal_app: TerminalApp = app
        self._flow = self._terminal_app.link
        self._pictures = Pictures()
        self._lock = threading.RLock()
        self._answered = threading.Condition(self._lock)
        # Whether pictures may be written: the terminal is ours and answers are read.
        self._open = False
        self._whole = False
        """Whether pictures go as Textual writes them."""
        self._begun = False
        self._synchronized = False
        self._answer_due = False
        self._events: asyncio.AbstractEventLoop | None = None
        self._scheduled = False
        self._timer: asyncio.TimerHandle | None = None

    # From the app to the terminal

    def write(self, data: str) -> None:
        """Write pictures when there is room, all else at once."""
        self._begun = True
        with self._lock:
            if not self._open:
                self._write_now(data)
            elif data in _SYNCHRONIZED:
                # Pictures that go in parts are not held back by the terminal as well.
                if self._whole or self._synchronized:
                    self._write_now(data)
                    self._synchronized = data == _SYNCHRONIZED[0]
            elif self._whole and self._takes_whole(data):
                self._write_now(data)
                self._answer_due = True
            else:
                columns, rows = self._size_now()
                self._pictures.fit(columns or UNKNOWN, rows or UNKNOWN)
                others = self._pictures.take(data)
                if others:
                    self._write_now(others)
                self._schedule()

    def link_report(self) -> str:
        """See :meth:`Link.report`."""
        with self._lock:  # answers come on the input thread
            report: str = self._flow.report()
            return report

    def flush(self) -> None:
        """Ask for an answer to what was written; Textual calls it after every picture."""
        super().flush()
        with self._lock:
            if self._open and self._answer_due:
                self._answer_due = False
                self._ask()

    def _takes_whole(self, data: str) -> bool:
        """Whether the link is still one for whole pictures."""
        if _PICTURE.match(data) is None or self._flow.takes_whole(len(data)):
            return True
        # What the terminal shows is not known here: a whole picture is needed to go on from.
        self._whole = False
        self._pictures.forget()
        self._terminal_app.repaint()
        return False

    def _size_now(self) -> tuple[int, int]:
        """Columns and rows of the terminal; 0 where it does not say."""
        try:
            return os.get_terminal_size(self.fileno)
        except OSError:
            return 0, 0

    def _get_terminal_size(self) -> tuple[int, int]:
        """Columns and rows of the picture."""
        # Textual asks COLUMNS and LINES first, but these stay what they were when they were exported.
        columns, rows = self._size_now()
        return (columns, rows) if columns and rows else super()._get_terminal_size()

    def _write_now(self, data: str) -> None:
        self._flow.wrote(len(data.encode()))
        super().write(data)

    def _ask(self) -> None:
        super().write(self._flow.question())

    def _schedule(self) -> None:
        """Have parts written soon, from the app's own thread and after what it is at."""
        if self._open and not self._scheduled and self._events is not None:
            self._scheduled = True
            self._events.call_soon_threadsafe(self._pump_or_fail)

    def _pump_or_fail(self) -> None:
        # The event loop would only log an error, and the picture would stand still.
        try:
            self._pump()
        except Exception as error:
            self._terminal_app.fail(error)

    def _pump(self) -> None:
        """Write what there is room for."""
        with self._lock:
            self._scheduled = False
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if not self._open or self._whole:
                return
            self._pictures.arrange(*self._terminal_app.first_regions())
            if urgent := self._flow.room(urgent=True):
                self._write_part(self._pictures.part(urgent, urgent=True))
            while room := self._flow.room():
                if self._write_part(self._pictures.part(min(room, self._flow.part))):
                    continue
                if self._pictures.current:
                    self._whole = self._flow.fast
                    break
                if self._flow.asked:
                    break  # never more than one picture under way
                self._pictures.begin()
            if not self._flow.asked and not self._flow.room():
                self._ask()
            wait = self._flow.wait()
            if wait is not None and self._events is not None:
                self._timer = self._events.call_later(wait, self._schedule)

    def _write_part(self, part: str) -> bool:
        if part:
            self._write_now(part)
            self._ask()
        return bool(part)

    # From the terminal to the app

    def run_input_thread(self) -> None:
        """Read what the terminal sends until the app leaves or the terminal has gone."""
        found = TerminalInput()
        with selectors.DefaultSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                if selector.select(POLL_SECONDS):
                    try:
                        data = os.read(self.fileno, READ_BYTES)
                    except OSError:
                        return  # `hangup` ends the app
                    if not data:
                        return
                    for message in found.messages(data):
                        self.process_message(message)
                for message in found.overdue():
                    self.process_message(message)

    def process_message(self, message: Message) -> None:
        """Hand on a key, a mouse event or an answer of the terminal, from the input thread."""
        if isinstance(message, events.CursorPosition):
            # The answer to a question of this driver. Textual would shift the mouse by it.
            with self._lock:
                if self._flow.answered(message.y + 1, message.x + 1):
                    self._answered.notify_all()
                    self._schedule()
            return
        if isinstance(message, _KEYS):
            with self._lock:
                self._pictures.key()
        super().process_message(message)

    # Stopping and going on

    def _sigtstp_application(self, *_: object) -> None:
        # Textual gives the terminal back inside the handler, which may have come in the middle of anything.
        self._loop.call_soon_threadsafe(self._stop)

    def _sigcont_application(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._go_on)

    def _stop(self) -> None:
        """Give the terminal back and stop, until somebody continues this process."""
        if not self._suspended:
            self._suspended = True
            self.suspend_application_mode()
        os.kill(os.getpid(), signal.SIGSTOP)

    def _go_on(self) -> None:
        """Take the terminal again, also where the process was stopped without a chance to give it back."""
        if not self._open and not self._suspended:
            return  # leaving, or not begun
        if not self._suspended:
            self.suspend_application_mode()
        self.resume_application_mode()
        # In the background it has been stopped again instead.
        self._suspended = not self._begun
        if self._begun:
            self._terminal_app.repaint()

    # Beginning and end

    def start_application_mode(self) -> None:
        """Take the terminal; what it shows is unknown."""
        with self._lock:
            self._flow.restart()
            self._pictures.forget()
            self._whole = False
            self._begun = False
        super().start_application_mode()  # type: ignore[no-untyped-call]  # Textual's has no types
        with self._lock:
            if not self._begun:
                return  # in the background: the terminal is not ours
            self._events = asyncio.get_running_loop()
            self._open = True
            # The latency, before there is anything to wait for.
            self._ask()

    def disable_input(self) -> None:
        """Stop pictures, and input when what is under way has been answered: answers must not reach the shell."""
        with self._lock:
            was_open, self._open = self._open, False
            if self._timer is not None:
                self._timer.cancel()
            if was_open:
                # The terminal cannot show the shell before what is under way: waiting for it takes nobody's time.
                until = time.monotonic() + (HANGUP_SECONDS if self._terminal_app.hung_up else LEAVING_SECONDS)
                while patience := min(self._flow.last_answers(), until - time.monotonic()):
                    if patience < 0 or not self._answered.wait(patience):
                        break
        super().disable_input()
