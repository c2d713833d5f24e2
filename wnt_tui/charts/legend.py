"""Legend lines: each series by dash, marker and name, and remarks, in as few rows as they need."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rich.style import Style

from wnt_tui.charts.canvas import Canvas
from wnt_tui.charts.raster import Dash, dash_sample
from wnt_tui.theme.themes import Palette

_PLAIN = Style()


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing a legend names.

    Attributes:
        name: Its name, drawable.
        name_style: Style of the name.
        sample: Glyphs that show how it is drawn; may be empty.
        sample_style: Style of the sample.
    """

    name: str
    name_style: Style
    sample: str = ""
    sample_style: Style = _PLAIN

    @property
    def width(self) -> int:
        """Cells it takes."""
        return len(self.sample) + bool(self.sample) + len(self.name)


def series_entry(name: str, color: int, dash: Dash, palette: Palette) -> Entry:
    """The entry of a series: a piece of its line, its marker and its name."""
    glyphs = palette.glyphs
    marker = glyphs.markers[color % len(glyphs.markers)]
    sample = dash_sample(dash, 2) + marker if glyphs.unicode else marker
    return Entry(glyphs.text(name), palette.text, sample, palette.series_style(color))


def draw_legend(canvas: Canvas, entries: list[Entry], most_rows: int) -> int:
    """Draw a legend at the top of a canvas in at most ``most_rows`` rows and return the rows it took."""
    # Closer together where that saves a row or keeps an entry.
    gap, rows = min(
        ((gap, _arranged(canvas, entries, most_rows, gap)) for gap in (2, 1)),
        key=lambda pair: (-sum(len(row) for row in pair[1]), len(pair[1]), -pair[0]),
    )
    for number, row in enumerate(rows):
        column = 0
        for entry in row:
            pieces = [(f"{entry.sample} ", entry.sample_style)] if entry.sample else []
            column = canvas.put_pieces(column, number, [*pieces, (entry.name, entry.name_style)]) + gap
    return len(rows)


def _arranged(canvas: Canvas, entries: list[Entry], most_rows: int, gap: int) -> list[list[Entry]]:
    """Entries in rows, in order; what does not fit is left out."""
    width, cut = canvas.width, canvas.palette.glyphs.cut
    rows: list[list[Entry]] = []
    used = width
    for entry in entries:
        if entry.width > width:
            entry = replace(entry, name=cut(entry.name, width - entry.width + len(entry.name)))
        if not rows or used + gap + entry.width > width:
            if len(rows) == most_rows:
                break
            rows.append([])
            used = -gap
        rows[-1].append(entry)
        used += gap + entry.width
    return rows
