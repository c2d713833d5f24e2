"""What a terminal shows of the bytes that a program writes to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import pyte

QUESTION = re.compile(rb"\x1b\[6n")
UNKNOWN_TO_PYTE = re.compile(
    r"\x1b\[[<=>?][0-9;:]*[a-zA-Z]|\x1b\[[?0-9;:]*\$p|\x1b\[[0-9;]* q|\x1b[P_^][^\x1b]*\x1b\\"
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
)
UNFINISHED = re.compile(r"\x1b(?:\[[<=>?0-9;:$ ]*)?$")


class Question(NamedTuple):
    """A question for the cursor: where it stands, from 1, and how many bytes were read after it."""

    row: int
    column: int
    after: int


class Screen:
    """The cells of a terminal.

    Args:
        columns: How many in a row.
        rows: How many.
    """

    def __init__(self, columns: int, rows: int) -> None:
        self.cells = pyte.Screen(columns, rows)
        self._stream = pyte.Stream(self.cells)
        self._unread = b""

    def text(self) -> str:
        """The rows, one a line."""
        return "\n".join(self.cells.display)

    def resize(self, columns: int, rows: int) -> None:
        """Take a new size, with nothing shown."""
        self.cells.resize(rows, columns)
        self.cells.reset()

    def read(self, data: bytes) -> Iterator[Question]:
        """Show what was written, up to each question for the cursor in turn."""
        self._unread += data
        while question := QUESTION.search(self._unread):
            self._show(self._unread[: question.start()])
            self._unread = self._unread[question.end() :]
            yield Question(self.cells.cursor.y + 1, self.cells.cursor.x + 1, len(self._unread))
        # The beginning of a character or of a sequence is kept for the next bytes.
        keep = next((n for n in range(1, 24) if self._unread[-n : len(self._unread) - n + 1] == b"\x1b"), 0)
        keep = keep if UNFINISHED.search(self._unread[-keep:].decode(errors="replace")) else 0
        if not keep:
            keep = next((n for n in (1, 2, 3) if _begins_character(self._unread[-n:])), 0)
        self._show(self._unread[: len(self._unread) - keep])
        self._unread = self._unread[len(self._unread) - keep :]

    def _show(self, data: bytes) -> None:
        self._stream.feed(UNKNOWN_TO_PYTE.sub("", data.decode(errors="replace")))


def _begins_character(tail: bytes) -> bool:
    """Whether these bytes are a UTF-8 character that is not complete."""
    try:
        tail.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data" and error.start == 0
    return False
