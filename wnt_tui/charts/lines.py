"""Line charts: several series over steps or layers, with axes, legend, cursor and reference lines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from textual.strip import Strip

from wnt_tui.charts.axes import Axis, cell_of, fit_axis, place_rows, widened
from wnt_tui.charts.canvas import Canvas
from wnt_tui.charts.frame import Frame
from wnt_tui.charts.legend import Entry, draw_legend, series_entry
from wnt_tui.charts.raster import Dash, braille, cells_of, dots, spans
from wnt_tui.theme.themes import Palette

Array = NDArray[np.float64]

_LEGEND_ROWS = 3

# An optional series may stretch the axis to this many times what the others need.
_STRETCH = 2.0


@dataclass(frozen=True, slots=True)
class Series:
    """A line to draw.

    Attributes:
        name: Its name in the legend.
        x: Abscissas, ascending and finite, shape (points,).
        y: Ordinates, same shape; a non-finite value is a gap, as is one ≤ 0 on a logarithmic axis.
        color: Its number in the palette: colour and marker.
        dash: Its pattern.
        points: Whether to mark every point, for few points such as layers.
        bounds: Where the value is only known to be at least ``y``, same shape; None for nowhere. Such points do not
            stretch the axis; beyond it they are marked at its top.
        optional: Whether the axis need not show it; the legend says "off scale" where it would squeeze the
            rest.
        here: The value at the cursor, for series so reduced that they no longer hold it; None to look it up.
    """

    name: str
    x: Array
    y: Array
    color: int = 0
    dash: Dash = "solid"
    points: bool = False
    bounds: NDArray[np.bool_] | None = None
    optional: bool = False
    here: float | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """A horizontal line with a label.

    Attributes:
        value: Where it is; not drawn if it is not finite or has no place on the axis.
        label: Its text, at the right end.
        optional: Whether the axis need not show it.
    """

    value: float
    label: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class LineChart:
    """The contents of a chart.

    Attributes:
        series: Later ones are drawn over earlier ones; the legend names the topmost first.
        first: Left end of the horizontal axis.
        last: Right end.
        log: Whether the vertical axis is logarithmic.
        cursor: Where the vertical cursor line stands, or None.
        x_name: What the horizontal axis counts.
        references: Horizontal lines.
        notes: Short remarks after the legend, as ``(text, role)`` with a role of the palette.
        message: What to say where there is nothing to draw.
    """

    series: tuple[Series, ...]
    first: float
    last: float
    log: bool = False
    cursor: float | None = None
    x_name: str = "step"
    references: tuple[Reference, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    message: str = "no data yet"


class _Line(NamedTuple):
    """A series in fractions of the axes, and the points of it that stand alone, as dot columns and rows."""

    series: Series
    across: Array
    up: Array
    isolated: list[tuple[int, int]]


def draw_lines(chart: LineChart, width: int, height: int, palette: Palette) -> list[Strip]:
    """Draw a line chart: ``height`` strips, each ``width`` cells wide."""
    canvas = Canvas(width, height, palette)
    if width < 1 or height < 1:
        return canvas.to_strips()
    first, last = float(chart.first), float(chart.last)
    x_axis = Axis(first, last) if first < last else Axis(first - 0.5, first + 0.5)
    visible = [_windowed(series, x_axis) for series in chart.series]
    y_axis, off_scale = _y_axis(chart, visible, x_axis)
    notes = [Entry(palette.glyphs.text(text), getattr(palette, role)) for text, role in chart.notes]
    if y_axis is None:
        top = draw_legend(canvas, notes, min(_LEGEND_ROWS, height // 4))
        canvas.message(chart.message, palette.dim, top=top)
        return canvas.to_strips()
    # What was never measured has no entry; a bound that is finite but has no logarithm stays named.
    entries = [
        series_entry(series.name + off_scale.get(series.name, ""), series.color, series.dash, palette)
        for series in reversed(chart.series)
        if np.isfinite(series.y).any()
    ]
    top = draw_legend(canvas, entries + notes, max(min(_LEGEND_ROWS, (height - 3) // 3), 0))
    footer = 2 if height - top >= 5 else (1 if height - top >= 3 else 0)
    rows = max(height - top - footer, 1)
    labels = place_rows(y_axis, rows, palette.glyphs) if width >= 16 else []
    gutter = max((len(label) for _, label in labels), default=0)
    gutter = min(max(gutter, len(chart.x_name) if footer else 0), width // 3)
    frame = Frame(canvas, gutter + 1 if labels else 0, top, rows, footer, x_axis, chart.cursor)
    if labels:
        everywhere = np.ones(rows, dtype=bool)
        canvas.put_down(gutter, top, palette.glyphs.axis_v, palette.axis, everywhere)
    for row, label in labels:
        canvas.put_right(gutter, top + row, label, palette.label)
        canvas.put(gutter, top + row, palette.glyphs.tick_v, palette.axis)
    frame.draw_axis(chart.x_name)
    _references(chart, frame, y_axis)
    lines = _plot(visible, frame, y_axis)
    column = frame.cursor_column
    if column is not None:
        there = canvas.characters[top : top + rows, column]
        free = (there == ord(" ")) | (there == ord(palette.glyphs.reference))
        canvas.put_down(column, top, palette.glyphs.cursor, palette.cursor, free)
    _markers(chart, lines, frame, y_axis)
    return canvas.to_strips()


def _windowed(series: Series, axis: Axis) -> Series:
    """The part of a series in the window, and a neighbour on either side to run the line to."""
    low = max(int(np.searchsorted(series.x, axis.low, side="left")) - 1, 0)
    high = int(np.searchsorted(series.x, axis.high, side="right")) + 1
    if low == 0 and high >= series.x.size:
        return series
    bounds = None if series.bounds is None else series.bounds[low:high]
    return replace(series, x=series.x[low:high], y=series.y[low:high], bounds=bounds)


def _inside(series: Series, axis: Axis) -> Array:
    """Ordinates in the window, without mere lower bounds above all others."""
    inside = (series.x >= axis.low) & (series.x <= axis.high)
    values = series.y[inside]
    if series.bounds is None:
        return values
    sure = values[~series.bounds[inside]]
    sure = sure[np.isfinite(sure)]
    return values[values <= sure.max()] if sure.size else values


def _y_axis(chart: LineChart, visible: list[Series], x_axis: Axis) -> tuple[Axis | None, dict[str, str]]:
    """The vertical axis, and what to say of the optional series that it does not reach, by name."""
    needed = [_inside(series, x_axis) for series in visible if not series.optional]
    extras = [(series.name, _inside(series, x_axis)) for series in visible if series.optional]
    axis = fit_axis(needed, log=chart.log)
    if axis is None:
        return fit_axis([values for _, values in extras], log=chart.log), {}
    levels = [np.array([line.value]) for line in chart.references if not line.optional]
    if levels:
        axis = fit_axis(needed + levels, log=chart.log) or axis
    extras += [(line.label, np.array([line.value])) for line in chart.references if line.optional]
    off_scale: dict[str, str] = {}
    bottom, top = axis.low, axis.high
    for name, values in extras:
        place = axis.project(values)
        place = place[np.isfinite(place)]
        if not place.size:
            continue
        low, high = float(place.min()), float(place.max())
        if high > _STRETCH or low < 1 - _STRETCH:
            off_scale[name] = f" {'↑' if high > _STRETCH else '↓'} off scale"
        else:
            bottom, top = min(bottom, axis.at(low)), max(top, axis.at(high))
    if (bottom, top) != (axis.low, axis.high):
        axis = widened(bottom, top, log=chart.log, margin=0.02)
    return axis, off_scale


def _references(chart: LineChart, frame: Frame, y_axis: Axis) -> None:
    canvas, palette, glyphs = frame.canvas, frame.canvas.palette, frame.canvas.palette.glyphs
    for line in chart.references:
        fraction = y_axis.place(line.value)
        if 0 <= fraction <= 1:
            row = frame.top + cell_of(1 - fraction, frame.rows, glyphs.dots_down)
            canvas.put(frame.left, row, glyphs.reference * frame.columns, palette.axis)
            canvas.put_right(canvas.width, row, glyphs.cut(line.label, max(frame.columns // 2, 1)), palette.reference)


def _plot(visible: list[Series], frame: Frame, y_axis: Axis) -> list[_Line]:
    """Draw the lines; the points of them in fractions of the axes."""
    palette, glyphs = frame.canvas.palette, frame.canvas.palette.glyphs
    rows, columns = frame.rows * glyphs.dots_down, frame.columns * glyphs.dots_across
    # All at once: what numpy costs a call is the time that this takes.
    ends = np.cumsum([series.x.size for series in visible])[:-1].tolist()
    across = np.split(frame.x.project(np.concatenate([series.x for series in visible])), ends)
    up = np.split(y_axis.project(np.concatenate([series.y for series in visible])), ends)
    stretch = spans(list(zip(across, up, strict=True)), columns, rows)
    lines = [_Line(*line, []) for line in zip(visible, across, up, strict=True)]
    for number, column in zip(*stretch.isolated.nonzero(), strict=True):
        lines[number].isolated.append((int(column), int(stretch.low[number, column])))
    mask = dots(stretch, rows, [series.dash if glyphs.unicode else "solid" for series in visible])
    characters, styles = frame.canvas.characters[frame.region], frame.canvas.styles[frame.region]
    for series, touched in zip(visible, cells_of(mask) if glyphs.unicode else mask, strict=True):
        np.copyto(styles, frame.canvas.style_id(palette.series_style(series.color)), where=touched)
        if not glyphs.unicode:
            np.copyto(characters, ord(glyphs.markers[series.color % len(glyphs.markers)]), where=touched)
    if glyphs.unicode:
        drawn = braille(np.logical_or.reduce(mask, axis=0))
        np.copyto(characters, drawn, where=drawn != ord(" "))
    return lines


def _markers(chart: LineChart, lines: list[_Line], frame: Frame, y_axis: Axis) -> None:
    """Shapes: at every point where asked for, at a point that stands alone, and at the cursor."""
    canvas, glyphs = frame.canvas, frame.canvas.palette.glyphs
    rows, columns = frame.rows * glyphs.dots_down, frame.columns * glyphs.dots_across
    for series, across, up, isolated in lines:
        style = canvas.palette.series_style(series.color)
        shape = glyphs.markers[series.color % len(glyphs.markers)]
        for column, row in isolated:
            if 0 <= row < rows and 0 <= column < columns:
                cell = frame.left + column // glyphs.dots_across, frame.top + row // glyphs.dots_down
                canvas.put(*cell, shape, style)
        if series.here is not None and chart.cursor is not None:
            marked = [(frame.x.place(chart.cursor), y_axis.place(series.here), False)]
        else:
            bounds = np.zeros(series.x.size, dtype=bool) if series.bounds is None else series.bounds
            chosen = _marked(chart, series, frame)
            marked = [(float(across[point]), float(up[point]), bool(bounds[point])) for point in chosen]
        for place, height, lower in marked:
            # What is known to be at least this, above the axis, is marked at its top.
            height = min(height, 1.0) if lower else height
            if 0 <= place <= 1 and 0 <= height <= 1:
                column = frame.left + cell_of(place, frame.columns, glyphs.dots_across)
                row = frame.top + cell_of(1 - height, frame.rows, glyphs.dots_down)
                canvas.put(column, row, glyphs.lower_bound if lower else shape, style)


def _marked(chart: LineChart, series: Series, frame: Frame) -> list[int]:
    """The points that get a shape: all of few, else lower bounds and the one at the cursor."""
    if series.points and series.x.size * 2 <= frame.columns:
        return list(range(series.x.size))
    chosen = [] if series.bounds is None else np.flatnonzero(series.bounds).tolist()
    if chart.cursor is not None:
        first = int(series.x.searchsorted(chart.cursor, side="left"))
        chosen += range(first, int(series.x.searchsorted(chart.cursor, side="right")))
    return chosen
