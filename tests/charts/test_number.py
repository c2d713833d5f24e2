import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.catalogue.numerals import distinct, short, significant
from wnt_tui.charts.number_format import seconds, signed


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.31214, "0.3121"), (12.6, "12.60"), (9.99996, "10.00"), (3.1e-4, "3.1e-4"), (123456.0, "1.235e5"),
        (0.0, "0"), (-2.5, "−2.500"), (math.nan, "—"), (math.inf, "∞"), (-math.inf, "−∞"), (1e300, "1e300"),
    ],
)  # fmt: skip
def test_four_significant_digits(value, text):
    assert significant(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_close_to_what_is_written(value):
    written = float(significant(value, 4).replace("−", "-"))
    assert math.isclose(written, value, rel_tol=6e-4, abs_tol=0.0) or math.isinf(written)


@given(st.floats())
def test_a_number_is_never_wider_than_eleven_cells(value):
    assert len(significant(value, 4)) <= 11


def test_kinds_are_marked():
    assert signed(12.6, "estimate") == "≈ 12.6"
    assert signed(310.0, "upper") == "≤ 310"
    assert signed(0.02, "lower") == "≥ 0.0200"
    assert signed(0.5, "exact", 2) == "0.50"
    assert signed(1.02, "heuristic") == "1.02 heuristic"
    assert signed(math.nan, "heuristic") == "—"


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ((-2.47788e16, -2.48016e16), ("−2.478e16", "−2.48e16")),
        ((0.5, 0.5), ("0.5", "0.5")), ((7.0, 4.0), ("7", "4")), ((math.nan, 1.0), ("—", "1")),
        ((1.0, math.inf), ("1", "∞")), ((0.25, 0.2500001, 3.0), ("0.25", "0.2500001", "3")),
    ],
)  # fmt: skip
def test_neighbours_that_differ_are_written_so_that_they_differ(values, texts):
    assert distinct(*values) == texts


def test_neighbours_that_may_read_the_same_need_no_further_digits():
    assert distinct(0.5, 0.5000001, 0.6, digits=3, alike=[True, False]) == ("0.5", "0.5", "0.6")


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_any_two_numbers_that_differ_are_written_differently(one, other):
    left, right = distinct(one, other)
    assert (left == right) == (one == other)


def test_labels_have_no_trailing_zeros():
    assert [short(v) for v in (1.0, 200.0, 0.25, 1.5e7)] == ["1", "200", "0.25", "1.5e7"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(3.4e-5, "34 µs"), (0.0121, "12.1 ms"), (3.4, "3.4 s"), (125, "2:05"), (3725, "1:02:05"), (math.nan, "—")],
)
def test_durations(value, text):
    assert seconds(value) == text
