"""Heat maps: one row a layer, one column a stretch of steps, colour or density for the value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.style import Style
from textual.strip import Strip

from engine.catalogue.numerals import significant
from wnt_tui.charts.axes import Axis, fit_axis
from wnt_tui.charts.canvas import Canvas
from wnt_tui.charts.frame import Frame
from wnt_tui.theme.themes import Palette

Array = NDArray[np.float64]

_UPPER_HALF = "▀"
_LOWER_HALF = "▄"


@dataclass(frozen=True, slots=True)
class HeatMap:
    """The contents of a chart.

    Attributes:
        starts: First step of each block, ascending, shape (blocks,).
        stops: Last step that each block stands for, same shape.
        values: Values, shape (blocks, layers); NaN is left blank.
        first: Left end of the window.
        last: Right end.
        cursor: Step of the cursor, or None.
        selected: The selected layer, marked, or None.
        log: Whether colour follows the logarithm of the value.
        ceiling: Values from here on are only known to be at least this: they have a colour of their own, beyond the
            ramp, and do not stretch it. None if all values are known.
        beyond: Why, in a few words.
        name: What the colours mean, beside the colour bar.
        message: What to say where there is nothing to draw.
        beside: Values of other maps that are drawn with the same colours.
        label: Its name among those, before the colour bar; a few cells at most.
    """

    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    values: Array
    first: int
    last: int
    cursor: int | None = None
    selected: int | None = None
    log: bool = False
    ceiling: float | None = None
    beyond: str = ""
    name: str = ""
    message: str = "no data yet"
    beside: tuple[Array, ...] = ()
    label: str = ""


def draw_heatmap(chart: HeatMap, width: int, height: int, palette: Palette) -> list[Strip]:
    """Draw a heat map, layer 0 at the bottom: ``height`` strips, each ``width`` cells wide."""
    canvas = Canvas(width, height, palette)
    if width < 1 or height < 1:
        return canvas.to_strips()
    maps = [chart.values, *chart.beside]
    known = [values if chart.ceiling is None else values[values < chart.ceiling] for values in maps]
    scale = fit_axis(known, log=chart.log, margin=0.0) or fit_axis(maps, log=chart.log)
    if scale is None or not np.isfinite(chart.values).any():
        canvas.message(chart.message, palette.dim)
        return canvas.to_strips()
    layers = chart.values.shape[1]
    bar = 1 if height >= 5 else 0
    footer = 2 if height >= 8 else (1 if height >= 4 else 0)
    left = max(len(str(layers - 1)) + 2, 6) if width >= 16 else 0
    axis = Axis(chart.first - 0.5, chart.last + 0.5)
    frame = Frame(canvas, left, bar, max(height - bar - footer, 1), footer, axis, chart.cursor)
    if bar:
        _colour_bar(canvas, chart, scale, left)
        canvas.put(0, 0, palette.glyphs.cut(chart.label, left), palette.strong)
    owners = layer_rows(layers, frame.rows, halves=palette.heat_is_ground)
    _cells(frame, chart, scale, owners)
    if left:
        _layer_labels(frame, chart.selected, owners)
    column = frame.cursor_column
    if column is not None:
        for row in range(bar, bar + frame.rows):
            _cross(canvas, column, row)
    frame.draw_axis("step")
    return canvas.to_strips()


def column_values(chart: HeatMap, columns: int) -> Array:
    """The largest value of the blocks that overlap each column, shape (columns, layers); NaN where no block reaches."""
    blocks, layers = chart.values.shape
    out = np.full((columns, layers), np.nan)
    if not blocks or not columns:
        return out
    span = chart.last - chart.first + 1
    edges = chart.first + np.arange(columns + 1) * (span / columns)
    # Steps are cells of width 1, so that the column of step k is where the axis puts k.
    begin = np.searchsorted(chart.stops + 1, edges[:-1], side="right")
    end = np.searchsorted(chart.starts, edges[1:], side="left")
    reached = begin < end
    # A block of nothing at the end, so that every stretch of blocks has a block after it to end at.
    finite = np.full((blocks + 1, layers), np.nan)
    np.copyto(finite[:-1], chart.values, where=np.isfinite(chart.values))
    stretches = np.column_stack([begin[reached], end[reached]]).ravel()
    if stretches.size:
        out[reached] = np.fmax.reduceat(finite, stretches, axis=0)[::2]
    return out


def layer_rows(layers: int, rows: int, *, halves: bool) -> NDArray[np.int64]:
    """The layer that each half row shows, from the top, shape (2·rows,); −1 for an empty half."""
    # With more layers than fit, each half stands for several and names the first of them.
    slots = 2 * rows if halves else rows
    owners = np.full(slots, -1, dtype=np.int64)
    if layers <= slots:
        tall = slots // layers
        upwards = np.repeat(np.arange(layers), tall)
    else:
        upwards = np.arange(slots) * layers // slots
    owners[slots - upwards.size :] = upwards[::-1]
    return owners if halves else np.repeat(owners, 2)


def _cells(frame: Frame, chart: HeatMap, scale: Axis, owners: NDArray[np.int64]) -> None:
    canvas, palette = frame.canvas, frame.canvas.palette
    values = column_values(chart, frame.columns)
    shown = np.full((owners.size, frame.columns), np.nan)
    # Where several layers share a row it shows the worst of them, as it does for steps.
    firsts, which = np.unique(owners[owners >= 0], return_inverse=True)
    if firsts.size:
        shown[owners >= 0] = np.fmax.reduceat(values, firsts, axis=1).T[which]
    place, steps = scale.project(shown), len(palette.heat)
    known = np.isfinite(place)
    level = np.minimum(np.where(known, place, 0.0).clip(0, 1) * steps, steps - 1).astype(np.int64)
    level[~known] = -1
    if chart.ceiling is not None:
        with np.errstate(invalid="ignore"):
            level[shown >= chart.ceiling] = steps
    upper, lower = level[0::2], level[1::2]
    if not palette.heat_is_ground:
        upper = lower = np.maximum(upper, lower)
    # A character and a style for each pair of levels that occurs, and not for each cell.
    pairs, which = np.unique((upper + 1) * (steps + 2) + lower + 1, return_inverse=True)
    inks = [_ink(palette, *(part - 1 for part in divmod(int(pair), steps + 2))) for pair in pairs]
    canvas.characters[frame.region] = np.array([ord(character) for character, _ in inks])[which].reshape(upper.shape)
    canvas.styles[frame.region] = np.array([canvas.style_id(style) for _, style in inks])[which].reshape(upper.shape)


def _ink(palette: Palette, upper: int, lower: int) -> tuple[str, Style]:
    """A cell that shows one level of the ramp above another, −1 for none."""
    if upper < 0 and lower < 0:
        return " ", palette.base
    if upper == lower:
        return palette.heat_glyph(upper), palette.heat_style(upper)
    if upper < 0:
        return _LOWER_HALF, _two_levels(palette, lower, -1)
    return _UPPER_HALF, _two_levels(palette, upper, lower)


def _two_levels(palette: Palette, ink: int, ground: int) -> Style:
    """A style with one level of the ramp as ink on another, or on the panel's ground."""
    below = palette.base if ground < 0 else palette.heat_style(ground)
    return Style(color=palette.heat_style(ink).bgcolor, bgcolor=below.bgcolor)


def _colour_bar(canvas: Canvas, chart: HeatMap, scale: Axis, left: int) -> None:
    palette = canvas.palette
    low, high = significant(scale.low, 3), significant(scale.high, 3)
    room = canvas.width - left - len(low) - len(high) - 2
    beyond, name = "", palette.glyphs.text(chart.name)
    if chart.ceiling is not None and (chart.values >= chart.ceiling).any():
        words = f"≥ {significant(chart.ceiling, 3)} {chart.beyond}"
        beyond = palette.glyphs.cut(words, max(room - 10, 0))
        room -= len(beyond) + 3
    if name and room - len(name) - 2 >= 8:
        canvas.put_right(canvas.width, 0, name, palette.dim)
        room -= len(name) + 2
    length = min(room, 2 * len(palette.heat))
    if length < 2:
        return
    canvas.put(left, 0, low, palette.label)
    start = left + len(low) + 1
    for column in range(length):
        level = column * len(palette.heat) // length
        canvas.put(start + column, 0, palette.heat_glyph(level), palette.heat_style(level))
    end = start + length + 1
    canvas.put(end, 0, high, palette.label)
    if beyond:
        level = len(palette.heat)
        canvas.put(end + len(high) + 1, 0, palette.heat_glyph(level), palette.heat_style(level))
        canvas.put(end + len(high) + 3, 0, beyond, palette.label)


def _layer_labels(frame: Frame, selected: int | None, owners: NDArray[np.int64]) -> None:
    canvas, palette, glyphs = frame.canvas, frame.canvas.palette, frame.canvas.palette.glyphs
    line = frame.left - 1
    canvas.put_down(line, frame.top, glyphs.axis_v, palette.axis, np.ones(frame.rows, dtype=bool))
    last_row = canvas.height
    for layer in np.unique(owners[owners >= 0]).tolist():
        row = frame.top + int(np.flatnonzero(owners == layer).mean() + 0.5) // 2
        chosen = layer == selected
        if row < last_row or chosen:
            canvas.put(0, row, " " * line, palette.label)
            text = f"{glyphs.selected if chosen else ''}{layer}"
            canvas.put_right(line, row, text, palette.cursor_label if chosen else palette.label)
            last_row = row


def _cross(canvas: Canvas, column: int, row: int) -> None:
    """Mark a heat cell as the cursor's."""
    palette = canvas.palette
    style = canvas.style_at(column, row)
    if style == palette.base:
        canvas.put(column, row, palette.glyphs.cursor, palette.cursor)
        return
    if palette.heat_is_ground:
        # Lightened and not crossed: a line would hide one of two layers that share a cell.
        lighter = Style(color=_lightened(style.color), bgcolor=_lightened(style.bgcolor))
        canvas.put(column, row, chr(int(canvas.characters[row, column])), lighter)
    else:
        canvas.put(column, row, palette.glyphs.cursor, palette.strong)


def _lightened(colour: Color | None) -> Color | None:
    if colour is None:
        return None
    channels = colour.get_truecolor()
    # What is almost white can only be told apart by growing darker.
    target = 0 if min(channels) > 200 else 255
    return Color.from_rgb(*(channel + (target - channel) * 0.45 for channel in channels))
