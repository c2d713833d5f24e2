"""The part of a canvas that a plot fills, and the horizontal axis below it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from wnt_tui.charts.axes import Axis, cell_of, place_columns
from wnt_tui.charts.canvas import Canvas


@dataclass(frozen=True)
class Frame:
    """The rectangle of a plot inside its chart.

    Attributes:
        canvas: What it is drawn on.
        left: Its first column; before it are the labels of its rows.
        top: Its first row.
        rows: Its rows.
        footer: Rows below it: 2 for the axis line and labels, 1 for labels, or 0.
        x: Its horizontal axis.
        cursor: The value under the cursor, or None.
    """

    canvas: Canvas
    left: int
    top: int
    rows: int
    footer: int
    x: Axis
    cursor: float | None

    @property
    def columns(self) -> int:
        """Its columns."""
        return self.canvas.width - self.left

    @property
    def region(self) -> tuple[slice, slice]:
        """Its rows and columns, as an index into the canvas's arrays."""
        return slice(self.top, self.top + self.rows), slice(self.left, self.left + self.columns)

    @cached_property
    def cursor_column(self) -> int | None:
        """The canvas's column in which the cursor lies; None outside the axis."""
        if self.cursor is None or not self.x.low <= self.cursor <= self.x.high:
            return None
        return self.left + cell_of(self.x.place(self.cursor), self.columns, self.canvas.palette.glyphs.dots_across)

    def draw_axis(self, name: str) -> None:
        """Draw the horizontal axis: its line, its name, the cursor's value, and as many others as fit beside it."""
        if not self.footer:
            return
        canvas, palette, glyphs = self.canvas, self.canvas.palette, self.canvas.palette.glyphs
        labels = self.top + self.rows + self.footer - 1
        # Outside the canvas where there is no line.
        line = labels - 1 if self.footer == 2 else -1
        canvas.put(self.left, line, glyphs.axis_h * self.columns, palette.axis)
        if self.left:
            canvas.put(self.left - 1, line, glyphs.corner, palette.axis)
        if self.left > len(name):
            canvas.put_right(self.left - 1, labels, name, palette.dim)
        taken, column = None, self.cursor_column
        if self.cursor is not None and column is not None:
            text = f"{self.cursor:g}" if abs(self.cursor) < 1e6 else f"{self.cursor:.0f}"
            start = min(max(column - self.left - len(text) // 2, 0), self.columns - len(text))
            if start >= 0:
                canvas.put(self.left + start, labels, text, palette.cursor_label)
                taken = range(start, start + len(text))
        for tick, start, text in place_columns(self.x, self.columns, glyphs, taken):
            canvas.put(self.left + start, labels, text, palette.label)
            canvas.put(self.left + tick, line, glyphs.tick_h, palette.axis)
        if column is not None and taken is not None:
            canvas.put(column, line, glyphs.cursor_foot, palette.cursor_label)
