import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.session.schema import LARGEST_STEP
from wnt_tui.charts.lines import LineChart, Reference, Series, draw_lines
from wnt_tui.charts.raster import DASHES
from wnt_tui.theme.themes import make_palette

PALETTES = [
    make_palette(depth, ascii_only=plain) for depth in ("truecolor", "256", "16", "mono") for plain in (False, True)
]
VALUES = st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=0, max_size=40)


def text_of(strips):
    return [strip.text for strip in strips]


def chart_of(*ys, **changes):
    dashes = list(DASHES)
    series = tuple(
        Series(f"s{i}", np.arange(len(y), dtype=float), np.array(y, dtype=float), i, dashes[i % len(dashes)])
        for i, y in enumerate(ys)
    )
    options = {"first": 0, "last": max((len(y) for y in ys), default=1) - 1, "cursor": 2.0}
    return LineChart(series=series, **(options | changes))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(VALUES, min_size=0, max_size=4), st.booleans(), st.integers(1, 90), st.integers(1, 24),
    st.sampled_from(PALETTES), st.floats(allow_nan=True, allow_infinity=True),
)  # fmt: skip
def test_strips_have_exactly_the_size_asked_for(ys, log, width, height, palette, level):
    chart = chart_of(*ys, log=log, references=(Reference(level, "level"),), notes=(("a note", "warn"),))
    strips = draw_lines(chart, width, height, palette)
    assert len(strips) == height
    assert all(strip.cell_length == width for strip in strips)
    assert all(sum(segment.cell_length for segment in strip) == width for strip in strips)


@pytest.mark.parametrize("palette", [p for p in PALETTES if not p.glyphs.unicode], ids=lambda p: p.name)
def test_ascii_mode_writes_ascii_only(palette):
    chart = chart_of([1, 2, 3, 4], [4, 3, 2, 1], log=True, references=(Reference(2, "2/η · λ"),), message="—")
    assert all(line.isascii() for line in text_of(draw_lines(chart, 60, 14, palette)))


def test_the_message_says_why_there_is_nothing_to_draw():
    text = " ".join(text_of(draw_lines(chart_of([np.nan] * 4, message="not measured"), 40, 9, PALETTES[0])))
    assert "not measured" in text


def test_a_lone_point_is_marked():
    lines = text_of(draw_lines(chart_of([np.nan, 3.0, np.nan], cursor=None), 40, 12, PALETTES[0]))
    # One in the legend, one in the plot.
    assert sum(line.count("●") for line in lines) == 2


def test_a_nan_leaves_the_axis_as_it_is():
    clean = draw_lines(chart_of([1.0, 2.0, 3.0, 4.0], first=0, last=9, cursor=None), 50, 12, PALETTES[0])
    dirty = draw_lines(
        chart_of([1.0, 2.0, 3.0, 4.0, np.inf, np.nan], first=0, last=9, cursor=None), 50, 12, PALETTES[0]
    )
    assert text_of(clean) == text_of(dirty)


def test_only_values_in_the_window_shape_the_axis():
    wide = chart_of([1e9, 1.0, 2.0, 3.0, 1e9], first=1, last=3, cursor=None)
    labels = " ".join(line[:7] for line in text_of(draw_lines(wide, 50, 12, PALETTES[0])))
    assert "e9" not in labels


def test_a_far_optional_series_is_said_to_be_off_scale():
    near, far = np.array([1.0, 2.0, 3.0]), np.array([1e6, 1e6, 1e6])
    x = np.arange(3.0)
    chart = LineChart((Series("far", x, far, 1, optional=True), Series("near", x, near)), 0, 2)
    text = "\n".join(text_of(draw_lines(chart, 60, 12, PALETTES[0])))
    assert "far ↑ off scale" in text
    assert "e6" not in text


def test_an_optional_series_alone_is_drawn():
    chart = LineChart((Series("only", np.arange(3.0), np.array([1.0, 2.0, 3.0]), optional=True),), 0, 2)
    assert any(
        "⠤" <= character <= "⣿" for line in text_of(draw_lines(chart, 40, 10, PALETTES[0]))[2:8] for character in line
    )


def test_a_point_known_only_from_below_has_its_own_shape():
    x, y = np.arange(3.0), np.array([1.0, 2.0, 3.0])
    series = Series("κ", x, y, points=True, bounds=np.array([True, False, False]))
    text = "".join(text_of(draw_lines(LineChart((series,), 0, 2), 40, 12, PALETTES[0]))[1:])
    assert text.count("△") == 1
    assert text.count("●") == 2


def test_blank_cells_take_their_neighbours_style():
    strips = draw_lines(chart_of([1, 2, 3, 4]), 53, 13, PALETTES[0])
    # Otherwise every gap would be three segments: style, ground, style.
    assert all(not (segment.text.isspace() and index) for strip in strips for index, segment in enumerate(strip))


def test_a_lower_bound_does_not_stretch_the_axis_and_is_marked_at_its_top():
    x, y = np.arange(4.0), np.array([13.7, 2.0, 3.0, 4.0])
    series = Series("κ", x, y, points=True, bounds=np.array([True, False, False, False]))
    lines = text_of(draw_lines(LineChart((series,), 0, 3), 40, 12, PALETTES[0]))
    assert "△" in lines[1]
    assert "10" not in "".join(line[:5] for line in lines[:-1])


def test_a_single_step_has_an_axis_wherever_it_lies():
    for step in (0, 12, LARGEST_STEP):
        point = Series("s", np.array([step], dtype=float), np.array([1.0]))
        chart = LineChart(series=(point,), first=step, last=step, cursor=float(step))
        assert str(step) in text_of(draw_lines(chart, 60, 12, PALETTES[0]))[-1]
