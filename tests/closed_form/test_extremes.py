"""Extremes of Gram matrices that move, followed from row to row, against the dense solver."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.measure.base import tensors_of, with_tensors
from engine.measure.extremes import GramExtremes, NormFollower, Trail
from engine.measure.gram import feature_gram, host_gram, spectrum
from engine.measure.subspace import Ritz, Subspace
from engine.theory.conditioning import resolution
from tests.rounding import rounding

N = 150  # large enough to be followed
LARGE = 768  # large enough to be found without the dense solver


def features(width: int, seed: int = 0, common: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(N, width)) + common * rng.normal(size=width)


def moving(width: int, speed: float, rows: int = 8, seed: int = 0) -> list[np.ndarray]:
    """Gram matrices of features that move along a straight line, and jitter."""
    rng = np.random.default_rng(seed + 1)
    a, along = features(width, seed), rng.normal(size=(N, width))
    jitter = rng.normal(size=(rows, N, width))
    return [host_gram(a + speed * (k * along + 0.1 * jitter[k])) for k in range(rows)]


def rotated(values: np.ndarray, by: float = 0.0) -> np.ndarray:
    """A matrix with these eigenvalues, whose eigenvectors turn with ``by``."""
    rng = np.random.default_rng(0)
    q, _ = np.linalg.qr(rng.normal(size=(N, N)))
    turn = rng.normal(size=(N, N))
    q, _ = np.linalg.qr(q + by * (turn + turn.T))
    matrix = (q * values) @ q.T
    return (matrix + matrix.T) / 2


def apart(smallest: float) -> np.ndarray:
    """Eigenvalues between 1 and 2, with one above and one below."""
    return np.concatenate([[smallest], np.linspace(1.0, 2.0, N - 2), [4.0]])


RHO = float(resolution(4.0, N))


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


def test_an_eigenvalue_that_the_vectors_followed_have_no_part_in_is_caught_by_the_certificate() -> None:
    # The eigenvectors stand still, so nothing leads from the one that is followed to the one that falls below it.
    values, follower = apart(0.9), GramExtremes()
    for k in range(6):
        if k == 4:
            values[60] = 0.3
        found = follower.measure(rotated(values))
        assert found.smallest == pytest.approx(values.min(), rel=1e-7)
        assert found.smallest_lower <= values.min() + RHO
        assert found.dense == (k in (0, 4))


def test_standing_still_near_singular_the_certificate_comes_within_some_resolutions() -> None:
    follower, values = GramExtremes(), apart(2000 * RHO)
    for k in range(6):
        found = follower.measure(rotated(values))
        assert found.dense == (k == 0)
        assert found.smallest_lower <= values[0] + RHO
        if k > 2:
            assert found.smallest - found.smallest_lower <= 40 * RHO


def test_where_the_smallest_eigenvalue_moves_too_much_it_is_certified_afterwards() -> None:
    # Eigenvectors that turn by 10⁻⁴ move an eigenvalue of 10⁻⁹ beyond recognition.
    follower, values = GramExtremes(), apart(8000 * RHO)
    for k in range(4):
        found = follower.measure(rotated(values, by=1e-4 * k))
        assert found.dense == (k == 0)
        assert found.smallest == pytest.approx(values[0], rel=1e-3)
        assert 0.9 * found.smallest <= found.smallest_lower <= values[0] + RHO


def test_an_eigenvector_is_expected_to_go_on_along_the_straight_line_that_it_went() -> None:
    trail = Trail()
    assert trail.starts() == []
    vectors = [np.array([math.cos(t), math.sin(t)]) for t in (0.0, 1.2, 1.5)]
    trail.add(Ritz(1.0, vectors[0], 0.0))
    np.testing.assert_array_equal(trail.starts(), [vectors[0]])
    # Its sign means nothing, and is turned to that of the vector before.
    trail.add(Ritz(1.0, -vectors[1], 0.0, second=np.array([0.0, 1.0])))
    np.testing.assert_array_equal(trail.starts(), [2 * vectors[1] - vectors[0], vectors[1], [0.0, 1.0]])
    trail.add(Ritz(1.0, vectors[2], 0.0))
    np.testing.assert_array_equal(trail.starts(), [2 * vectors[2] - vectors[1], vectors[2], [0.0, 1.0]])


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
        assert found.smallest_lower <= values.min() + RHO


def test_another_matrix_is_not_mistaken_for_one_that_moved() -> None:
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
        slack = rounding(len(gram)) * exact[-1]
        assert (found.smallest, found.largest) == pytest.approx((exact[0], exact[-1]), rel=0, abs=slack)


def test_more_examples_than_neurons_have_an_exact_zero_and_a_followed_largest() -> None:
    follower = GramExtremes()
    for k, gram in enumerate(moving(100, 1e-3, rows=4)):
        found = spectrum(gram, 100, follower)
        assert (found["lambda_min"], found["lambda_min_low"]) == (0.0, 0.0)
        assert found["lambda_max"] == pytest.approx(np.linalg.eigvalsh(gram)[-1], rel=1e-7)
        assert (found["lambda_max_residual"] > 0) == (k > 0)


@pytest.mark.parametrize("rows", [1, 3])
def test_a_follower_that_was_stored_goes_on_to_the_bit(rows: int) -> None:
    grams = moving(200, 1e-2, rows=6)
    follower = GramExtremes()
    for gram in grams[:rows]:
        follower.measure(gram)
    stored = with_tensors(follower.state(), {p: held.clone() for p, held in tensors_of(follower.state()).items()})
    expected = [follower.measure(gram) for gram in grams[rows:]]
    again = GramExtremes()
    again.restore(stored, N)
    assert [again.measure(gram) for gram in grams[rows:]] == expected
    fresh = GramExtremes()
    fresh.restore({}, N)
    assert fresh.measure(grams[0]).dense


@pytest.mark.parametrize("order", [20, 60])
def test_a_norm_is_followed_from_above(order: int) -> None:
    rng = np.random.default_rng(0)
    m, along = rng.normal(size=(90, order)), rng.normal(size=(90, order))
    follower = NormFollower()
    for k in range(6):
        now = m + 1e-3 * k * along

        def square(v: np.ndarray, now: np.ndarray = now) -> np.ndarray:
            return now.T @ (now @ v)

        found = follower.measure(square, order, lambda now=now: now.T @ now)
        exact = np.linalg.norm(now, 2)
        assert exact * (1 - rounding(90)) <= found <= exact * 1.006
    if order > 33:
        again = NormFollower()
        again.restore(follower.state(), order)
        assert again.measure(square, order, lambda: now.T @ now) == pytest.approx(found, rel=5e-3)


def test_a_norm_that_products_do_not_find_is_found_densely_and_zero_is_zero() -> None:
    # Forty equal products apart: a flat spectrum does not converge in forty products.
    values = np.linspace(0.99, 1.0, 2000) ** 2
    found = NormFollower(1e-9).measure(lambda v: values * v, 2000, lambda: np.diag(values)[-40:, -40:])
    assert found == pytest.approx(1.0, rel=1e-12)
    for order in (20, 50):
        assert NormFollower().measure(lambda v: 0 * v, order, lambda n=order: np.zeros((n, n))) == 0.0


def test_products_that_end_beyond_the_tolerance_do_not_count_as_found() -> None:
    values = np.linspace(0.0, 1.0, 2000)
    start = np.random.default_rng(0).standard_normal(2000)
    ended = Subspace(lambda v: values * v, [start], room=40).search("largest", 0.0)
    densely: list[float] = []
    for share in (0.7, 1.1):

        def dense(share: float = share) -> np.ndarray:
            densely.append(share)
            return np.eye(1)

        NormFollower(share * ended.residual / ended.value).measure(lambda v: values * v, 2000, dense)
    assert densely == [0.7]


def test_a_subspace_that_fills_the_space_has_every_eigenvalue() -> None:
    a = np.random.default_rng(0).normal(size=(9, 9))
    a = a + a.T
    space = Subspace(lambda v: a @ v, [np.ones(9)])
    exact = np.linalg.eigvalsh(a)
    assert space.search("largest", 0.0).value == pytest.approx(exact[-1], rel=1e-12)
    low = space.search("smallest", 0.0)
    assert low.value == pytest.approx(exact[0], rel=1e-12)
    assert float(np.linalg.norm(a @ low.vector - low.value * low.vector)) == pytest.approx(low.residual, abs=1e-12)
    for which, following in (("largest", exact[-2]), ("smallest", exact[1])):
        second = space.ritz(which).second
        np.testing.assert_allclose(a @ second, following * second, atol=1e-12)
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
    assert Subspace(lambda v: a @ v, [np.ones(40)]).ritz("largest").second is None
    assert Subspace(lambda v: a @ v, list(rng.normal(size=(2, 40)))).ritz("largest").second is not None


def test_the_gram_matrix_is_symmetric_to_the_bit_and_the_mean_of_products_of_features() -> None:
    import torch

    a = torch.randn(70, 33, generator=torch.Generator().manual_seed(0))
    gram = feature_gram(a)
    assert torch.equal(gram, gram.T)
    assert gram[3, 5] == pytest.approx(sum(float(x) * float(y) for x, y in zip(a[3], a[5], strict=True)) / 33)


@pytest.mark.parametrize("width", [2400, 1200])
def test_a_large_matrix_is_found_from_nothing_as_the_dense_solver_finds_it(
    width: int,
) -> None:
    rng = np.random.default_rng(0)
    gram = host_gram(rng.normal(size=(LARGE, width)) + rng.normal(size=width))
    exact, follower = np.linalg.eigvalsh(gram), GramExtremes()
    found = follower.measure(gram)
    assert not found.dense
    assert found.smallest == pytest.approx(exact[0], rel=1e-9)
    assert 0.99 * exact[0] < found.smallest_lower <= exact[0]
    assert found.largest == pytest.approx(exact[-1], rel=1e-9)
    assert found.largest_residual <= 1e-6 * exact[-1]
    # And from then on it is followed.
    assert not follower.measure(gram).dense


def test_from_nothing_too_near_to_singular_the_dense_solver_answers() -> None:
    a = np.random.default_rng(0).normal(size=(LARGE, LARGE + 8))
    a[1] = a[0] + 1e-6 * a[2]
    gram = host_gram(a)
    found = GramExtremes().measure(gram)
    assert found.dense
    exact = np.linalg.eigvalsh(gram)
    assert found.smallest == pytest.approx(exact[0], rel=0, abs=rounding(len(gram)) * exact[-1])


def test_a_large_matrix_of_more_examples_than_neurons_is_followed_from_nothing_at_its_upper_end() -> None:
    gram = host_gram(np.random.default_rng(0).normal(size=(LARGE, 40)))
    follower = GramExtremes()
    for _ in range(2):
        found = follower.measure(gram, singular=True)
        assert (found.smallest, found.smallest_lower, found.dense) == (0.0, 0.0, False)
        assert found.largest == pytest.approx(np.linalg.eigvalsh(gram)[-1], rel=1e-9)
    # Its λ_min, 0, is what it hands on: too near to singular for a factorisation to go on from it.
    assert follower.measure(host_gram(1.0 + np.random.default_rng(0).normal(size=(LARGE, 2 * LARGE)))).dense


@pytest.mark.parametrize(("n", "width"), [(5, 1100), (300, 40), (129, 513), (256, 512)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_gram_matrix_is_the_sum_over_columns_and_symmetric_to_the_bit(n: int, width: int, dtype: type) -> None:
    a = np.random.default_rng(0).normal(size=(n, width)).astype(dtype)
    gram = host_gram(a)
    expected = np.einsum("iw,jw->ij", a.astype(np.float64), a.astype(np.float64)) / width
    np.testing.assert_allclose(gram, expected, rtol=1e-12, atol=1e-12)
    assert np.array_equal(gram, gram.T)
