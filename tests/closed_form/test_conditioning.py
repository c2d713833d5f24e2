from __future__ import annotations

import math

import numpy as np
import pytest

from engine.theory.conditioning import gaussian_condition, log10_condition, resolution
from engine.theory.number import EPSILON


def test_conditioning_is_the_decimal_logarithm_of_the_ratio() -> None:
    assert log10_condition(0.01, 10.0, 100) == pytest.approx(3.0)


@pytest.mark.parametrize("smallest", [0.0, -1e-17, 1e-20])
def test_at_or_below_the_resolution_it_is_a_lower_bound(smallest: float) -> None:
    assert log10_condition(smallest, 10.0, 100) == pytest.approx(-math.log10(100 * EPSILON))


def test_the_conditioning_of_a_few_rows_is_known_up_to_the_same_resolution_of_sixteen() -> None:
    assert log10_condition(0.0, 10.0, 3) == pytest.approx(-math.log10(16 * EPSILON))
    below, above = 15 * EPSILON, 17 * EPSILON
    assert log10_condition(below, 1.0, 3) == pytest.approx(-math.log10(16 * EPSILON))
    assert log10_condition(above, 1.0, 3) == pytest.approx(-math.log10(17 * EPSILON))


def test_the_resolution_is_that_of_at_least_sixteen_rows() -> None:
    assert resolution(2.0, 4) == pytest.approx(16 * EPSILON * 2.0, rel=1e-12, abs=0.0)
    assert resolution(2.0, 500) == pytest.approx(500 * EPSILON * 2.0, rel=1e-12, abs=0.0)


def test_a_zero_matrix_has_no_conditioning() -> None:
    assert math.isnan(log10_condition(0.0, 0.0, 3))
    assert math.isnan(log10_condition(math.nan, math.nan, 3))


def test_arrays_are_taken_entry_by_entry() -> None:
    found = log10_condition(np.array([0.1, 0.0]), np.array([1.0, 0.0]), 3)
    assert found[0] == pytest.approx(1.0)
    assert math.isnan(found[1])


def test_gaussian_features_of_1000_neurons_and_500_examples_have_the_known_condition_number() -> None:
    # The edges of the singular values: 9.26 and 53.98.
    assert gaussian_condition(1000, 500) == pytest.approx(53.98 / 9.26, rel=1e-3)


def test_a_drawn_gaussian_matrix_is_conditioned_as_its_edges_say() -> None:
    sigma = np.linalg.svd(np.random.default_rng(0).normal(size=(200, 400)), compute_uv=False)
    assert sigma[0] / sigma[-1] == pytest.approx(gaussian_condition(400, 200), rel=0.15)


def test_gaussian_features_have_a_condition_number_for_fewer_examples_than_neurons_only() -> None:
    assert gaussian_condition(101, 100) == pytest.approx((math.sqrt(101) + 10) / (math.sqrt(101) - 10))
    assert gaussian_condition(100, 100) == gaussian_condition(100, 101) == math.inf
