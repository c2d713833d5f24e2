"""Legend lines: what each series is, by dash, marker and name, in as few rows as they need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from rich.style import Style

from wnt_tui.charts.canvas import Canvas
from wnt_tui.charts.raster import Dash, dash_sample
from wnt_tui.theme.themes import Palette


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing a legend names.

    Attributes:
        sample: Glyphs that show how it is drawn; may be empty.
        name: Its name.
        sample_style: Style of the sample.
        name_style: Style of the name.
    """

    sample: str
    name: str
    sample_style: Style
    name_style: Style

    @property
    def width(self) -> int:
        """Cells it takes."""
        return len(self.sample) + bool(self.sample) + len(self.name)


def series_entry(name: str, color: int, dash: Dash, palette: Palette) -> Entry:
    """The entry of a series: a piece of its line, its marker and its name.

    Args:
        name: The series' name.
        color: Its number in the palette.
        dash: Its dash.
        palette: Styles and glyphs.

    Returns:
        The entry.
    """
    glyphs = palette.glyphs
    style = palette.series_style(color)
    marker = glyphs.markers[color % len(glyphs.markers)]
    sample = dash_sample(dash, 2) + marker if glyphs.unicode else marker
    return Entry(sample, glyphs.text(name), style, palette.text)


def arrange(
    entries: list[Entry], width: int, most_rows: int, gap: int, cut: Callable[[str, int], str]
) -> list[list[Entry]]:
    """Lay entries out in rows, in order.

    Args:
        entries: The entries.
        width: Cells of a row.
        most_rows: Rows there are.
        gap: Cells between two.
        cut: Shortens a text to a width.

    Returns:
        Rows of entries; what does not fit is left out.
    """
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


def draw_legend(canvas: Canvas, entries: list[Entry], *, left: int, most_rows: int) -> int:
    """Draw a legend at the top of a canvas.

    Args:
        canvas: Where to draw.
        entries: The entries.
        left: First column.
        most_rows: Rows it may take.

    Returns:
        Rows it took.
    """
    width = canvas.width - left
    # Closer together where that saves a row or keeps an entry.
    gap, rows = min(
        ((gap, arrange(entries, width, most_rows, gap, canvas.palette.glyphs.cut)) for gap in (2, 1)),
        key=lambda pair: (-sum(len(row) for row in pair[1]), len(pair[1]), -pair[0]),
    )
    for number, row in enumerate(rows):
        column = left
        for entry in row:
            pieces = [(entry.name, entry.name_style)]
            if entry.sample:
                pieces.insert(0, (entry.sample + " ", entry.sample_style))
            column = canvas.put_pieces(column, number, pieces) + gap
    return len(rows)
