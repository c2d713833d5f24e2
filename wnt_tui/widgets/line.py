"""A widget of one line, drawn with the palette and characters that the terminal can show."""

from __future__ import annotations

from itertools import groupby

from rich.style import Style
from rich.text import Text
from textual.widget import Widget

from wnt_tui.theme.themes import Palette

ROOMY = 120
"""Columns from which on parts stand further apart."""


class Line(Widget):
    """Base of header, tabs, key numbers, timeline and footer."""

    DEFAULT_CSS = """
    Line { height: 1; padding: 0 1; }
    """

    def __init__(self, palette: Palette) -> None:
        super().__init__(id=type(self).__name__.lower())
        self.palette = palette

    def styled(self, text: str, role: str) -> tuple[str, Style]:
        """A drawable text in the style of a role of the palette."""
        style: Style = getattr(self.palette, role)
        return self.palette.glyphs.text(text), style

    def fitted(self, *parts: tuple[str, Style]) -> Text:
        """One line of text out of parts; what does not fit is cut."""
        # Neighbours of one style as one part: Textual's cost is that of the parts, and a timeline has one a cell.
        joined = [("".join(text for text, _ in run), style) for style, run in groupby(parts, key=lambda part: part[1])]
        text = Text.assemble(*joined, style=self.palette.base, no_wrap=True, end="")
        text.truncate(self.content_size.width, overflow="crop")
        return text
