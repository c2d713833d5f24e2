"""A comparison that intervals leave open is neither true nor false."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.breakpoints import parse
from engine.breakpoints.enclosure import Enclosure, exactly
from engine.breakpoints.evaluation import evaluate
from engine.breakpoints.watch import BreakpointWatch
from engine.record import StepRecord

GGN = {"smoothness_ggn": 40.0, "smoothness_ggn_low": 39.0, "smoothness_ggn_high": 41.0, "lr": 0.05}
HESSIAN = {
    "smoothness_hessian": 39.0, "smoothness_hessian_low": 38.5, "smoothness_hessian_residual": 2.0, "lr": 0.05,
    "unstable_directions": 1.0,
}  # fmt: skip
KERNEL = {
    "ntk_lambda_min": 2.0, "ntk_lambda_min_low": 0.0, "ntk_lambda_min_high": 5.0, "ntk_lambda_max": 1000.0,
    "ntk_lambda_max_low": 1000.0, "ntk_lambda_max_high": 1001.0, "ntk_log10_cond": math.log10(200),
    "ntk_log10_cond_low": math.log10(200), "ntk_log10_cond_high": math.inf,
}  # fmt: skip
OLDER = {"ntk_lambda_min": 2.0, "ntk_residual": 1.0, "ntk_lambda_max": 1000.0, "ntk_lambda_max_residual": 1.0,
         "ntk_log10_cond": math.log10(500)}  # fmt: skip


def holds(text, values=None, layers=None):
    arrays = {name: np.array(cells, dtype=float) for name, cells in (layers or {}).items()}
    found = evaluate(parse(text).condition, StepRecord(0, values or {}, arrays), examples=20)
    return None if found is None else found.holds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # λ_max lies in [39, 41].
        ("smoothness_ggn > 38", True), ("smoothness_ggn > 39", None), ("smoothness_ggn >= 39", True),
        ("smoothness_ggn > 2/lr", None), ("smoothness_ggn < 2/lr", None), ("smoothness_ggn > 41", False),
        ("smoothness_ggn < 41", None), ("smoothness_ggn <= 41", True), ("smoothness_ggn < 39", False),
        ("smoothness_ggn inside 30..50", True), ("smoothness_ggn inside 40..50", None),
        ("smoothness_ggn outside 40..50", None), ("smoothness_ggn outside 50..60", True),
        ("smoothness_ggn inside 50..60", False), ("lr*smoothness_ggn < 1.9", False),
        ("lr*smoothness_ggn < 2.1", True), ("2/smoothness_ggn < lr", None), ("2/smoothness_ggn < 0.06", True),
        ("40 - smoothness_ggn < 0", None), ("40 - smoothness_ggn < 2", True),
    ],
)  # fmt: skip
def test_a_comparison_within_the_interval_is_undecided(text, expected):
    assert holds(text, GGN) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # λ_max is at least 38.5, and how large it is nobody knows.
        ("smoothness_hessian > 38", True), ("smoothness_hessian > 38.7", None), ("smoothness_hessian > 2/lr", None),
        ("smoothness_hessian > 1e9", None), ("smoothness_hessian < 38", False), ("smoothness_hessian < 1e9", None),
        ("lr*smoothness_hessian > 1.9", True), ("2/smoothness_hessian < 0.053", True),
        ("smoothness_hessian outside 40..50", None), ("smoothness_hessian inside 30..35", False),
        ("unstable_directions >= 1", True), ("unstable_directions >= 2", None), ("unstable_directions < 1", False),
    ],
)  # fmt: skip
def test_the_hessian_is_known_from_below_only(text, expected):
    assert holds(text, HESSIAN) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ntk_lambda_min < 3", True), ("ntk_lambda_min > 0.5", None), ("ntk_lambda_max > 999", True),
        ("ntk_lambda_max < 1500", None), ("ntk_log10_cond > 2", True), ("ntk_log10_cond < 9", None),
    ],
)  # fmt: skip
def test_residuals_of_older_sessions_bound_nothing(text, expected):
    assert holds(text, OLDER) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # λ_min(K) lies in [0, 5], so that κ(K) is at least 200.
        ("ntk_log10_cond > 2", True), ("ntk_log10_cond > 3", None), ("ntk_log10_cond < 2", False),
        ("ntk_log10_cond < 9", None), ("ntk_lambda_min < 6", True), ("ntk_lambda_min < 4", None),
        ("ntk_lambda_min > 6", False), ("1/ntk_lambda_min > 0.1", True), ("1/ntk_lambda_min > 1", None),
        ("ntk_lambda_max/ntk_lambda_min > 100", True), ("ntk_lambda_max/ntk_lambda_min > 1000", None),
    ],
)  # fmt: skip
def test_what_is_not_resolved_decides_only_by_the_bound_that_is_certain(text, expected):
    assert holds(text, KERNEL) is expected


LAYERS = {
    "lambda_min": [0.5, 0.0, 0.25, math.nan], "lambda_resolution": [1e-13, 1e-13, 1e-13, math.nan],
    "lambda_max": [5.0, 5.0, 5.0, math.nan], "log10_cond": [1.0, 13.7, 1.3, math.nan],
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("log10_cond[any] > 12", True), ("log10_cond[all] > 12", False), ("log10_cond[any] > 14", None),
        ("log10_cond[all] < 15", None), ("log10_cond[1] > 14", None), ("log10_cond[0] > 14", False),
        ("lambda_min[any] <= 0", None), ("lambda_min[1] < 1e-12", True), ("lambda_min[all] < 0.6", True),
    ],
)  # fmt: skip
def test_one_layer_that_is_open_leaves_the_decision_to_the_others(text, expected):
    assert holds(text, layers=LAYERS) is expected


def test_an_undecided_row_neither_counts_nor_interrupts_the_count():
    watch = BreakpointWatch(["ntk_lambda_min > 40 for 2"], depth=3, measure="all", examples=20)
    rows = [42.0, 41.0, 43.0]
    events = [
        event.step
        for step, value in enumerate(rows)
        for event in watch.row(StepRecord(step, {"ntk_lambda_min": value, "ntk_lambda_min_low": value - 1.5}, {}))
    ]
    assert events == [2]


numbers = st.floats(-1e3, 1e3).map(lambda value: round(value, 3))


def enclosed(value, below, above):
    return Enclosure(*(np.asarray(part) for part in (value, value - below, value + above)))


@given(numbers, st.floats(0, 10), st.floats(0, 10), numbers, st.floats(0, 10), st.floats(0, 10), st.floats(0, 1))
def test_every_result_lies_in_the_interval_of_the_result(a, below, above, b, under, over, share):
    left, right = enclosed(a, below, above), enclosed(b, under, over)
    x, y = a - below + share * (below + above), b - under + share * (under + over)
    with np.errstate(all="ignore"):
        for result, exact in ((left + right, x + y), (left * right, x * y), (left / right, np.divide(x, y))):
            if np.isfinite(exact):
                room = 1e-9 * (1.0 + abs(float(exact)))
                assert result.low - room <= exact <= result.high + room


@given(numbers, numbers)
def test_exact_numbers_stay_exact(a, b):
    with np.errstate(all="ignore"):
        for result in (exactly(a) + exactly(b), exactly(a) * exactly(b), exactly(a) / exactly(b)):
            if not np.isnan(result.value):
                assert result.low == result.value == result.high


BETWEEN = (
    "ntk_lambda_min > 30", "ntk_lambda_max/ntk_lambda_min < 4", "ntk_lambda_max - ntk_lambda_min inside 0..50",
    "2*ntk_lambda_min <= ntk_lambda_max", "ntk_lambda_max outside 20..80", "1/ntk_lambda_min >= 0.02",
)  # fmt: skip
positive = st.floats(1e-3, 100.0)


@given(st.sampled_from(BETWEEN), *[st.tuples(positive, positive, positive).map(sorted)] * 2, *[st.floats(0, 1)] * 2)
def test_what_is_decided_of_intervals_is_so_for_all_numbers_in_them(text, smallest, largest, s, t):
    enclosed, exact = {}, {}
    for name, (low, value, high), share in (("ntk_lambda_min", smallest, s), ("ntk_lambda_max", largest, t)):
        enclosed |= {name: value, f"{name}_low": low, f"{name}_high": high}
        within = min(low + share * (high - low), high)
        exact |= dict.fromkeys((name, f"{name}_low", f"{name}_high"), within)
    decided = holds(text, enclosed)
    assert decided is None or decided == holds(text, exact)
    # Numbers without uncertainty always decide.
    assert holds(text, exact) is not None
