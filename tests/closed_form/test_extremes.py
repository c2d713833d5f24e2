"""Extremes of Gram matrices that move, followed from row to row, against the dense solver."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.measure.extremes import GramExtremes, NormFollower, Subspace
from engine.measure.gram import feature_gram, host_gram, spectrum
from engine.theory.conditioning import resolution

N = 150  # beyond DENSE_BELOW


def features(width: int, seed: int = 0, common: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(N, width)) + common * rng.normal(size=width)


def moving(width: int, speed: float, rows: int = 8, seed: int = 0) -> list[np.ndarray]:
    """Gram matrices of features that move along a straight line, and jitter."""
    rng = np.random.default_rng(seed + 1)
    a, along = features(width, seed), rng.normal(size=(N, width))
    jitter = rng.normal(size=(rows, N, width))
    return [host_gram(a + speed * (k * along + 0.1 * jitter[k])) for k in range(rows)]


@pytest.mark.parametrize(("width", "speed"), [(300, 1e-3), (300, 1e-2), (200, 1e-2), (160, 1e-3), (150, 1e-3)])
def test_a_matrix_that_moves_is_followed_within_its_certificate(width: int, speed: float) -> None:
    follower, followed = GramExtremes(), 0
    for k, gram in enumerate(moving(width, speed)):
        before = gram.copy()
        found = follower.measure(gram)
        assert np.array_equal(gram, before)
        exact = np.linalg.eigvalsh(gram)
        rho = float(resolution(exact[-1], N))
        assert found.dense == (k == 0) or width == N
        followed += not found.dense
        assert exact[0] - rho <= found.smallest <= exact[0] * (1 + 1e-5) + rho
        assert found.smallest_lower <= exact[0] + rho
        assert exact[-1] * (1 - 1e-7) <= found.largest <= exact[-1] + rho
        assert float(np.abs(exact - found.largest).min()) <= found.largest_residual + rho
        assert found.largest_residual <= 1e-4 * exact[-1]
    assert followed >= 5


def test_the_certificate_draws_near_where_the_matrix_stands_nearly_still() -> None:
    follower = GramExtremes()
    found = [follower.measure(gram) for gram in moving(300, 1e-6)]
    gaps = [(row.smallest - row.smallest_lower) / row.smallest for row in found]
    assert gaps[-1] < 1e-4
    assert gaps[-1] < gaps[1] / 10


def test_an_eigenvalue_that_dives_below_the_one_that_is_followed_is_found() -> None:
    q, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(N, N)))
    values = np.linspace(1.0, 3.0, N)
    follower = GramExtremes()
    for k in range(9):
        values[N // 2] = 2.0 - 0.22 * k  # crosses the whole lower half and ends below everything
        values[N // 3] = 1.6 + 0.25 * k  # and this one ends above
        found = follower.measure((q * values) @ q.T)
        assert found.smallest == pytest.approx(values.min(), rel=1e-5), k
        assert found.largest == pytest.approx(values.max(), rel=1e-5), k
        assert found.smallest_lower <= values.min() * (1 + 1e-12)


def test_a_jump_to_another_matrix_is_not_mistaken_for_a_move() -> None:
    follower = GramExtremes()
    for seed in range(4):
        for _ in range(2):
            gram = host_gram(features(200, seed))
            found, exact = follower.measure(gram), np.linalg.eigvalsh(gram)
            assert found.smallest == pytest.approx(exact[0], rel=1e-5)
            assert found.largest == pytest.approx(exact[-1], rel=1e-6)


def test_too_near_to_singular_the_dense_solver_answers() -> None:
    follower = GramExtremes()
    for k in range(3):
        a = features(300, common=0.0)
        a[7] = a[3] + 1e-9 * k * a[4]
        gram = host_gram(a)
        found, exact = follower.measure(gram), np.linalg.eigvalsh(gram)
        assert found.dense
        assert (found.smallest, found.largest) == (exact[0], exact[-1])


def test_more_examples_than_neurons_have_an_exact_zero_and_a_followed_largest() -> None:
    follower = GramExtremes()
    for k, gram in enumerate(moving(100, 1e-3, rows=4)):
        found = spectrum(gram, 100, follower)
        assert (found.lambda_min, found.lambda_min_lower) == (0.0, 0.0)
        assert found.lambda_max == pytest.approx(np.linalg.eigvalsh(gram)[-1], rel=1e-7)
        assert (found.lambda_max_residual > 0) == (k > 0)


def test_a_follower_that_was_stored_goes_on_to_the_bit() -> None:
    grams = moving(200, 1e-2, rows=6)
    follower = GramExtremes()
    for gram in grams[:3]:
        follower.measure(gram)
    stored = {name: held.copy() for name, held in follower.state().items()}
    expected = [follower.measure(gram) for gram in grams[3:]]
    again = GramExtremes()
    again.restore(stored)
    assert [again.measure(gram) for gram in grams[3:]] == expected
    fresh = GramExtremes()
    fresh.restore({})
    assert fresh.measure(grams[0]).dense


@pytest.mark.parametrize("order", [20, 60])
def test_a_norm_is_followed_from_above(order: int) -> None:
    rng = np.random.default_rng(0)
    m, along = rng.normal(size=(90, order)), rng.normal(size=(90, order))
    follower, spent = NormFollower(), []
    for k in range(6):
        now = m + 1e-3 * k * along

        def square(v: np.ndarray, now: np.ndarray = now, k: int = k) -> np.ndarray:
            spent.append(k)
            return now.T @ (now @ v)

        found = follower.measure(square, order, lambda now=now: now.T @ now)
        exact = np.linalg.norm(now, 2)
        assert exact * (1 - 1e-14) <= found <= exact * 1.006
    if order > 33:
        assert spent.count(5) < spent.count(0) / 3  # warm
        again = NormFollower()
        again.restore(follower.state())
        assert again.measure(square, order, lambda: now.T @ now) == pytest.approx(found, rel=5e-3)
    else:
        assert not spent


def test_a_norm_that_products_do_not_find_is_found_densely_and_zero_is_zero() -> None:
    # Forty equal products apart: a flat spectrum does not converge in forty products.
    values = np.linspace(0.99, 1.0, 2000) ** 2
    found = NormFollower(1e-9).measure(lambda v: values * v, 2000, lambda: np.diag(values)[-40:, -40:])
    assert found == pytest.approx(1.0, rel=1e-12)
    assert NormFollower().measure(lambda v: 0 * v, 50, lambda: np.zeros((50, 50))) == 0.0


def test_a_subspace_that_fills_the_space_has_every_eigenvalue() -> None:
    a = np.random.default_rng(0).normal(size=(9, 9))
    a = a + a.T
    space = Subspace(lambda v: a @ v, [np.ones(9)])
    exact = np.linalg.eigvalsh(a)
    assert space.search("largest", 0.0).value == pytest.approx(exact[-1], rel=1e-12)
    low = space.search("smallest", 0.0)
    assert low.value == pytest.approx(exact[0], rel=1e-12)
    assert float(np.linalg.norm(a @ low.vector - low.value * low.vector)) == pytest.approx(low.residual, abs=1e-12)
    assert not space.add(np.ones(9))


def test_a_ritz_pair_has_the_residual_it_says_and_a_second_vector_beside_it() -> None:
    rng = np.random.default_rng(1)
    a = rng.normal(size=(40, 40))
    a = a + a.T
    space = Subspace(lambda v: a @ v, list(rng.normal(size=(5, 40))))
    exact = np.linalg.eigvalsh(a)
    for which, sign in (("largest", 1.0), ("smallest", -1.0)):
        pair = space.ritz(which)
        assert float(np.linalg.norm(pair.vector)) == pytest.approx(1.0)
        assert pair.value == pytest.approx(float(pair.vector @ a @ pair.vector), rel=1e-12)
        assert pair.residual == pytest.approx(float(np.linalg.norm(a @ pair.vector - pair.value * pair.vector)))
        assert exact[0] <= pair.value <= exact[-1]
        second = float(pair.second @ a @ pair.second)
        assert abs(float(pair.second @ pair.vector)) < 1e-12
        assert sign * second <= sign * pair.value
    assert not space.add(np.full(40, math.nan))


def test_the_gram_matrix_is_symmetric_to_the_bit_and_the_mean_of_products_of_features() -> None:
    import torch

    a = torch.randn(70, 33, generator=torch.Generator().manual_seed(0))
    gram = feature_gram(a)
    assert torch.equal(gram, gram.T)
    assert gram[3, 5] == pytest.approx(sum(float(x) * float(y) for x, y in zip(a[3], a[5], strict=True)) / 33)
