from itertools import combinations, pairwise

import pytest
from rich.color import Color

from wnt_tui.theme.themes import app_theme, depth_of, make_palette


def luminance(colour: Color) -> float:
    def linear(channel):
        part = channel / 255
        return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(channel) for channel in colour.get_truecolor())
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def deuteranope(colour: Color) -> tuple[float, ...]:
    """What a red-green colour-blind eye is left with (Machado 2009, severity 1)."""
    rgb = colour.get_truecolor()
    matrix = ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969))
    return tuple(sum(weight * channel for weight, channel in zip(row, rgb, strict=True)) for row in matrix)


@pytest.mark.parametrize("depth", ["truecolor", "256"])
def test_heat_grows_steadily_lighter(depth):
    ramp = [luminance(style.bgcolor) for style in make_palette(depth).heat]
    assert len(ramp) >= 12
    assert all(a < b for a, b in pairwise(ramp))


@pytest.mark.parametrize("depth", ["truecolor", "256"])
def test_series_differ_for_a_colour_blind_eye(depth):
    for a, b in combinations(make_palette(depth).series, 2):
        one, other = deuteranope(a.color), deuteranope(b.color)
        assert sum((x - y) ** 2 for x, y in zip(one, other, strict=True)) ** 0.5 > 25


@pytest.mark.parametrize("depth", ["truecolor", "256"])
def test_text_and_series_stand_out_from_the_ground(depth):
    palette = make_palette(depth)
    ground = luminance(palette.base.bgcolor)
    for style in (palette.text, palette.label, palette.warn, palette.bad, *palette.series):
        assert (luminance(style.color) + 0.05) / (ground + 0.05) > 4.5


def test_series_differ_by_shape_where_there_is_no_colour():
    for plain in (False, True):
        palette = make_palette("mono", ascii_only=plain)
        assert len(set(palette.glyphs.markers)) >= len(palette.series)
        assert all(style.color is None for style in (*palette.series, *palette.heat))
        assert len(set(palette.heat_glyphs)) == len(palette.heat_glyphs)


@pytest.mark.parametrize("plain", [False, True])
def test_sixteen_colours_use_the_terminals_own(plain):
    palette = make_palette("16", ascii_only=plain)
    assert palette.base.bgcolor is None
    for style in (*palette.series, *palette.heat):
        assert style.color is None or style.color.number is None or style.color.number < 16
    levels = [(str(s), g) for s, g in zip(palette.heat, palette.heat_glyphs, strict=True)]
    assert len(set(levels)) == len(levels)


def test_the_terminal_decides_the_depth():
    assert depth_of("truecolor") == "truecolor"
    assert depth_of("256") == "256"
    assert depth_of("standard") == depth_of("windows") == "16"
    assert depth_of(None) == depth_of("truecolor", no_color=True) == "mono"


def test_themes_have_names_of_their_own():
    names = {app_theme(make_palette(depth)).name for depth in ("truecolor", "256", "16", "mono")}
    assert len(names) == 4
