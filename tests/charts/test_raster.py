import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from wnt_tui.charts.raster import DASHES, braille, cells_of, dash_sample, dots, spans

FRACTIONS = st.lists(st.one_of(st.floats(0, 1), st.just(float("nan"))), min_size=1, max_size=100)


def reduced(x, y, columns, rows):
    """What one line covers."""
    return spans([(x, np.array(y))], columns, rows)


def drawn_as(x, y, columns, rows, dash="solid"):
    """The dots of one line."""
    return dots(reduced(x, y, columns, rows), rows, [dash])[0]


def place(values):
    return np.linspace(0, 1, len(values)) if len(values) > 1 else np.array([0.5]), np.array(values)


@given(FRACTIONS, st.integers(1, 20), st.integers(1, 20))
def test_reduction_keeps_every_point(values, columns, rows):
    x, y = place(values)
    mask = drawn_as(x, y, columns, rows)
    known = np.isfinite(y)
    column = np.clip(np.floor(x * (columns - 1) + 0.5).astype(int), 0, columns - 1)[known]
    row = np.floor((1 - y[known]) * (rows - 1) + 0.5).astype(int)
    assert mask.shape == (rows, columns)
    assert mask[row, column].all()


@given(FRACTIONS, st.integers(1, 20), st.integers(1, 20))
def test_reduction_adds_no_extreme(values, columns, rows):
    x, y = place(values)
    mask = drawn_as(x, y, columns, rows)
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
        mask = drawn_as(np.array([0.0, 1.0]), np.array([0.0, slope]), columns, rows)
        assert mask.any(axis=0).all()
        # As many dots as the longer of the two extents: neither gaps nor doubled corners.
        assert mask.sum() == max(columns, int(slope * rows))


def test_a_steep_line_is_one_dot_thin():
    mask = drawn_as(np.array([0.0, 1.0]), np.array([0.0, 1.0]), 5, 80)
    assert mask.sum() == 80
    assert (mask.sum(axis=1) == 1).all()


def test_a_gap_is_not_bridged():
    x = np.linspace(0, 1, 5)
    mask = drawn_as(x, np.array([0.5, 0.5, np.nan, 0.5, 0.5]), 41, 8)
    drawn = mask.any(axis=0)
    assert drawn[:11].all()
    assert not drawn[12:29].any()
    assert drawn[30:].all()


def test_a_point_alone_between_gaps_is_reported():
    x = np.linspace(0, 1, 3)
    stretch = reduced(x, np.array([np.nan, 0.5, np.nan]), 21, 8)
    assert np.flatnonzero(stretch.isolated[0]).tolist() == [10]


def test_lines_run_to_the_edge_when_the_next_point_is_outside():
    mask = drawn_as(np.array([-3.0, 4.0]), np.array([0.5, 0.5]), 20, 8)
    assert mask.any(axis=0).all()


def test_values_far_outside_do_not_overflow():
    stretch = reduced(np.array([0.0, 0.5, 1.0]), np.array([1e300, -1e300, 0.5]), 10, 10)
    assert dots(stretch, 10, ["solid"]).shape == (1, 10, 10)


LINES = st.lists(st.tuples(FRACTIONS, st.sampled_from(list(DASHES)), st.floats(-1, 0.5), st.floats(0.5, 2)), max_size=5)


@settings(max_examples=40)
@given(LINES, st.integers(1, 20), st.integers(1, 20))
def test_lines_of_a_chart_do_not_touch_one_another(lines, columns, rows):
    """Drawn together they are what each is alone, those that reach out of the picture and empty ones too."""
    placed = [(place(values)[0] * (high - low) + low, np.array(values)) for values, _, low, high in lines]
    placed.append((np.empty(0), np.empty(0)))
    dashes = [*(dash for _, dash, _, _ in lines), "solid"]
    together = spans(placed, columns, rows)
    masks = dots(together, rows, dashes)
    assert masks.shape == (len(placed), rows, columns)
    for number, (line, dash) in enumerate(zip(placed, dashes, strict=True)):
        np.testing.assert_array_equal(masks[number], drawn_as(*line, columns, rows, dash))
        np.testing.assert_array_equal(together.isolated[number], reduced(*line, columns, rows).isolated[0])
    assert not masks[-1].any()


def test_without_lines_nothing_is_drawn():
    assert dots(spans([], 9, 8), 8, []).shape == (0, 8, 9)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32))
def test_a_cell_is_touched_where_braille_draws_something(rows, columns, seed):
    mask = np.random.default_rng(seed).random((4 * rows, 2 * columns)) < 0.1
    np.testing.assert_array_equal(cells_of(mask), braille(mask) != ord(" "))


def test_dashes_differ_from_one_another():
    assert len({dash_sample(dash, 6) for dash in DASHES}) == len(DASHES)


def test_braille_maps_each_dot_to_its_unicode_bit():
    for row, column, code in ((0, 0, 0x2801), (3, 0, 0x2840), (0, 1, 0x2808), (3, 1, 0x2880)):
        mask = np.zeros((4, 2), dtype=bool)
        mask[row, column] = True
        assert braille(mask)[0, 0] == code
    assert chr(braille(np.zeros((4, 2), dtype=bool))[0, 0]) == " "
