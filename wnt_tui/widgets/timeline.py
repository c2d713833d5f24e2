"""The timeline: the whole run on one line, with the cursor and events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text
from textual import events
from textual.message import Message
from textual.reactive import reactive

from engine.record import Event
from wnt_tui.session.cursor import Cursor
from wnt_tui.widgets.line import ROOMY, Line

EVENT_MARKS: dict[str, tuple[str, str]] = {
    "failed": ("✖", "bad"),
    "diverged": ("▲", "bad"),
    "violation": ("▲", "warn"),
    "blocked": ("■", "bad"),
    "break": ("◉", "bad"),
    "mark": ("▼", "cursor_label"),
    "lr": ("◆", "cursor_label"),
    "notice": ("◇", "focus"),
    "stopped": ("■", "strong"),
    "finished": ("■", "strong"),
    "pause": ("╻", "strong"),
    "resume": ("╻", "strong"),
}
"""Sign and role of an event; of several in one cell the first of these is drawn. Starts are not marked."""

_PRECEDENCE = list(EVENT_MARKS)


def column_of(step: int, first: int, last: int, width: int) -> int:
    """The cell of a step on a line of ``width`` cells that spans ``first`` … ``last``."""
    if width <= 1 or last <= first:
        return 0
    return min(width - 1, max(0, round((step - first) / (last - first) * (width - 1))))


def step_at(column: int, first: int, last: int, width: int) -> int:
    """The step at a cell, the inverse of :func:`column_of`."""
    if width <= 1:
        return first
    return first + round(min(max(column, 0), width - 1) / (width - 1) * (last - first))


def draw_line(cursor: Cursor, happenings: Sequence[Event], width: int) -> list[tuple[str, str]]:
    """The line without its ends, a (sign, role) a cell; it spans the whole run, whatever the zoom."""
    # Recorded steps are heavy, planned ones light, those outside the zoomed window dim.
    first, end = cursor.first, cursor.end
    recorded = column_of(cursor.last, first, end, width) if cursor.last >= first else -1
    window = [column_of(step, first, end, width) for step in cursor.window()]
    cells = [
        ("━", "focus" if window[0] <= column <= window[1] else "axis") if column <= recorded else ("─", "axis")
        for column in range(width)
    ]
    marked = [event for event in happenings if event.kind in EVENT_MARKS]
    for event in sorted(marked, key=lambda event: -_PRECEDENCE.index(event.kind)):
        cells[column_of(event.step, first, end, width)] = EVENT_MARKS[event.kind]
    if cursor.last >= first:
        cells[column_of(cursor.step, first, end, width)] = ("●", "strong")
    return cells


class Timeline(Line):
    """One line: ``├━━━◆━━━●────┤  step 37  zoom 1×  following``. A click goes to that step."""

    @dataclass
    class Picked(Message):
        """Somebody clicked on a step."""

        step: int

    cursor: reactive[Cursor] = reactive(Cursor())
    happenings: reactive[tuple[Event, ...]] = reactive(())
    live: reactive[bool] = reactive(False)

    def legend(self) -> str:
        """What stands at the right: the step, the zoom, and whether the cursor follows."""
        cursor = self.cursor
        if cursor.last < cursor.first:
            return "no step yet"
        behind = cursor.last - cursor.step
        place = self._behind(behind) if behind else "following" if self.live else "at the end"
        return f"step {cursor.step}  zoom {2**cursor.zoom}×  {place}"

    def _behind(self, steps: int) -> str:
        if self.content_size.width < ROOMY:
            return f"{steps} behind"
        return f"{steps} step{'s' * (steps != 1)} behind newest"

    def _line_width(self) -> int:
        # The legend keeps its widest form's place, so that the line does not breathe while the cursor moves.
        last = max(self.cursor.end, 0)
        place = max(len("at the end"), len(self._behind(max(last, 2))))
        legend = len(f"step {last}  zoom {2**self.cursor.zoom}×  ") + place
        return max(4, self.content_size.width - legend - 4)

    def render(self) -> Text:
        """Line and legend."""
        cells = draw_line(self.cursor, self.happenings, self._line_width())
        parts = (("├", "axis"), *cells, ("┤  ", "axis"), (self.legend(), "text"))
        return self.fitted(*(self.styled(*part) for part in parts))

    def on_click(self, event: events.Click) -> None:
        """Go to the step under the mouse."""
        column = event.x - self.styles.padding.left - 1
        width = self._line_width()
        if 0 <= column < width:
            self.post_message(self.Picked(step_at(column, self.cursor.first, self.cursor.end, width)))
