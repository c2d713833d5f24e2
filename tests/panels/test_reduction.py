"""Long series as few points: nothing that could be seen is lost, and what is looked at under the cursor is exact."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import RunConfig
from tests.panels.synthetic import realistic, view_of
from wnt_tui.charts.lines import LineChart, Series, draw_lines
from wnt_tui.panels import ALL_PANELS
from wnt_tui.panels.pairing import lemma13_text
from wnt_tui.panels.reduction import derived, reduced, window
from wnt_tui.panels.series import Line, step_series
from wnt_tui.theme.themes import make_palette

VALUES = st.floats(-1e6, 1e6) | st.sampled_from([np.nan, np.inf, -np.inf, 0.0])


@given(st.lists(VALUES, min_size=1, max_size=400), st.integers(1, 40))
def test_extremes_ends_and_order_survive(values: list[float], stretches: int) -> None:
    y = np.array(values)
    x = np.cumsum(1.0 + np.arange(y.size) % 3)
    small_x, small_y = reduced(x, y, stretches)
    assert small_x.size == small_y.size <= max(4 * stretches, y.size)
    assert (np.diff(small_x) >= 0).all()
    assert (small_x[0], small_x[-1]) == (x[0], x[-1])
    np.testing.assert_array_equal([small_y[0], small_y[-1]], [y[0], y[-1]])
    finite, kept = y[np.isfinite(y)], small_y[np.isfinite(small_y)]
    assert kept.size == 0 if not finite.size else (kept.min(), kept.max()) == (finite.min(), finite.max())


@given(
    st.lists(VALUES, min_size=1, max_size=400).map(lambda values: values * 5),
    st.lists(st.tuples(st.integers(-20, 4000), st.integers(0, 4000)), min_size=1, max_size=6),
    st.integers(1, 40),
)
def test_a_window_keeps_its_extremes_and_ends(
    values: list[float], windows: list[tuple[int, int]], stretches: int
) -> None:
    """Windows of one series, one after the other, as a cursor moves and zooms."""
    y = np.array(values)
    x = np.cumsum(1.0 + np.arange(y.size) % 3)
    for low, span in windows:
        inside = (x >= low) & (x <= low + span)
        small_x, small_y = window(y, x, y, low, low + span, stretches)
        assert (np.diff(small_x) >= 0).all()
        if inside.sum() <= 4 * stretches:
            np.testing.assert_array_equal(small_x, x[inside])
            np.testing.assert_array_equal(small_y, y[inside])
            continue
        assert small_x.size <= 4 * (stretches + 2)
        assert small_x[0] <= x[inside][0]
        assert small_x[-1] >= x[inside][-1]
        # No more than a stretch beyond the window, and nothing that the series does not have.
        longest = 2 * -(-int(inside.sum()) // stretches)
        near = slice(max(inside.argmax() - longest, 0), np.flatnonzero(inside)[-1] + longest + 1)
        assert set(small_y[np.isfinite(small_y)]) <= set(y[near])
        kept, finite = small_y[np.isfinite(small_y)], y[inside & np.isfinite(y)]
        if finite.size:
            assert kept.min() <= finite.min()
            assert kept.max() >= finite.max()


def test_a_short_series_is_left_as_it_is() -> None:
    x, y = np.arange(40.0), np.arange(40.0)
    assert reduced(x, y, 10) == (x, y)


@pytest.mark.parametrize("log", [False, True])
def test_a_reduced_line_looks_like_the_whole_one(log: bool) -> None:
    rng = np.random.default_rng(3)
    x = np.arange(50_000.0)
    y = np.exp(rng.standard_normal(x.size).cumsum() / 100)
    y[20_000:22_000] = np.nan
    palette = make_palette()

    def picture(points: tuple[np.ndarray, np.ndarray]) -> list[str]:
        chart = LineChart((Series("a", *points),), 0, x[-1], log=log)
        return [strip.text for strip in draw_lines(chart, 51, 13, palette)]

    whole, small = "".join(picture((x, y))), "".join(picture(reduced(x, y, 8 * 51)))
    dots = [ord(one) ^ ord(other) for one, other in zip(whole, small, strict=True)]
    # A stretch that lies across the edge of a dot may touch the next one.
    assert sum(map(int.bit_count, dots)) <= 0.04 * sum(bin(ord(one) & 0xFF).count("1") for one in whole)


def test_the_value_under_the_cursor_is_exact_in_a_reduced_series() -> None:
    snapshot = realistic(30_000, RunConfig(steps=29_999))
    for cursor in (0, 12_345, 29_999):
        series = step_series(view_of(snapshot, cursor=cursor), Line("loss", "train"))
        assert series.x.size < 2_000
        assert series.here == snapshot.value("loss", cursor)


def test_panels_of_a_long_run_mark_the_cursor() -> None:
    snapshot = realistic(30_000, RunConfig(steps=29_999))
    palette = make_palette()
    for panel in (ALL_PANELS[0], ALL_PANELS[6], ALL_PANELS[7]):
        strips = panel.draw(view_of(snapshot, 51, 13, cursor=15_000), palette)
        assert any("●" in strip.text[5:] for strip in strips[1:])


def test_what_is_derived_is_made_once_for_each_source() -> None:
    snapshot = realistic(5)
    first = derived(snapshot, "a", lambda: "x")
    assert derived(snapshot, "a", lambda: "y") is first
    assert derived(replace(snapshot, version=2), "a", lambda: "y") == "y"


def test_what_is_derived_goes_with_its_source_and_does_not_grow_with_what_was_looked_at() -> None:
    class Made:
        pass

    snapshot = realistic(5)
    made = [weakref.ref(derived(snapshot, key, Made)) for key in range(1000)]
    gc.collect()
    alive = [reference for reference in made if reference() is not None]
    assert 0 < len(alive) < 100
    del snapshot
    gc.collect()
    assert all(reference() is None for reference in alive)


@pytest.mark.parametrize("every", [1, 10])
def test_columns_of_a_snapshot_go_with_it(every: int) -> None:
    """A run that grows makes a new one twice a second: what is kept of the old ones is kept for ever."""
    snapshot = realistic(30_000, RunConfig(steps=29_999, every=every))
    columns = [weakref.ref(column) for column in snapshot.columns.values()]
    for zoom in (1, 8, 64):
        for panel in ALL_PANELS:
            panel.draw(view_of(snapshot, 51, 13, cursor=15_000, first=0, last=29_999 // zoom), make_palette())
    del snapshot
    gc.collect()
    assert not any(column() is not None for column in columns)


def test_lemma_13_names_the_step_at_which_its_line_ends_also_where_it_is_reduced() -> None:
    snapshot = realistic(30_000, RunConfig(steps=29_999))
    view = view_of(snapshot, 51, 13, cursor=5_000, first=1_000, last=20_000)
    assert "at step 20000" in lemma13_text(view)
