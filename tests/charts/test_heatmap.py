import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wnt_tui.charts.heatmap import HeatMap, column_values, draw_heatmap, layer_rows
from wnt_tui.theme.themes import make_palette

PALETTES = [
    make_palette(depth, ascii_only=plain) for depth in ("truecolor", "256", "16", "mono") for plain in (False, True)
]


def map_of(values, **changes):
    values = np.array(values, dtype=float)
    steps = np.arange(values.shape[0], dtype=np.int64)
    options = {"first": 0, "last": max(values.shape[0] - 1, 0), "cursor": 1, "selected": 0, "name": "κ"}
    return HeatMap(steps, steps, values, **(options | changes))


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 30), st.integers(1, 40), st.integers(1, 90), st.integers(1, 24), st.booleans(),
    st.sampled_from(PALETTES), st.integers(0, 2**32),
)  # fmt: skip
def test_strips_have_exactly_the_size_asked_for(steps, layers, width, height, log, palette, seed):
    pool = [float("nan"), float("inf"), -1.0, 0.0, 1e-320, 2.5, 1e30, 7.0]
    chart = map_of(np.random.default_rng(seed).choice(pool, size=(steps, layers)), log=log)
    strips = draw_heatmap(chart, width, height, palette)
    assert len(strips) == height
    assert all(sum(segment.cell_length for segment in strip) == width for strip in strips)


def test_a_cell_of_several_steps_shows_the_worst():
    chart = map_of([[1.0], [9.0], [2.0], [3.0]])
    assert column_values(chart, 2)[:, 0].tolist() == [9.0, 3.0]


def test_a_step_without_values_is_blank():
    chart = map_of([[1.0], [np.nan], [2.0]])
    assert np.isnan(column_values(chart, 3)[1, 0])


def test_a_step_wider_than_a_column_fills_its_columns():
    chart = map_of([[1.0], [2.0]])
    assert column_values(chart, 6)[:, 0].tolist() == [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]


@pytest.mark.parametrize(("layers", "rows"), [(9, 10), (30, 10), (1, 1), (6, 13), (200, 7)])
def test_layers_rise_from_the_bottom_in_equal_heights(layers, rows):
    owners = layer_rows(layers, rows, halves=True)
    shown = owners[owners >= 0][::-1]
    assert shown[0] == 0
    assert (np.diff(shown) >= 0).all()
    if layers <= 2 * rows:
        assert len({int((shown == layer).sum()) for layer in range(layers)}) == 1


def test_the_worst_of_layers_that_share_a_row_shows():
    # Twenty layers in two half rows: the one bad layer must colour its half.
    values = np.ones((3, 20))
    values[:, 7] = 5.0
    strips = draw_heatmap(map_of(values, cursor=None), 12, 1, PALETTES[0])
    styles = {segment.style for segment in strips[0]}
    assert any(PALETTES[0].heat[-1].bgcolor in (style.color, style.bgcolor) for style in styles)


@pytest.mark.parametrize("palette", [p for p in PALETTES if not p.glyphs.unicode], ids=lambda p: p.name)
def test_ascii_mode_writes_ascii_only(palette):
    strips = draw_heatmap(map_of([[1.0, 2.0], [3.0, 4.0]], name="log₁₀κ"), 50, 10, palette)
    assert all(strip.text.isascii() for strip in strips)


def test_levels_differ_without_colour():
    palette = make_palette("mono")
    text = "".join(strip.text for strip in draw_heatmap(map_of([[1.0, 2.0, 3.0, 4.0, 5.0]]), 40, 12, palette))
    assert set("·░▒▓█") <= set(text)


def test_values_known_only_from_below_do_not_stretch_the_ramp():
    values = [[2.0, 13.7], [3.0, 13.7], [4.0, 13.7]]
    lines = [s.text for s in draw_heatmap(map_of(values, ceiling=13.0, beyond="(why)"), 60, 12, PALETTES[0])]
    assert "2.00" in lines[0]
    assert "4.00" in lines[0]
    assert "≥ 13.0 (why)" in lines[0]
    styles = {
        segment.style for strip in draw_heatmap(map_of(values, ceiling=13.0), 60, 12, PALETTES[0]) for segment in strip
    }
    assert PALETTES[0].heat_beyond[0] in styles
