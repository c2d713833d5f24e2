"""What a terminal sends, as messages: any bytes at all, since a person, a paste or a noisy line may send any."""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from collections.abc import Generator, Iterable

from textual import events
from textual._xterm_parser import XTermParser
from textual.message import Message
from textual.messages import InBandWindowResize

_ANSWER = re.compile(r"\x1b\[(\d{1,9});(\d{1,9})R")
"""Where the cursor is."""

LONGEST_PASTE = 10_000
"""Characters; no field of this app takes more."""


class TerminalInput:
    """Decodes and parses; nothing that a terminal sends raises here.

    Textual's own parser ends with the first number that is too large for a character or a key code that is no
    number, and its reader with the first byte that is not UTF-8, as in mouse reports of the oldest kind.
    """

    def __init__(self) -> None:
        self._decode = getincrementaldecoder("utf-8")("replace").decode
        self._parser = XTermParser()

    def messages(self, data: bytes) -> Generator[Message]:
        """Parse what was read.

        Args:
            data: Some bytes.

        Yields:
            Keys, pastes, mouse events and the terminal's answers.
        """
        # One by one, so that after an error no more is lost than the sequence that made it.
        for character in self._decode(data):
            yield from self._guarded(self._parser.feed(character))

    def overdue(self) -> Generator[Message]:
        """Messages that are complete because nothing has followed: an escape that begins no sequence."""
        yield from self._guarded(self._parser.tick())

    def _guarded(self, parsed: Iterable[Message]) -> Generator[Message]:
        try:
            for message in parsed:
                yield from _believed(message)
        except Exception:
            self._parser = XTermParser()
        # Set by a report that the size has changed, true or not; the mouse would be where it is not.
        self._parser.mouse_pixels = False


def _believed(message: Message) -> Generator[Message]:
    """Yield a message as the app can take it, or nothing."""
    if isinstance(message, events.Paste):
        # A terminal may answer while it sends what is pasted.
        for row, column in _ANSWER.findall(message.text):
            yield events.CursorPosition(int(column) - 1, int(row) - 1)
        kept = _ANSWER.sub("", message.text)[:LONGEST_PASTE]
        yield events.Paste("".join(each for each in kept if each.isprintable() or each in "\n\t"))
    elif not isinstance(message, events.Resize | InBandWindowResize):
        # Whoever types a size would have a screen of a billion cells drawn. It is asked of the system.
        yield message
