"""The terminal's driver: how bytes reach the terminal and how its answers and keys come back."""

from __future__ import annotations

from textual import events
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message


class TerminalDriver(LinuxDriver):
    """Textual's driver for Unix terminals, with what this app needs of a terminal."""

    def process_message(self, message: Message) -> None:
        """Hand on what came from the terminal, from the input thread.

        Args:
            message: A key, a mouse event or an answer of the terminal.
        """
        if isinstance(message, events.CursorPosition):
            # An answer to this driver's own question. Textual would shift the mouse by it.
            return
        super().process_message(message)
