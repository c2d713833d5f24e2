"""Line charts: several series over steps or layers, with axes, legend, cursor and reference lines."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from textual.strip import Strip

from wnt_tui.charts.axes import Axis, cell_of, fit_axis, place_columns, place_rows, widened
from wnt_tui.charts.canvas import Canvas
from wnt_tui.charts.legend import Entry, draw_legend, series_entry
from wnt_tui.charts.raster import Dash, braille, cells_of, dots, spans
from wnt_tui.theme.glyphs import Glyphs
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
    """What to draw.

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


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where the plot lies on the canvas."""

    left: int
    top: int
    columns: int
    rows: int
    x: Axis
    y: Axis


@dataclass(slots=True)
class _Line:
    """A series in fractions of the axes, and where points of it stand alone, in dots."""

    series: Series
    across: Array
    up: Array
    isolated: list[tuple[int, int]] = field(default_factory=list)


def draw_lines(chart: LineChart, width: int, height: int, palette: Palette) -> list[Strip]:
    """Draw a line chart.

    Args:
        chart: What to draw.
        width: Cells across.
        height: Rows.
        palette: Styles and glyphs.

    Returns:
        ``height`` strips, each ``width`` cells wide.
    """
    canvas = Canvas(width, height, palette)
    if width < 1 or height < 1:
        return canvas.to_strips()
    x_axis = _x_axis(chart)
    visible = [_windowed(series, x_axis) for series in chart.series]
    y_axis, off_scale = _y_axis(chart, visible)
    if y_axis is None:
        notes = [
            Entry("", palette.glyphs.text(text), palette.dim, getattr(palette, role)) for text, role in chart.notes
        ]
        top = draw_legend(canvas, notes, left=0, most_rows=min(_LEGEND_ROWS, height // 4))
        canvas.message(chart.message, palette.dim, top=top)
        return canvas.to_strips()
    top = _legend(canvas, chart, off_scale)
    footer = 2 if height - top >= 5 else (1 if height - top >= 3 else 0)
    rows = max(height - top - footer, 1)
    labels = place_rows(y_axis, rows, palette.glyphs) if width >= 16 else []
    gutter = max((len(label) for _, label in labels), default=0)
    gutter = min(max(gutter, len(chart.x_name) if footer else 0), width // 3) if labels else 0
    left = gutter + 1 if labels else 0
    frame = _Frame(left, top, width - left, rows, x_axis, y_axis)

    _axes(canvas, chart, frame, labels, footer)
    _references(canvas, chart, frame)
    lines = _plot(canvas, visible, frame)
    _cursor(canvas, chart, frame)
    _markers(canvas, chart, lines, frame)
    return canvas.to_strips()


def _x_axis(chart: LineChart) -> Axis:
    first, last = float(chart.first), float(chart.last)
    return Axis(first, last) if first < last else Axis(first - 0.5, first + 0.5)


def _windowed(series: Series, axis: Axis) -> Series:
    """Return what the window holds of a series, and a neighbour on either side to run the line to."""
    low = max(int(np.searchsorted(series.x, axis.low, side="left")) - 1, 0)
    high = int(np.searchsorted(series.x, axis.high, side="right")) + 1
    if low == 0 and high >= series.x.size:
        return series
    bounds = None if series.bounds is None else series.bounds[low:high]
    return Series(
        series.name, series.x[low:high], series.y[low:high], series.color, series.dash, series.points, bounds,
        series.optional, series.here,
    )  # fmt: skip


def _inside(series: Series, axis: Axis) -> Array:
    """Return ordinates of the points that the window holds, without mere lower bounds above all others."""
    inside = (series.x >= axis.low) & (series.x <= axis.high)
    values = series.y[inside]
    if series.bounds is None:
        return values
    sure = values[~series.bounds[inside]]
    sure = sure[np.isfinite(sure)]
    return values[values <= sure.max()] if sure.size else values


def _y_axis(chart: LineChart, visible: list[Series]) -> tuple[Axis | None, dict[str, str]]:
    """Return the vertical axis, and which optional things it does not reach, with the side they are on."""
    x_axis = _x_axis(chart)
    needed = [_inside(series, x_axis) for series in visible if not series.optional]
    axis = fit_axis(needed, log=chart.log)
    required = [np.array([line.value]) for line in chart.references if not line.optional]
    if axis is None:
        everything = [_inside(series, x_axis) for series in visible]
        return fit_axis(everything, log=chart.log), {}
    if required:
        axis = fit_axis([*needed, *required], log=chart.log) or axis
    off_scale: dict[str, str] = {}
    extras = [(series.name, _inside(series, x_axis)) for series in visible if series.optional]
    extras += [(line.label, np.array([line.value])) for line in chart.references if line.optional]
    bottom, top = axis.low, axis.high
    for name, values in extras:
        place = axis.project(values)
        place = place[np.isfinite(place)]
        if not place.size:
            continue
        if place.max() > _STRETCH or place.min() < 1 - _STRETCH:
            off_scale[name] = "↑" if place.max() > _STRETCH else "↓"
        # What does fit of it is shown whole.
        reach = place[(place <= _STRETCH) & (place >= 1 - _STRETCH)]
        if reach.size and name not in off_scale:
            bottom, top = min(bottom, axis.at(float(reach.min()))), max(top, axis.at(float(reach.max())))
    if (bottom, top) != (axis.low, axis.high):
        axis = widened(bottom, top, log=chart.log, margin=0.02)
    return axis, off_scale


def _legend(canvas: Canvas, chart: LineChart, off_scale: dict[str, str]) -> int:
    palette = canvas.palette
    most_rows = min(_LEGEND_ROWS, (canvas.height - 3) // 3)
    if most_rows < 1:
        return 0
    entries = []
    for series in reversed(chart.series):
        if not np.isfinite(series.y).any():
            # Never measured; a bound that is finite but has no logarithm stays named.
            continue
        name = series.name
        if name in off_scale:
            name += f" {off_scale[name]} off scale"
        entries.append(series_entry(name, series.color, series.dash, palette))
    for text, role in chart.notes:
        entries.append(Entry("", palette.glyphs.text(text), palette.dim, getattr(palette, role)))
    return draw_legend(canvas, entries, left=0, most_rows=most_rows)


def _axes(canvas: Canvas, chart: LineChart, frame: _Frame, labels: list[tuple[int, str]], footer: int) -> None:
    palette, glyphs = canvas.palette, canvas.palette.glyphs
    if frame.left:
        canvas.put_down(frame.left - 1, frame.top, glyphs.axis_v, palette.axis, np.ones(frame.rows, dtype=bool))
        for row, label in labels:
            canvas.put_right(frame.left - 1, frame.top + row, label, palette.label)
            canvas.put(frame.left - 1, frame.top + row, glyphs.tick_v, palette.axis)
    if not footer:
        return
    label_row = frame.top + frame.rows + footer - 1
    axis_row = frame.top + frame.rows if footer == 2 else None
    if axis_row is not None:
        canvas.put(frame.left, axis_row, glyphs.axis_h * frame.columns, palette.axis)
        if frame.left:
            canvas.put(frame.left - 1, axis_row, glyphs.corner, palette.axis)
    if frame.left > len(chart.x_name):
        canvas.put_right(frame.left - 1, label_row, chart.x_name, palette.dim)
    taken = None
    if chart.cursor is not None and frame.x.low <= chart.cursor <= frame.x.high:
        text = f"{chart.cursor:g}" if abs(chart.cursor) < 1e6 else f"{chart.cursor:.0f}"
        column = _column(frame, chart.cursor, canvas.palette.glyphs)
        start = min(max(column - len(text) // 2, 0), frame.columns - len(text))
        if start >= 0:
            canvas.put(frame.left + start, label_row, text, palette.cursor_label)
            taken = range(start, start + len(text))
    for column, start, text in place_columns(frame.x, frame.columns, glyphs, taken):
        canvas.put(frame.left + start, label_row, text, palette.label)
        if axis_row is not None:
            canvas.put(frame.left + column, axis_row, glyphs.tick_h, palette.axis)
    if axis_row is not None and taken is not None and chart.cursor is not None:
        canvas.put(
            frame.left + _column(frame, chart.cursor, canvas.palette.glyphs),
            axis_row,
            glyphs.cursor_foot,
            palette.cursor_label,
        )


def _references(canvas: Canvas, chart: LineChart, frame: _Frame) -> None:
    palette, glyphs = canvas.palette, canvas.palette.glyphs
    for line in chart.references:
        fraction = frame.y.place(line.value)
        if not 0 <= fraction <= 1:
            continue
        row = frame.top + cell_of(1 - fraction, frame.rows, glyphs.dots_down)
        canvas.put(frame.left, row, glyphs.reference * frame.columns, palette.axis)
        text = glyphs.cut(line.label, max(frame.columns // 2, 1))
        canvas.put_right(frame.left + frame.columns, row, text, palette.reference)


def _plot(canvas: Canvas, visible: list[Series], frame: _Frame) -> list[_Line]:
    """Return where the points lie, having drawn the lines."""
    palette, glyphs = canvas.palette, canvas.palette.glyphs
    rows, columns = frame.rows * glyphs.dots_down, frame.columns * glyphs.dots_across
    lines = _projected(visible, frame)
    stretch = spans([(line.across, line.up) for line in lines], columns, rows)
    for number, column in zip(*stretch.isolated.nonzero(), strict=True):
        lines[number].isolated.append((int(column), int(stretch.low[number, column])))
    mask = dots(stretch, rows, [series.dash if glyphs.unicode else "solid" for series in visible])
    region = np.s_[frame.top : frame.top + frame.rows, frame.left : frame.left + frame.columns]
    characters, styles = canvas.characters[region], canvas.styles[region]
    for series, touched in zip(visible, cells_of(mask) if glyphs.unicode else mask, strict=True):
        np.copyto(styles, canvas.style_id(palette.series_style(series.color)), where=touched)
        if not glyphs.unicode:
            np.copyto(characters, ord(glyphs.markers[series.color % len(glyphs.markers)]), where=touched)
    if glyphs.unicode:
        drawn = braille(np.logical_or.reduce(mask, axis=0))
        np.copyto(characters, drawn, where=drawn != ord(" "))
    return lines


def _projected(visible: list[Series], frame: _Frame) -> list[_Line]:
    """Return the series in fractions of the axes."""
    if not visible:
        return []
    ends = np.cumsum([series.x.size for series in visible])[:-1].tolist()
    across = np.split(frame.x.project(np.concatenate([series.x for series in visible])), ends)
    up = np.split(frame.y.project(np.concatenate([series.y for series in visible])), ends)
    return [_Line(*line) for line in zip(visible, across, up, strict=True)]


def _cursor(canvas: Canvas, chart: LineChart, frame: _Frame) -> None:
    if chart.cursor is None or not frame.x.low <= chart.cursor <= frame.x.high:
        return
    palette, glyphs = canvas.palette, canvas.palette.glyphs
    column = frame.left + _column(frame, chart.cursor, glyphs)
    there = canvas.characters[frame.top : frame.top + frame.rows, column]
    free = (there == ord(" ")) | (there == ord(glyphs.reference))
    canvas.put_down(column, frame.top, glyphs.cursor, palette.cursor, free)


def _markers(canvas: Canvas, chart: LineChart, lines: list[_Line], frame: _Frame) -> None:
    """Shapes: at every point where asked for, at a point that stands alone, and at the cursor."""
    glyphs = canvas.palette.glyphs
    rows, columns = frame.rows * glyphs.dots_down, frame.columns * glyphs.dots_across
    for line in lines:
        series = line.series
        style = canvas.palette.series_style(series.color)
        shape = glyphs.markers[series.color % len(glyphs.markers)]
        for column, row in line.isolated:
            if 0 <= row < rows and 0 <= column < columns:
                cell = frame.left + column // glyphs.dots_across, frame.top + row // glyphs.dots_down
                canvas.put(*cell, shape, style)
        if series.here is not None and chart.cursor is not None:
            marked = [(frame.x.place(chart.cursor), frame.y.place(series.here), False)]
        else:
            bounds = series.bounds if series.bounds is not None else np.zeros(series.x.size, dtype=bool)
            marked = [
                (float(line.across[k]), float(line.up[k]), bool(bounds[k])) for k in _marked(chart, series, frame)
            ]
        for across, up, lower in marked:
            if lower and up > 1:
                # Known to be at least this, which is above the axis: marked at its top.
                up = 1.0
            if not (0 <= across <= 1 and 0 <= up <= 1):
                continue
            column = frame.left + cell_of(across, frame.columns, glyphs.dots_across)
            row = frame.top + cell_of(1 - up, frame.rows, glyphs.dots_down)
            canvas.put(column, row, glyphs.lower_bound if lower else shape, style)


def _marked(chart: LineChart, series: Series, frame: _Frame) -> list[int]:
    """Return the points that get a shape: all of few, else lower bounds and the one at the cursor."""
    if series.points and series.x.size * 2 <= frame.columns:
        return list(range(series.x.size))
    chosen = [] if series.bounds is None else np.flatnonzero(series.bounds).tolist()
    if chart.cursor is not None:
        first = int(np.searchsorted(series.x, chart.cursor, side="left"))
        stop = int(np.searchsorted(series.x, chart.cursor, side="right"))
        chosen += range(first, stop)
    return chosen


def _column(frame: _Frame, value: float, glyphs: Glyphs) -> int:
    return cell_of(frame.x.place(value), frame.columns, glyphs.dots_across)
