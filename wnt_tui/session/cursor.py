"""The one time cursor that drives every panel: a pure value and its transitions.

A cursor that follows sits on the newest row and moves with it; moving it anywhere else lets go, and arriving
at the newest row takes hold again, so that "following" is what one sees and never a mode to remember.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

MAX_ZOOM = 12
"""Most halvings of the window; the window never gets narrower than :data:`MIN_WINDOW` steps anyway."""

MIN_WINDOW = 8
"""Steps in the narrowest window."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The cursor that all panels share.

    Attributes:
        step: The step that is shown.
        first: First recorded step.
        last: Last recorded step, −1 before the first row.
        planned: The step at which the run is planned to end; at least ``last`` as far as windows are
            concerned.
        following: Whether the cursor moves along with the newest row.
        zoom: How often the window of steps was halved; 0 shows the whole run.
    """

    step: int = 0
    first: int = 0
    last: int = -1
    planned: int = 0
    following: bool = True
    zoom: int = 0

    @property
    def at_edge(self) -> bool:
        """Whether the cursor is on the newest row."""
        return self.step >= self.last

    @property
    def end(self) -> int:
        """Last step of the unzoomed window: the plan's or the newest row's, whichever is later."""
        return max(self.first, self.last, self.planned)

    def extended(self, first: int, last: int, planned: int) -> Cursor:
        """The cursor after rows were added: on the newest if it follows, else where it was."""
        grown = replace(self, first=first, last=last, planned=planned)
        return replace(grown, step=max(first, last) if self.following else grown._clamped(self.step))

    def to(self, step: int) -> Cursor:
        """The cursor at a step, or at the nearest recorded one."""
        target = self._clamped(step)
        return replace(self, step=target, following=target >= self.last)

    def moved(self, count: int) -> Cursor:
        """The cursor ``count`` steps later (earlier if negative), inside the recorded rows."""
        return self.to(self.step + count)

    def to_start(self) -> Cursor:
        """The cursor on the first row."""
        return self.to(self.first)

    def to_end(self) -> Cursor:
        """The cursor on the newest row, following."""
        return self.to(max(self.first, self.last))

    def zoomed(self, halvings: int) -> Cursor:
        """The cursor with its window halved so often (negative: doubled), down to :data:`MIN_WINDOW` steps."""
        most = 0
        while most < MAX_ZOOM and (self.end - self.first + 1) >> (most + 1) >= MIN_WINDOW:
            most += 1
        return replace(self, zoom=min(max(0, self.zoom + halvings), most))

    def window(self) -> tuple[int, int]:
        """First and last step that panels show: the whole run, or zoomed a part around the cursor."""
        if self.zoom == 0:
            return self.first, self.end
        span = max(MIN_WINDOW - 1, (self.end - self.first) >> self.zoom)
        start = min(max(self.first, self.step - span // 2), max(self.first, self.end - span))
        return start, min(self.end, start + span)

    def _clamped(self, step: int) -> int:
        return min(max(step, self.first), max(self.first, self.last))
