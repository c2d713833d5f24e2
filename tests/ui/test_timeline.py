from hypothesis import given
from hypothesis import strategies as st

from engine.record import Event
from wnt_tui.session.cursor import Cursor
from wnt_tui.theme.glyphs import ASCII
from wnt_tui.widgets.timeline import EVENT_MARKS, column_of, draw_line, step_at

CURSOR = Cursor().extended(0, 40, 80)


def signs(*happenings: Event, cursor: Cursor = CURSOR, width: int = 81) -> str:
    return "".join(sign for sign, _ in draw_line(cursor, happenings, width))


def test_recorded_steps_are_heavy_and_planned_ones_light() -> None:
    assert signs() == "━" * 40 + "●" + "─" * 40


def test_an_event_is_marked_at_its_step() -> None:
    assert signs(Event(12, "lr", ""))[12] == "◆"


def test_the_graver_of_two_events_in_one_cell_is_drawn() -> None:
    assert signs(Event(12, "diverged", ""), Event(12, "pause", ""))[12] == "▲"
    assert signs(Event(12, "pause", ""), Event(12, "diverged", ""))[12] == "▲"


def test_the_cursor_hides_no_more_than_its_own_cell() -> None:
    line = signs(Event(40, "lr", ""), Event(39, "lr", ""))
    assert line[39:41] == "◆●"


def test_every_event_has_a_sign_of_one_cell_for_ascii_terminals() -> None:
    for sign, _ in EVENT_MARKS.values():
        assert len(ASCII.text(sign)) == 1
        assert ASCII.text(sign).isascii()
        assert ASCII.text(sign) != "?"


def test_before_the_first_row_the_line_is_empty() -> None:
    assert signs(cursor=Cursor().extended(0, -1, 80)) == "─" * 81


@given(step=st.integers(0, 5000), last=st.integers(1, 5000), width=st.integers(2, 200))
def test_a_click_on_a_cell_goes_to_a_step_of_that_cell(step: int, last: int, width: int) -> None:
    column = column_of(min(step, last), 0, last, width)
    assert 0 <= column < width
    assert column_of(step_at(column, 0, last, width), 0, last, width) == column or last < width
