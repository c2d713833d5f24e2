"""Lanczos on matrices of known spectrum, and spectral norms against singular values."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engine.measure.lanczos import extreme_eigenpair, is_read_from_memory, normal_product, spectral_norm_upper
from tests.rounding import rounding


def matrix_of(eigenvalues: list[float] | np.ndarray, seed: int = 0) -> Tensor:
    values = np.asarray(eigenvalues, dtype=np.float64)
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(values), len(values))))
    return torch.tensor(q @ np.diag(values) @ q.T)


def start_of(size: int, seed: int = 1) -> Tensor:
    return torch.tensor(np.random.default_rng(seed).normal(size=size))


class Counting:
    """An operator that counts its products."""

    def __init__(self, matrix: Tensor) -> None:
        self.matrix, self.count = matrix, 0

    def __call__(self, v: Tensor) -> Tensor:
        self.count += 1
        return self.matrix @ v


@pytest.mark.parametrize(("which", "expected"), [("largest", 3.0), ("smallest", -9.0)])
def test_either_end_is_found_and_not_the_largest_in_modulus(
    which: Literal["largest", "smallest"], expected: float
) -> None:
    matrix = matrix_of([-9.0, -1.0, 0.5, 1.0, 2.0, 3.0])
    operator = Counting(matrix)
    pair = extreme_eigenpair(operator, start_of(6), which, tolerance=1e-12, max_products=50)
    assert pair.value == pytest.approx(expected, rel=1e-12)
    assert pair.products == operator.count == 6
    torch.testing.assert_close(matrix @ pair.vector, expected * pair.vector, rtol=1e-10, atol=1e-10)
    assert float(pair.vector.norm()) == pytest.approx(1.0)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    size=st.integers(1, 40),
    which=st.sampled_from(["largest", "smallest"]),
    tolerance=st.sampled_from([0.3, 1e-2, 1e-6]),
    products=st.integers(1, 45),
)
def test_a_ritz_value_is_on_the_inner_side_and_an_eigenvalue_lies_within_its_true_residual(
    seed: int, size: int, which: Literal["largest", "smallest"], tolerance: float, products: int
) -> None:
    values = np.random.default_rng(seed).normal(size=size) * 10
    matrix = matrix_of(values, seed)
    operator = Counting(matrix)
    pair = extreme_eigenpair(operator, start_of(size, seed + 1), which, tolerance=tolerance, max_products=products)
    scale = float(np.abs(values).max())
    true = float((matrix @ pair.vector - pair.value * pair.vector).norm())
    assert pair.residual == pytest.approx(true, abs=1e-12 * scale * size)
    assert np.abs(values - pair.value).min() <= pair.residual + 1e-12 * scale * size
    edge = values.max() if which == "largest" else values.min()
    assert (pair.value <= edge if which == "largest" else pair.value >= edge) or pair.value == pytest.approx(edge)
    assert pair.products == operator.count <= products
    # It stopped because it was done, or at the limit.
    done = pair.residual <= tolerance * abs(pair.value) + 1e-12 * scale
    assert done or pair.products in (products, size)
    if products >= size:
        assert done or pair.value == pytest.approx(edge, rel=1e-9)


def test_an_eigenvector_as_start_needs_one_product() -> None:
    matrix = matrix_of([1.0, 2.0, 3.0, 4.0, 10.0])
    cold = extreme_eigenpair(lambda v: matrix @ v, start_of(5), "largest", tolerance=1e-10, max_products=50)
    warm = extreme_eigenpair(lambda v: matrix @ v, cold.vector, "largest", tolerance=1e-8, max_products=50)
    assert warm.products == 1
    assert warm.value == pytest.approx(10.0)


def test_without_room_for_a_basis_the_iteration_restarts_and_still_converges() -> None:
    values = np.linspace(0.0, 1.0, 60)
    values[-1] = 2.0
    matrix = matrix_of(values)
    four = 8 * 60 * 4
    pair = extreme_eigenpair(
        lambda v: matrix @ v, start_of(60), "largest", tolerance=1e-9, max_products=200, basis_bytes=four
    )
    assert pair.value == pytest.approx(2.0, rel=1e-12)
    # Restarting costs: without room, more products are needed than with it.
    whole = extreme_eigenpair(lambda v: matrix @ v, start_of(60), "largest", tolerance=1e-9, max_products=200)
    assert whole.products < pair.products < 200
    stopped = extreme_eigenpair(
        lambda v: matrix @ v, start_of(60), "largest", tolerance=1e-15, max_products=6, basis_bytes=four
    )
    assert stopped.products == 6


@pytest.mark.parametrize("products", [6, 8, 11])
def test_with_room_for_four_vectors_it_is_four_products_at_a_time(products: int) -> None:
    matrix = matrix_of(np.linspace(0.0, 1.0, 60))

    def find(start: Tensor, products: int, room: int = 1 << 30) -> tuple[float, Tensor]:
        pair = extreme_eigenpair(
            lambda v: matrix @ v, start, "largest", tolerance=0.0, max_products=products, basis_bytes=room
        )
        assert pair.products == products
        return pair.value, pair.vector

    value, vector = math.nan, start_of(60)
    for spent in range(0, products, 4):
        value, vector = find(vector, min(4, products - spent))
    found, found_vector = find(start_of(60), products, room=8 * 60 * 4)
    assert found == pytest.approx(value, rel=rounding(60))
    torch.testing.assert_close(found_vector, vector, rtol=0, atol=1e-9)


def test_a_start_within_an_invariant_subspace_ends_when_it_is_spanned() -> None:
    # Its own quotient is 0: what is small beside the spectrum is not small beside that. The subspace is one of unit
    # vectors, so that no rounding leads out of it.
    matrix = torch.diag(torch.tensor([3.0, -1.0, *np.linspace(-0.5, 2.0, 38)], dtype=torch.float64))
    start = torch.zeros(40, dtype=torch.float64)
    start[0], start[1] = 0.5, math.sqrt(0.75)
    assert abs(float(start @ matrix @ start)) < rounding(2)
    for which, expected in (("largest", 3.0), ("smallest", -1.0)):
        pair = extreme_eigenpair(lambda v: matrix @ v, start, which, tolerance=0.0, max_products=40)
        assert pair.value == pytest.approx(expected, rel=rounding(40))
        assert pair.products == 2


def test_long_after_the_other_end_has_converged_what_is_found_is_still_an_eigenpair() -> None:
    # The basis must stay orthogonal, else vectors found before come back as a spurious end of the spectrum.
    values = torch.cat([torch.linspace(0.0, 1.0, 198, dtype=torch.float64), torch.tensor([50.0, 100.0])])
    start = torch.ones(200, dtype=torch.float64)
    pair = extreme_eigenpair(lambda v: values * v, start, "smallest", tolerance=0.0, max_products=150)
    slack = rounding(200) * 100.0
    assert pair.value == pytest.approx(0.0, abs=slack)
    assert float(pair.vector.norm()) == pytest.approx(1.0, rel=rounding(200))
    true = float((values * pair.vector - pair.value * pair.vector).norm())
    assert true == pytest.approx(pair.residual, rel=0, abs=slack)


def test_it_stops_as_soon_as_the_tolerance_is_met() -> None:
    matrix = matrix_of(np.concatenate([np.linspace(0.0, 1.0, 59), [3.0]]))
    pair = extreme_eigenpair(lambda v: matrix @ v, start_of(60), "largest", tolerance=1e-3, max_products=60)
    assert pair.residual <= 1e-3 * pair.value
    sooner = extreme_eigenpair(
        lambda v: matrix @ v, start_of(60), "largest", tolerance=0.0, max_products=pair.products - 1
    )
    assert sooner.residual > 1e-3 * sooner.value


def test_a_residual_is_never_smaller_than_the_rounding_of_the_largest_eigenvalue_in_modulus() -> None:
    matrix = matrix_of([-9.0, -1.0, 0.5, 1.0, 2.0, 3.0])
    pair = extreme_eigenpair(lambda v: matrix @ v, start_of(6), "largest", tolerance=0.0, max_products=50)
    assert 8.99 * np.finfo(np.float64).eps <= pair.residual <= 9 * rounding(6)


def test_a_zero_operator_has_eigenvalue_zero_after_one_product() -> None:
    pair = extreme_eigenpair(lambda v: 0 * v, start_of(7), "largest", tolerance=1e-9, max_products=50)
    assert (pair.value, pair.residual, pair.products) == (0.0, 0.0, 1)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_an_operator_or_a_start_that_is_not_finite_gives_no_number(bad: float) -> None:
    pair = extreme_eigenpair(lambda v: bad * v, start_of(5), "largest", tolerance=1e-9, max_products=50)
    assert math.isnan(pair.value)
    assert math.isnan(pair.residual)
    assert pair.products == 1
    for start in (start_of(5) * bad, torch.zeros(5, dtype=torch.float64)):
        pair = extreme_eigenpair(lambda v: v, start, "largest", tolerance=1e-9, max_products=50)
        assert math.isnan(pair.value)
        assert pair.products == 0


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10**6),
    p=st.sampled_from([1, 3, 64, 66, 90]),
    q=st.sampled_from([1, 2, 65, 67, 80]),
    warm=st.booleans(),
)
def test_a_spectral_norm_from_above_is_the_largest_singular_value_and_never_below_it(
    seed: int, p: int, q: int, warm: bool
) -> None:
    matrix = torch.tensor(np.random.default_rng(seed).normal(size=(p, q)))
    exact = float(torch.linalg.svdvals(matrix)[0])
    value, vector = spectral_norm_upper(matrix, None)
    assert vector.shape == (min(p, q),)
    if warm:
        value, _ = spectral_norm_upper(matrix, vector)
    assert exact * (1 - rounding(max(p, q))) <= value <= exact * (1 + 2e-9)


def test_a_spectral_norm_follows_a_matrix_that_moves() -> None:
    rng = np.random.default_rng(0)
    matrix = torch.tensor(rng.normal(size=(80, 70)))
    matrix[:, 0] *= 4  # a gap, as trained weights have
    _, vector = spectral_norm_upper(matrix, None)
    moved = matrix + 1e-9 * torch.tensor(rng.normal(size=(80, 70)))
    value, _ = spectral_norm_upper(moved, vector)
    assert value == pytest.approx(float(torch.linalg.svdvals(moved)[0]), rel=1e-8)


def test_the_norm_of_zero_is_zero_and_of_what_is_not_finite_no_number() -> None:
    assert spectral_norm_upper(torch.zeros(70, 80, dtype=torch.float64), None)[0] == 0
    for size in (3, 70):
        bad = torch.ones(size, size, dtype=torch.float64)
        bad[0, 0] = math.nan
        assert math.isnan(spectral_norm_upper(bad, None)[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_norm_is_widened_by_the_rounding_of_products_as_long_as_the_matrix(
    dtype: torch.dtype,
) -> None:
    matrix = torch.tensor(np.random.default_rng(0).normal(size=(300, 80)), dtype=dtype)
    matrix[:, 0] *= 4  # one norm stands out: a residual shows which was found
    start, exact = torch.ones(80, dtype=dtype), float(torch.linalg.svdvals(matrix.double())[0])
    eps = torch.finfo(dtype).eps
    for m in (matrix, matrix.T):
        value, _ = spectral_norm_upper(m, start, tolerance=8 * eps)
        # By at least one rounding as long as the matrix, and by no more than some.
        assert math.sqrt(300) * eps <= value / exact - 1 <= rounding(300, dtype=str(dtype)[6:])


def test_a_norm_whose_products_end_beyond_the_tolerance_is_taken_from_the_dense_solver() -> None:
    matrix = torch.tensor(np.random.default_rng(0).normal(size=(90, 80)))
    exact = float(torch.linalg.svdvals(matrix)[0])
    ended = extreme_eigenpair(lambda v: matrix.T @ (matrix @ v), start_of(80), "largest", tolerance=0.0, max_products=5)
    share = ended.residual / ended.value
    assert spectral_norm_upper(matrix, start_of(80), tolerance=0.7 * share, products=5)[0] == pytest.approx(
        exact, rel=1e-12
    )
    estimate, _ = spectral_norm_upper(matrix, start_of(80), tolerance=1.1 * share, products=5)
    assert estimate == pytest.approx(math.sqrt(ended.value + ended.residual), rel=1e-12)
    assert estimate != pytest.approx(exact, rel=1e-6)


def test_where_products_do_not_converge_the_dense_solver_answers() -> None:
    matrix = torch.tensor(np.random.default_rng(0).normal(size=(90, 80)))
    assert spectral_norm_upper(matrix, None, products=2)[0] == pytest.approx(
        float(torch.linalg.svdvals(matrix)[0]), rel=1e-12
    )


@pytest.mark.parametrize("shape", [(3000, 3000), (2900, 3100)])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_matrix_that_does_not_fit_into_the_cache_has_the_same_products(
    shape: tuple[int, int], transposed: bool
) -> None:
    matrix = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    assert is_read_from_memory(matrix)
    if transposed:
        matrix = matrix.T
    v = torch.randn(matrix.shape[1], generator=torch.Generator().manual_seed(1))
    expected = matrix.double().T @ (matrix.double() @ v.double())
    slack = rounding(sum(shape), dtype="float32") * float(expected.norm())
    torch.testing.assert_close(normal_product(matrix)(v).double(), expected, rtol=0.0, atol=slack)
