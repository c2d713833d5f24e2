"""What is written again shows what was written first, however little of it is."""

import pyte
from hypothesis import given, settings
from hypothesis import strategies as st

from wnt_tui.terminal.cells import Screen, changes, sequence, transition

CODES = [
    "1",
    "2",
    "3",
    "4",
    "7",
    "31",
    "96",
    "42",
    "103",
    "38;5;9",
    "48;5;200",
    "38;2;1;2;3",
    "48;2;250;0;9",
    "39",
    "49",
]
styles = st.lists(st.sampled_from(CODES), max_size=4).map(";".join)
texts = st.text(st.sampled_from("ab ⣿│é"), min_size=1, max_size=12)
places = st.tuples(st.integers(0, 5), st.integers(0, 20))


def piece(place: tuple[int, int], style: str, text: str) -> str:
    """As Rich writes it."""
    styled = f"\x1b[{style}m{text}\x1b[0m" if style else text
    return f"\x1b[{place[0] + 1};{place[1] + 1}H{styled}"


pictures = st.lists(st.builds(piece, places, styles, texts), max_size=8).map("".join)


def shown(*written: str) -> list[list[tuple[object, ...]]]:
    screen = pyte.Screen(40, 6)
    stream = pyte.Stream(screen)
    for text in written:
        stream.feed(text)
    return [[tuple(screen.buffer[y][x]) for x in range(40)] for y in range(6)]


def difference(wanted: Screen, before: Screen) -> str:
    pieces = []
    for y, row in enumerate(wanted.rows):
        old = before.rows[y] if y < len(before.rows) else []
        pieces += [sequence(y, first, row[first:end]) for first, end in changes(row, old, 0, 99)]
    return "".join(pieces)


@settings(max_examples=300, deadline=None)
@given(pictures, pictures)
def test_the_differences_lead_to_the_picture_as_it_was_written(first: str, then: str) -> None:
    screen, before = Screen(), Screen()
    screen.write(first)
    before.write(first)
    once = difference(screen, Screen())
    assert shown(once) == shown(first)
    screen.write(then)
    assert shown(once, difference(screen, before)) == shown(first, then)


@given(styles, styles)
def test_from_one_style_to_another_is_as_good_as_from_none(before: str, after: str) -> None:
    begun = f"\x1b[{before}ma" if before else "a"
    anew = f"\x1b[0;{after}mb" if after else "\x1b[0mb"
    assert shown(begun, transition(before, after), "b")[0][1] == shown(begun, anew)[0][1]


def test_what_shows_already_is_not_written() -> None:
    screen, before = Screen(), Screen()
    for one in (screen, before):
        one.write("\x1b[1;1H" + "a" * 80)
    assert difference(screen, before) == ""
    screen.write("\x1b[1;41Hb")
    assert len(difference(screen, before)) < 12


def test_a_row_of_wide_characters_is_written_whole_and_right() -> None:
    screen, before = Screen(), Screen()
    for one in (screen, before):
        one.write("\x1b[1;1H日本 and more")
    screen.write("\x1b[1;9Hx")
    assert difference(screen, before).startswith("\x1b[1;1H日本 ")
    assert shown(difference(screen, Screen())) == shown("\x1b[1;1H日本 and more", "\x1b[1;9Hx")


def test_accents_stay_with_their_letter() -> None:
    screen = Screen()
    screen.write("\x1b[1;1Ha\u0301b")
    assert "a\u0301b" in difference(screen, Screen())


def test_what_is_no_part_of_a_picture_is_handed_back() -> None:
    screen = Screen()
    others = "\x07\x1b[?25l\x1b]52;c;aGVsbG8=\x07\x1b[>1u\x1b]0;title\x1b\\"
    assert screen.write(f"\x1b[1;1Ha{others}b") == others
    assert [cell[0] for cell in screen.rows[0] if cell] == ["a", "b"]
