import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wnt_tui.charts.raster import DASHES, braille, dash_sample, dots, spans

FRACTIONS = st.lists(st.one_of(st.floats(0, 1), st.just(float("nan"))), min_size=1, max_size=300)


def place(values):
    return np.linspace(0, 1, len(values)) if len(values) > 1 else np.array([0.5]), np.array(values)


@given(FRACTIONS, st.integers(1, 60), st.integers(1, 40))
def test_reduction_keeps_every_point(values, columns, rows):
    x, y = place(values)
    mask = dots(spans(x, y, columns, rows), rows)
    known = np.isfinite(y)
    column = np.clip(np.floor(x * (columns - 1) + 0.5).astype(int), 0, columns - 1)[known]
    row = np.floor((1 - y[known]) * (rows - 1) + 0.5).astype(int)
    assert mask.shape == (rows, columns)
    assert mask[row, column].all()


@given(FRACTIONS, st.integers(1, 60), st.integers(1, 40))
def test_reduction_adds_no_extreme(values, columns, rows):
    x, y = place(values)
    mask = dots(spans(x, y, columns, rows), rows)
    known = y[np.isfinite(y)]
    if not known.size:
        assert not mask.any()
        return
    top, bottom = (int(np.floor((1 - edge) * (rows - 1) + 0.5)) for edge in (known.max(), known.min()))
    drawn = np.flatnonzero(mask.any(axis=1))
    assert (drawn[0], drawn[-1]) == (top, bottom)


def test_a_line_has_no_holes_and_is_one_dot_thin():
    rows, columns = 40, 60
    for slope in (0.0, 0.3, 1.0):
        mask = dots(spans(np.array([0.0, 1.0]), np.array([0.0, slope]), columns, rows), rows)
        assert mask.any(axis=0).all()
        # As many dots as the longer of the two extents: neither gaps nor doubled corners.
        assert mask.sum() == max(columns, int(slope * rows))


def test_a_steep_line_is_one_dot_thin():
    mask = dots(spans(np.array([0.0, 1.0]), np.array([0.0, 1.0]), 5, 80), 80)
    assert mask.sum() == 80
    assert (mask.sum(axis=1) == 1).all()


def test_a_gap_is_not_bridged():
    x = np.linspace(0, 1, 5)
    mask = dots(spans(x, np.array([0.5, 0.5, np.nan, 0.5, 0.5]), 41, 8), 8)
    drawn = mask.any(axis=0)
    assert drawn[:11].all()
    assert not drawn[12:29].any()
    assert drawn[30:].all()


def test_a_point_alone_between_gaps_is_reported():
    x = np.linspace(0, 1, 3)
    stretch = spans(x, np.array([np.nan, 0.5, np.nan]), 21, 8)
    assert np.flatnonzero(stretch.isolated).tolist() == [10]


def test_lines_run_to_the_edge_when_the_next_point_is_outside():
    mask = dots(spans(np.array([-3.0, 4.0]), np.array([0.5, 0.5]), 20, 8), 8)
    assert mask.any(axis=0).all()


def test_values_far_outside_do_not_overflow():
    stretch = spans(np.array([0.0, 0.5, 1.0]), np.array([1e300, -1e300, 0.5]), 10, 10)
    assert dots(stretch, 10).shape == (10, 10)


def test_dashes_differ_from_one_another():
    assert len({dash_sample(dash, 6) for dash in DASHES}) == len(DASHES)


def test_braille_maps_each_dot_to_its_unicode_bit():
    for row, column, code in ((0, 0, 0x2801), (3, 0, 0x2840), (0, 1, 0x2808), (3, 1, 0x2880)):
        mask = np.zeros((4, 2), dtype=bool)
        mask[row, column] = True
        assert braille(mask)[0, 0] == code
    assert chr(braille(np.zeros((4, 2), dtype=bool))[0, 0]) == " "
