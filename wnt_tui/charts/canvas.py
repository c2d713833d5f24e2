"""A grid of characters and styles that becomes Textual strips.

A strip's cost on a slow link is its number of style changes, so blank cells take the style of the cell before
them: they look the same and merge into one segment.
"""

from __future__ import annotations

import textwrap
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from wnt_tui.theme.themes import Palette

_SPACE = 32


class Canvas:
    """``height`` rows of ``width`` cells, each one character with one style.

    Args:
        width: Columns.
        height: Rows.
        palette: Ground style and glyphs.
    """

    def __init__(self, width: int, height: int, palette: Palette) -> None:
        self.width = max(width, 0)
        self.height = max(height, 0)
        self.palette = palette
        self.characters: NDArray[np.uint32] = np.full((self.height, self.width), _SPACE, dtype="<u4")
        self.styles: NDArray[np.int16] = np.zeros((self.height, self.width), dtype=np.int16)
        self._registry: dict[Style, int] = {palette.base: 0}

    def style_id(self, style: Style) -> int:
        """Number of a style on this canvas, the same for equal styles."""
        return self._registry.setdefault(style, len(self._registry))

    def style_at(self, column: int, row: int) -> Style:
        """The style of a cell."""
        return list(self._registry)[int(self.styles[row, column])]

    def put(self, column: int, row: int, text: str, style: Style) -> None:
        """Write a text from a column on, which may be negative; what lies outside the canvas is cut off."""
        if not 0 <= row < self.height:
            return
        clean = self.palette.glyphs.text(text)
        start = max(column, 0)
        clean = clean[start - column : max(self.width - column, 0)]
        if not clean:
            return
        end = start + len(clean)
        self.characters[row, start:end] = _codes(clean)
        self.styles[row, start:end] = self.style_id(style)

    def put_down(self, column: int, row: int, character: str, style: Style, where: NDArray[np.bool_]) -> None:
        """Set some cells of a column from a row on, where ``where`` is true, to one character known to be drawable."""
        stretch = np.s_[row : row + where.size, column]
        self.characters[stretch][where] = ord(character)
        self.styles[stretch][where] = self.style_id(style)

    def put_right(self, column: int, row: int, text: str, style: Style) -> None:
        """Write a text that ends just before a column."""
        self.put(column - len(self.palette.glyphs.text(text)), row, text, style)

    def put_pieces(self, column: int, row: int, pieces: list[tuple[str, Style]]) -> int:
        """Write texts one after the other and return the column after the last character."""
        for text, style in pieces:
            self.put(column, row, text, style)
            column += len(self.palette.glyphs.text(text))
        return column

    def message(self, text: str, style: Style, *, top: int = 0) -> None:
        """Write a sentence in the middle of the rows from ``top`` on, wrapped."""
        room = max(self.height - top, 0)
        margin = 2 if self.width > 24 else 0
        lines = textwrap.wrap(self.palette.glyphs.text(text), max(self.width - 2 * margin, 1))[:room]
        first = top + (room - len(lines)) // 2
        for row, line in enumerate(lines, start=first):
            self.put((self.width - len(line)) // 2, row, line, style)

    def to_strips(self) -> list[Strip]:
        """The canvas as strips, one a row, each exactly as wide as the canvas."""
        if self.width == 0 or self.height == 0:
            return [Strip([], 0) for _ in range(self.height)]
        styles = list(self._registry)
        ids = self._neighbours_styles(styles)
        text = self.characters.tobytes().decode("utf-32-le")
        change = np.ones((self.height, self.width), dtype=bool)
        np.not_equal(ids[:, 1:], ids[:, :-1], out=change[:, 1:])
        starts = change.reshape(-1).nonzero()[0]
        ends = [*starts[1:].tolist(), len(text)]
        segments: list[list[Segment]] = [[] for _ in range(self.height)]
        for start, end, style in zip(starts.tolist(), ends, ids.reshape(-1)[starts].tolist(), strict=True):
            segments[start // self.width].append(Segment(text[start:end], styles[style]))
        return [Strip(row, self.width) for row in segments]

    def _neighbours_styles(self, styles: list[Style]) -> NDArray[np.int16]:
        """Style numbers in which blank cells have taken the style of the nearest cell before them."""
        ground = self.palette.base.bgcolor
        lends = np.array([style.bgcolor == ground and not (style.reverse or style.underline) for style in styles])
        blank = (self.characters == _SPACE) & lends[self.styles]
        # Column of the last cell before each one that is not blank; the first column stands for itself.
        source = np.where(blank, 0, np.arange(self.width))
        source = np.maximum.accumulate(source, axis=1)
        lent = np.take_along_axis(self.styles, source, axis=1)
        return np.where(blank & lends[lent], lent, np.where(blank, 0, self.styles)).astype(np.int16)


@lru_cache(maxsize=4096)
def _codes(text: str) -> NDArray[np.uint32]:
    """Code points of a text; labels and words are written again and again."""
    return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
