"""Input from a terminal as messages: a person, a paste or a noisy line may send any bytes."""

from __future__ import annotations

import re
import time
from codecs import getincrementaldecoder
from collections.abc import Callable, Generator, Iterable

from textual import events
from textual._xterm_parser import BRACKETED_PASTE_END, BRACKETED_PASTE_START, XTermParser
from textual.message import Message
from textual.messages import InBandWindowResize

_ANSWER = re.compile(r"\x1b\[(\d{1,9});(\d{1,9})R$")
"""The cursor's place."""

_LONGEST_ANSWER = 22

LONGEST_PASTE = 10_000
"""Characters; no field of this app takes more."""

LONGEST_GAP = 2.0
"""Seconds without a character after which a paste has ended, though its end was never seen."""


class TerminalInput:
    """A parser in which nothing that a terminal sends raises; the clock in seconds is for tests.

    Textual's own parser ends with the first number that is too large for a character or a key code that is no
    number, and its reader with the first byte that is not UTF-8, as in mouse reports of the oldest kind. What is pasted
    is taken out before it gets there: it would take an escape in it for the beginning of a key.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._decode = getincrementaldecoder("utf-8")("replace").decode
        self._parser = XTermParser()
        self._recent = ""
        self._paste: list[str] | None = None
        self._clock = clock
        self._heard = clock()

    def messages(self, data: bytes) -> Generator[Message]:
        """Parse some bytes into keys, pastes, mouse events and the terminal's answers."""
        self._heard = self._clock()
        # One by one, so that after an error no more is lost than the sequence that made it.
        for character in self._decode(data):
            self._recent = (self._recent + character)[-len(BRACKETED_PASTE_START) :]
            if self._paste is not None:
                yield from self._pasted(self._paste, character)
            elif self._recent == BRACKETED_PASTE_START:
                self._paste = []
                self._parser = XTermParser()
            else:
                yield from self._guarded(self._parser.feed(character))

    def overdue(self) -> Generator[Message]:
        """Messages that are complete because nothing has followed: an escape that begins no sequence."""
        yield from self._guarded(self._parser.tick())
        if self._paste is not None and self._clock() - self._heard > LONGEST_GAP:
            yield from self._end_of_paste(self._paste)

    def _pasted(self, paste: list[str], character: str) -> Generator[Message]:
        paste.append(character)
        if self._recent == BRACKETED_PASTE_END:
            del paste[-len(BRACKETED_PASTE_END) :]
            yield from self._end_of_paste(paste)
        elif character == "R" and (answer := _ANSWER.search("".join(paste[-_LONGEST_ANSWER:]))):
            # A terminal may answer while it sends what is pasted.
            del paste[-len(answer[0]) :]
            yield events.CursorPosition(int(answer[2]) - 1, int(answer[1]) - 1)
        elif len(paste) > 2 * LONGEST_PASTE:
            del paste[LONGEST_PASTE:-_LONGEST_ANSWER]

    def _end_of_paste(self, paste: list[str]) -> Generator[Message]:
        self._paste = None
        kept = paste[:LONGEST_PASTE]
        yield events.Paste("".join(each for each in kept if each.isprintable() or each in "\n\t"))

    def _guarded(self, parsed: Iterable[Message]) -> Generator[Message]:
        try:
            for message in parsed:
                # Whoever types a size would have a screen of a billion cells drawn. It is asked of the system.
                if not isinstance(message, events.Resize | InBandWindowResize):
                    yield message
        except Exception:
            self._parser = XTermParser()
        # Set by a size that is typed; the mouse would be where it is not.
        self._parser.mouse_pixels = False
