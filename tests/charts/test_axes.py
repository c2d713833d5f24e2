import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wnt_tui.charts.axes import Axis, fit_axis, place_columns, place_rows, widened
from wnt_tui.theme.glyphs import ASCII, UNICODE

NUMBERS = st.floats(allow_nan=True, allow_infinity=True, width=64)
POSITIVE = st.floats(min_value=5e-324, max_value=1.7e308)
ARRAYS = st.lists(NUMBERS, min_size=0, max_size=30).map(lambda values: np.array(values, dtype=np.float64))


@given(ARRAYS, st.booleans())
@example(np.array([1.05263158e308]), False)
@example(np.array([np.finfo(float).max]), False)
def test_an_axis_shows_every_value_that_has_a_place_on_it(values, log):
    axis = fit_axis([values], log=log)
    kept = values[np.isfinite(values) & ((values > 0) | (not log))]
    if not kept.size:
        assert axis is None
        return
    assert axis.low < axis.high
    place = axis.project(kept[np.abs(kept) <= 1e307])
    assert np.all((place >= -1e-9) & (place <= 1 + 1e-9))


@given(ARRAYS, NUMBERS, st.booleans())
def test_one_value_lies_where_many_do(values, value, log):
    axis = fit_axis([values], log=log)
    if axis is not None:
        np.testing.assert_allclose(axis.place(value), axis.project(np.array([value]))[0], rtol=1e-12, atol=1e-12)


@given(ARRAYS, st.booleans(), st.sampled_from([math.nan, math.inf, -math.inf]))
def test_a_non_finite_value_never_alters_the_bounds(values, log, poison):
    assert fit_axis([np.append(values, poison)], log=log) == fit_axis([values], log=log)


@given(ARRAYS)
def test_a_value_without_a_logarithm_never_alters_a_log_axis(values):
    assert fit_axis([np.concatenate([values, [0.0, -3.0]])], log=True) == fit_axis([values], log=True)


@given(NUMBERS, st.booleans())
def test_what_has_no_place_on_an_axis_is_nan(value, log):
    place = Axis(1.0, 10.0, log).project(np.array([value]))[0]
    assert math.isnan(place) == (not math.isfinite(value) or (log and value <= 0))


@given(st.tuples(NUMBERS, NUMBERS), st.booleans(), st.integers(1, 60), st.sampled_from([UNICODE, ASCII]))
def test_ticks_lie_inside_the_axis_and_rise(ends, log, count, glyphs):
    axis = fit_axis([np.array(ends)], log=log)
    if axis is None:
        return
    ticks = axis.ticks(count, glyphs)
    assert 1 <= len(ticks) <= count + 2
    fractions = [tick.fraction for tick in ticks]
    assert all(-1e-9 <= fraction <= 1 + 1e-9 for fraction in fractions)
    assert fractions == sorted(fractions)
    assert all(len(tick.label) <= 12 for tick in ticks)


@given(st.tuples(NUMBERS, NUMBERS), st.booleans(), st.integers(1, 40))
def test_row_labels_never_touch(ends, log, rows):
    axis = fit_axis([np.array(ends)], log=log)
    if axis is None:
        return
    placed = sorted(row for row, _ in place_rows(axis, rows, UNICODE))
    assert all(0 <= row < rows for row in placed)
    assert all(b - a >= 2 for a, b in pairwise(placed))


@given(st.integers(0, 10**7), st.integers(1, 10**7), st.integers(1, 200), st.integers(0, 190))
def test_column_labels_never_overlap_each_other_nor_what_is_taken(first, span, columns, taken_from):
    axis = Axis(float(first), float(first + span))
    taken = range(taken_from, taken_from + 4)
    placed = place_columns(axis, columns, UNICODE, taken)
    end = -1
    for column, start, label in placed:
        assert 0 <= column < columns
        assert start > end
        assert start + len(label) <= columns
        assert not set(range(start, start + len(label))) & set(taken)
        end = start + len(label)


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (1e-5, 1.0, ["10⁻⁵", "10⁻⁴", "10⁻³", "10⁻²", "10⁻¹", "10⁰"]),
        (0.02, 0.5, ["0.02", "0.05", "0.1", "0.2", "0.5"]),
        (2.0, 3.0, ["2", "3"]),
    ],
)
def test_log_ticks_are_decades_or_one_two_five(low, high, labels):
    shown = [tick.label for tick in Axis(low * 0.99, high * 1.01, True).ticks(6, UNICODE)]
    assert shown == labels or set(labels) <= {label.rstrip("0").rstrip(".") for label in shown}


def test_linear_ticks_step_by_one_two_or_five():
    assert [tick.label for tick in Axis(0, 80).ticks(5, UNICODE, integers=True)] == ["0", "20", "40", "60", "80"]
    assert [tick.label for tick in Axis(0.61, 1.09).ticks(5, UNICODE)] == ["0.7", "0.8", "0.9", "1.0"]
    assert [tick.label for tick in Axis(0, 5000).ticks(5, UNICODE, integers=True)][:2] == ["0", "1k"]


def test_integer_axes_have_no_fractions():
    labels = [tick.label for tick in Axis(0, 3).ticks(9, UNICODE, integers=True)]
    assert labels == ["0", "1", "2", "3"]


def test_a_constant_has_room_above_and_below():
    for value, log in ((5.0, False), (0.0, False), (5.0, True), (-1e-300, False), (1e308, False), (5e-324, True)):
        axis = widened(value, value, log=log)
        assert axis.low < axis.high


def test_decades_are_written_without_superscripts_in_ascii():
    assert all(tick.label.isascii() for tick in Axis(1e-9, 1e9, True).ticks(6, ASCII))
