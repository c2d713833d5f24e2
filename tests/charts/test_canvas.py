from hypothesis import given
from hypothesis import strategies as st

from wnt_tui.charts.canvas import Canvas
from wnt_tui.theme.glyphs import ASCII, UNICODE
from wnt_tui.theme.themes import make_palette

PALETTE = make_palette()


@given(st.text(max_size=60), st.integers(-20, 40), st.integers(-3, 8), st.integers(0, 30), st.integers(0, 6))
def test_no_text_changes_the_size(text, column, row, width, height):
    canvas = Canvas(width, height, PALETTE)
    canvas.put(column, row, text, PALETTE.text)
    canvas.message(text, PALETTE.dim)
    strips = canvas.to_strips()
    assert len(strips) == height
    assert all(sum(segment.cell_length for segment in strip) == width for strip in strips)


@given(st.text(max_size=80))
def test_stored_text_cannot_reach_the_terminal_as_control(text):
    assert UNICODE.text(text).isprintable()
    assert ASCII.text(text).isascii()


def test_an_escape_sequence_is_disarmed():
    assert "\x1b" not in UNICODE.text("\x1b[2Jhello\x07")


def test_translation_is_idempotent():
    for glyphs in (UNICODE, ASCII):
        once = glyphs.text("λmin ≤ ρ · √2 — 10⁻³")
        assert glyphs.text(once) == once


def test_the_catalogue_can_be_written_in_ascii():
    from engine.catalogue import CATALOGUE

    unknown = {
        entry.name: ASCII.text(entry.symbol)
        for entry in CATALOGUE.values()
        if "?" in ASCII.text(entry.symbol) and "?" not in entry.symbol
    }
    assert not unknown


def test_a_cut_text_fits_and_says_so():
    assert UNICODE.cut("abcdefgh", 5) == "abcd…"
    assert len(ASCII.cut("abcdefgh", 5)) == 5
    assert UNICODE.cut("abc", 5) == "abc"


def test_equal_styles_share_a_segment():
    canvas = Canvas(20, 1, PALETTE)
    canvas.put(2, 0, "ab", PALETTE.label)
    canvas.put(10, 0, "cd", PALETTE.label)
    assert len(list(canvas.to_strips()[0])) == 2
