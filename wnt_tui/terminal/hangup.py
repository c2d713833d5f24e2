"""Hangup: the app is left when the terminal goes away, whatever state the event loop is in.

A Textual 8 app whose terminal has hung up spins at a full core when SIGHUP is ignored or not delivered, and
asyncio's signal handlers hang with it at a stalled terminal, because Textual's bounded write queue blocks the
loop. A thread that polls the terminal and handlers that need no loop work in both cases.
"""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Callable

from engine import signals

GRACE_SECONDS = 1.0
"""The app may take so long to leave by itself before the process is ended."""


def leave_on_hangup(leave: Callable[[int], object], fd: int = 0) -> None:
    """At hangup and signals that ask for the end call ``leave`` with an exit code; end the process a second later.

    Call it once, from the main thread; ``leave`` is called from another. Ending a viewer at any moment loses nothing.

    Args:
        leave: Asks the app to exit.
        fd: The terminal.
    """

    def end(code: int) -> None:
        # Armed first: asking the app nicely may itself block on a stalled terminal.
        timer = threading.Timer(GRACE_SECONDS, os._exit, (code,))
        timer.daemon = True
        timer.start()
        leave(code)

    def on_signal(number: int, _frame: object) -> None:
        threading.Thread(target=end, args=(128 + number,), daemon=True).start()

    def watch() -> None:
        poll = select.poll()
        # Mask 0: only hangup, error and invalid descriptor are reported, never input, which is the app's.
        poll.register(fd, 0)
        poll.poll()
        end(128 + signal.SIGHUP)

    for number in signals.ENDING:
        signal.signal(number, on_signal)
    threading.Thread(target=watch, name="hangup", daemon=True).start()
