"""The timeline: the whole run on one line, the cursor on it, and what happened when."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual import events
from textual.message import Message
from textual.reactive import reactive

from engine.record import Event
from wnt_tui.session.cursor import Cursor
from wnt_tui.widgets.line import Line

EVENT_MARKS: dict[str, tuple[str, str, str, int]] = {
    "failed": ("✖", "X", "bad", 12),
    "diverged": ("▲", "!", "bad", 11),
    "violation": ("▲", "!", "warn", 10),
    "blocked": ("■", "#", "bad", 8),
    "break": ("◉", "o", "bad", 7),
    "mark": ("▼", "v", "cursor_label", 6),
    "lr": ("◆", "+", "cursor_label", 5),
    "notice": ("◇", ".", "focus", 4),
    "stopped": ("■", "#", "strong", 3),
    "finished": ("■", "#", "strong", 3),
    "pause": ("╻", "'", "strong", 2),
    "resume": ("╻", "'", "strong", 1),
}
"""Sign, its ASCII stand-in, role and precedence of an event; where several share a cell the highest is drawn.
Starts are not marked."""


def column_of(step: int, first: int, last: int, width: int) -> int:
    """Return the cell of a step on a line of ``width`` cells that spans ``first`` … ``last``."""
    if width <= 1 or last <= first:
        return 0
    return min(width - 1, max(0, round((step - first) / (last - first) * (width - 1))))


def step_at(column: int, first: int, last: int, width: int) -> int:
    """Return the step at a cell, the inverse of :func:`column_of`."""
    if width <= 1:
        return first
    return first + round(min(max(column, 0), width - 1) / (width - 1) * (last - first))


def draw_line(
    cursor: Cursor, happenings: Sequence[Event], width: int, *, unicode: bool = True
) -> list[tuple[str, str]]:
    """The line without its ends, one (sign, role) a cell.

    Args:
        cursor: The cursor; the line spans the whole run, whatever the zoom.
        happenings: Events to mark.
        width: Number of cells.
        unicode: Whether more than ASCII may be used.

    Returns:
        ``width`` cells: recorded steps heavy, planned ones light, those outside the zoomed window dim.
    """
    first, end = cursor.first, cursor.end
    recorded = column_of(cursor.last, first, end, width) if cursor.last >= first else -1
    window = [column_of(step, first, end, width) for step in cursor.window()]
    done, planned, here = ("━", "─", "●") if unicode else ("=", "-", "@")
    cells = [
        (done, "focus" if window[0] <= column <= window[1] else "axis") if column <= recorded else (planned, "axis")
        for column in range(width)
    ]
    precedence = [0] * width
    for event in happenings:
        mark = EVENT_MARKS.get(event.kind)
        column = column_of(event.step, first, end, width)
        if mark is not None and mark[3] > precedence[column]:
            precedence[column] = mark[3]
            cells[column] = (mark[0] if unicode else mark[1], mark[2])
    if cursor.last >= first:
        cells[column_of(cursor.step, first, end, width)] = (here, "strong")
    return cells


class Timeline(Line):
    """One line: ``├━━━◆━━━●────┤  step 37  ×1  following``. A click goes to that step."""

    class Picked(Message):
        """Somebody clicked on a step.

        Args:
            step: The step.
        """

        def __init__(self, step: int) -> None:
            super().__init__()
            self.step = step

    cursor: reactive[Cursor] = reactive(Cursor())
    happenings: reactive[tuple[Event, ...]] = reactive(())
    live: reactive[bool] = reactive(False)

    def legend(self) -> str:
        """Return what stands at the right: the step, the zoom, and whether the cursor follows."""
        cursor = self.cursor
        if cursor.last < cursor.first:
            return "no step yet"
        behind = cursor.last - cursor.step
        place = "following" if self.live else "at the end"
        return f"step {cursor.step}  ×{2**cursor.zoom}  {f'{behind} behind' if behind else place}"

    def _line_width(self) -> int:
        # The legend keeps its widest form's place, so that the line does not breathe while the cursor moves.
        digits = len(str(max(self.cursor.end, 0)))
        legend = len("step   ×1  ") + digits + max(len("at the end"), digits + len(" behind"))
        zoom = len(str(2**self.cursor.zoom)) - 1
        return max(4, self.content_size.width - legend - zoom - 4)

    def render(self) -> Text:
        """Return line and legend."""
        unicode = self.palette.glyphs.unicode
        cells = draw_line(self.cursor, self.happenings, self._line_width(), unicode=unicode)
        start, end = ("├", "┤") if unicode else ("|", "|")
        line = [(sign, getattr(self.palette, role)) for sign, role in cells]
        return self.fitted(
            (start, self.palette.axis),
            *line,
            (f"{end}  ", self.palette.axis),
            self.styled(self.legend(), "text"),
        )

    def on_click(self, event: events.Click) -> None:
        """Go to the step under the mouse."""
        column = event.x - self.styles.padding.left - 1
        width = self._line_width()
        if 0 <= column < width:
            self.post_message(self.Picked(step_at(column, self.cursor.first, self.cursor.end, width)))
