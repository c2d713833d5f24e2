import pytest
from hypothesis import given
from hypothesis import strategies as st

from wnt_tui.session.cursor import MIN_WINDOW, Cursor


def test_a_following_cursor_moves_with_the_newest_row() -> None:
    assert Cursor().extended(0, 37, 80).step == 37


def test_a_cursor_that_was_moved_back_stays_where_it_is() -> None:
    cursor = Cursor().extended(0, 37, 80).moved(-7)
    assert (cursor.step, cursor.following) == (30, False)
    assert cursor.extended(0, 60, 80).step == 30


def test_arriving_at_the_newest_row_follows_again() -> None:
    cursor = Cursor().extended(0, 37, 80).moved(-1).moved(1)
    assert cursor.following
    assert cursor.extended(0, 38, 80).step == 38


def test_home_and_end_reach_the_first_and_the_newest_row() -> None:
    cursor = Cursor().extended(3, 37, 80)
    assert cursor.to_start().step == 3
    assert cursor.to_start().to_end().step == 37


@pytest.mark.parametrize("wanted", [-5, 0, 37, 38, 10**9])
def test_no_move_leaves_the_recorded_rows(wanted: int) -> None:
    assert 0 <= Cursor().extended(0, 37, 80).to(wanted).step <= 37


def test_before_the_first_row_every_move_is_harmless() -> None:
    cursor = Cursor()
    for moved in (cursor.moved(1), cursor.moved(-1), cursor.to_start(), cursor.to_end(), cursor.zoomed(3)):
        assert moved.step == 0
        assert moved.window()[0] <= moved.window()[1]


def test_the_window_of_a_live_run_reaches_to_its_planned_end() -> None:
    assert Cursor().extended(0, 37, 80).window() == (0, 80)
    assert Cursor().extended(0, 95, 80).window() == (0, 95)


@given(
    last=st.integers(0, 10**6),
    extra=st.integers(0, 10**4),
    step=st.integers(-10, 10**6),
    halvings=st.lists(st.integers(-3, 5), max_size=6),
)
def test_however_one_zooms_the_cursor_stays_inside_the_window(
    last: int, extra: int, step: int, halvings: list[int]
) -> None:
    cursor = Cursor().extended(0, last, last + extra).to(step)
    for change in halvings:
        cursor = cursor.zoomed(change)
    first, end = cursor.window()
    assert 0 <= first <= cursor.step <= end <= cursor.end
    assert cursor.zoom == 0 or end - first + 1 >= MIN_WINDOW


def test_zooming_out_as_often_as_in_shows_the_whole_run_again() -> None:
    cursor = Cursor().extended(0, 1000, 1000)
    assert cursor.zoomed(3).zoomed(-3).window() == (0, 1000)
    assert cursor.zoomed(99).zoomed(-99).zoom == 0
