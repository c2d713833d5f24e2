"""The picture that should be on the terminal, the one that is, and what of the difference is written next.

A picture is written in parts, as the link has room, and to its end before the next one is begun, which then shows the
newest state: what came between is never written. After a key the rest of the picture gives way to the newest one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from textual.geometry import Region

from wnt_tui.terminal.cells import Row, Screen, changes, sequence

EFFECT_SECONDS = 1.0
"""So long after a key the picture under way gives way to the newest: what the key did shows within that."""

ANSWER_SECONDS = 5.0
"""So long after a key the lines above and below are always the newest: an engine answers by them."""


class Pictures:
    """Takes pictures and gives parts; the clock in seconds is for tests."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wanted = Screen()
        # The picture under way: its rows, as they were when it was begun.
        self._under_way: list[Row] = []
        self._shown: dict[int, Row] = {}
        # When a row was written last, in parts: what waited longest comes first.
        self._written: dict[int, int] = {}
        self._parts = 0
        self._keyed = -ANSWER_SECONDS
        self._effect_to_come = False
        self._size = (1 << 16, 1 << 16)
        self._lines: Sequence[Region] = ()
        self._focused: Sequence[Region] = ()

    def take(self, data: str) -> str:
        """Take a picture, or a piece of one; the sequences in it that are no part of a picture."""
        return self._wanted.write(data)

    def key(self) -> None:
        """Take note of a key: its effect is the picture to come."""
        self._keyed = self._clock()
        self._effect_to_come = True

    def arrange(self, lines: Sequence[Region], focused: Sequence[Region]) -> None:
        """Have lines written first, then what has the keys; where that is another, begin the newest picture."""
        if list(focused) != list(self._focused):
            self.begin()
        self._lines, self._focused = lines, focused

    def fit(self, columns: int, rows: int) -> None:
        """Take the terminal's size: where it changed, what is shown is unknown, and new pictures will come."""
        if self._size != (columns, rows):
            self._size = (columns, rows)
            self.forget()

    def forget(self) -> None:
        """Forget every picture: a new one will come."""
        self._wanted.clear()
        self._under_way = []
        self._shown = {}

    @property
    def current(self) -> bool:
        """Whether the terminal shows the newest state."""
        return not any(self._differences(self._wanted.rows, self._rest()))

    def begin(self) -> None:
        """Begin the newest picture."""
        self._under_way = self._wanted.rows.copy()

    def part(self, room: int, *, urgent: bool = False) -> str:
        """The next part.

        Args:
            room: Bytes it may have; it has more where a single row takes more.
            urgent: Whether only what a key changed in the lines about the run, which says that it was heard.

        Returns:
            What to write; nothing if all is written.
        """
        since_key = self._clock() - self._keyed
        if self._effect_to_come:
            self.begin()
            self._effect_to_come = since_key < EFFECT_SECONDS
        elif since_key < ANSWER_SECONDS:
            self._renew(self._lines)
        elif urgent:
            return ""
        self._parts += 1
        pieces: list[str] = []
        for regions in (self._lines,) if urgent else (self._lines, self._focused, self._rest()):
            for y, first, end in self._differences(self._under_way, regions):
                piece = sequence(y, first, self._under_way[y][first:end])
                room -= len(piece.encode())
                if room < 0 and pieces:
                    return self._whole(pieces)
                pieces.append(piece)
                self._show(y, first, end)
        return self._whole(pieces)

    def _whole(self, pieces: list[str]) -> str:
        """A part out of its pieces; the cursor stands then where the app has it, as input methods need it."""
        if not pieces:
            return ""
        y, x = self._wanted.cursor
        return "".join((*pieces, f"\x1b[{y + 1};{x + 1}H"))

    def _renew(self, regions: Iterable[Region]) -> None:
        """Take regions of the newest picture into the one under way."""
        for region in regions:
            columns = slice(max(0, region.x), region.right)
            for y in range(max(0, region.y), min(region.bottom, len(self._under_way), len(self._wanted.rows))):
                row, newest = self._under_way[y], self._wanted.rows[y]
                if row is not newest and row[columns] != newest[columns]:
                    self._under_way[y] = [*row[: columns.start], *newest[columns], *row[columns.stop :]]

    def _show(self, y: int, first: int, end: int) -> None:
        shown = self._shown.setdefault(y, [])
        shown.extend([None] * (first - len(shown)))
        shown[first:end] = self._under_way[y][first:end]
        self._written[y] = self._parts

    def _rest(self) -> Iterator[Region]:
        """Every row, the longest unwritten first."""
        rows = range(max(len(self._under_way), len(self._wanted.rows)))
        for y in sorted(rows, key=lambda y: self._written.get(y, 0)):
            yield Region(0, y, 1 << 16, 1)

    def _differences(self, rows: list[Row], regions: Iterable[Region]) -> Iterator[tuple[int, int, int]]:
        """Row, first and end column of what the terminal does not show yet, in the regions' order."""
        columns, height = self._size
        for region in regions:
            for y in range(max(0, region.y), min(region.bottom, len(rows), height)):
                shown = self._shown.get(y, [])
                for first, end in changes(rows[y], shown, max(0, region.x), min(region.right, columns)):
                    yield y, first, end
