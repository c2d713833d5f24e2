from __future__ import annotations

import math

import numpy as np
import pytest

from engine.theory.random_matrix import (
    condition_number,
    conditioning_factor,
    eigenvalue_edges,
    singular_edges,
)


def test_gaussian_of_1000_by_500_has_the_known_edges() -> None:
    assert singular_edges(1000, 500) == pytest.approx((9.26, 53.98), abs=5e-3)


def test_a_drawn_gaussian_matrix_keeps_near_the_edges() -> None:
    features = np.random.default_rng(0).normal(size=(200, 400))
    sigma = np.linalg.svd(features, compute_uv=False)
    low, high = singular_edges(400, 200)
    assert sigma[0] == pytest.approx(high, rel=0.05)
    assert sigma[-1] == pytest.approx(low, rel=0.1)
    eigenvalues = np.linalg.eigvalsh(features @ features.T / 400)
    assert (eigenvalues[0], eigenvalues[-1]) == pytest.approx(eigenvalue_edges(400, 200), rel=0.2)


def test_eigenvalue_edges_and_condition_number_follow_from_the_singular_edges() -> None:
    low, high = singular_edges(500, 100)
    assert eigenvalue_edges(500, 100) == pytest.approx(((1 - math.sqrt(0.2)) ** 2, (1 + math.sqrt(0.2)) ** 2))
    assert condition_number(500, 100) == pytest.approx(high / low)
    assert conditioning_factor(500, 100) == pytest.approx(math.sqrt(50_000) / low)


def test_one_more_neuron_than_examples_is_enough_for_a_finite_condition_number() -> None:
    low, high = singular_edges(101, 100)
    assert 0.0 < low < 0.05
    assert condition_number(101, 100) == pytest.approx(high / low)
    assert conditioning_factor(101, 100) == pytest.approx(math.sqrt(10_100) / low)


def test_with_at_least_as_many_examples_as_neurons_the_condition_number_is_infinite() -> None:
    for n in (100, 101):
        assert singular_edges(100, n)[0] == 0
        assert condition_number(100, n) == math.inf
        assert conditioning_factor(100, n) == math.inf
