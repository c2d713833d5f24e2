from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.theory.generalization import (
    generalization_bound,
    generalization_floor,
    risk_floor,
    stability_beta,
)

_GAPS = st.floats(1e-12, 10.0)
_BOUNDS = st.floats(0.1, 100.0)
_COUNTS = st.integers(2, 100_000)
_DELTAS = st.floats(0.001, 0.999)


def test_the_bound_by_hand() -> None:
    beta = stability_beta(0.25, 2.0, 0.5, 11)
    assert beta == pytest.approx(2.0 * 0.5 * 4.0 + 1.6)
    expected = math.sqrt((1.0 + 12.0 * 11 * 5.6) / (2.0 * 11 * 0.05))
    assert generalization_bound(beta, 1.0, 11, 0.05) == pytest.approx(expected)


@given(gap=_GAPS, M=_BOUNDS, n=_COUNTS, delta=_DELTAS, grad_norm=st.floats(1e-4, 1e3), r=st.floats(1.0, 1e3))
def test_with_local_mu_bound_is_at_least_floor_is_at_least_risk_floor(
    gap: float, M: float, n: int, delta: float, grad_norm: float, r: float
) -> None:
    mu = grad_norm**2 / (2.0 * gap)
    bound = generalization_bound(stability_beta(gap, r * grad_norm, mu, n), M, n, delta)
    floor = generalization_floor(gap, M, n, delta)
    assert bound >= floor * (1.0 - 1e-12)
    assert floor >= risk_floor(gap, M, delta)
    closed = M**2 / (2.0 * n * delta) + 24.0 * M * gap / delta * (r + r * r / (n - 1))
    assert bound**2 == pytest.approx(closed, rel=1e-9)
    at_one = generalization_bound(stability_beta(gap, grad_norm, mu, n), M, n, delta)
    assert at_one == pytest.approx(floor, rel=1e-9)


@given(gap=_GAPS, M=_BOUNDS, n=_COUNTS, delta=_DELTAS)
def test_at_or_beyond_either_threshold_even_the_floor_is_vacuous(gap: float, M: float, n: int, delta: float) -> None:
    assume(gap >= delta * M / 24.0 or n <= 1.0 / (2.0 * delta))
    assert generalization_floor(gap, M, n, delta) >= M * (1.0 - 1e-12)


def test_meeting_both_conditions_does_not_suffice() -> None:
    n, delta = 11, 0.05
    assert n > 1.0 / (2.0 * delta)
    assert generalization_floor(0.99 * delta / 24.0, 1.0, n, delta) >= 1.0


def test_the_floor_can_be_below_m_for_enough_examples_and_a_small_risk() -> None:
    assert generalization_floor(1e-4, 1.0, 1000, 0.05) < 1.0


def test_a_single_example_has_no_bound() -> None:
    assert math.isnan(stability_beta(0.1, 1.0, 1.0, 1))
    assert math.isnan(generalization_floor(0.1, 1.0, 1, 0.05))
    assert math.isnan(generalization_bound(math.nan, 1.0, 1, 0.05))


def test_two_examples_have_a_bound() -> None:
    assert stability_beta(0.25, 2.0, 0.5, 2) == pytest.approx(2.0 * 0.5 * 4.0 + 16.0)
    assert generalization_floor(0.25, 1.0, 2, 0.5) == pytest.approx(math.sqrt(0.5 + 24.0 * 0.5 * 2.0))


def test_without_a_gradient_or_above_no_infimum_there_is_no_bound() -> None:
    assert math.isnan(stability_beta(0.1, 1.0, 0.0, 10))
    assert math.isnan(stability_beta(-0.1, 1.0, 1.0, 10))
    assert math.isnan(generalization_floor(-0.1, 1.0, 10, 0.05))
    assert math.isnan(risk_floor(-0.1, 1.0, 0.05))
