"""Products that are queued without looking, against dense solvers."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.device.transfer import Transfer
from engine.measure.krylov import Sweep, launch, normal_products
from engine.measure.lanczos import extreme_eigenpair
from tests.rounding import rounding


def symmetric(count: int, order: int, seed: int = 0) -> torch.Tensor:
    a = torch.randn(count, order, order, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return a + a.mT


def product(matrices: torch.Tensor):
    return lambda v: torch.bmm(matrices, v[:, :, None])[:, :, 0]


def starts(count: int, order: int) -> torch.Tensor:
    return torch.randn(count, order, generator=torch.Generator().manual_seed(9), dtype=torch.float64)


@pytest.mark.parametrize("which", ["largest", "smallest"])
def test_with_as_many_products_as_the_order_it_is_the_eigenvalue(which: Literal["largest", "smallest"]) -> None:
    matrices = symmetric(3, 12)
    sweep = launch(product(matrices), starts(3, 12), 12, Transfer())
    pairs = sweep.ritz(which)
    vectors = sweep.vectors(pairs)
    for matrix, pair, vector in zip(matrices, pairs, vectors, strict=True):
        values, exact = torch.linalg.eigh(matrix)
        pick = -1 if which == "largest" else 0
        assert pair is not None
        assert pair.value == pytest.approx(float(values[pick]), rel=1e-12)
        assert pair.residual <= rounding(12) * float(values.abs().max())
        assert abs(float(vector @ exact[:, pick])) == pytest.approx(1.0, rel=1e-10)


@pytest.mark.parametrize("products", [1, 2, 5])
def test_the_value_is_the_vectors_quotient_and_the_residual_what_it_lacks(products: int) -> None:
    matrices = symmetric(2, 20)
    sweep = launch(product(matrices), starts(2, 20), products, Transfer())
    torch.testing.assert_close(
        sweep.basis @ sweep.basis.mT,
        torch.eye(products, dtype=torch.float64).expand(2, -1, -1),
        rtol=0,
        atol=rounding(20),
    )
    pairs = sweep.ritz("largest")
    vectors = sweep.vectors(pairs)
    for matrix, pair, vector, basis in zip(matrices, pairs, vectors, sweep.basis, strict=True):
        assert pair is not None
        image = matrix @ vector
        assert float(vector @ image) == pytest.approx(pair.value, rel=1e-12)
        assert float((image - pair.value * vector).norm()) == pytest.approx(pair.residual, rel=1e-9)
        assert pair.value == pytest.approx(float(torch.linalg.eigvalsh(basis @ matrix @ basis.T)[-1]), rel=1e-12)


def test_a_start_that_is_an_eigenvector_breaks_down_and_says_so_for_its_matrix_alone() -> None:
    matrices = torch.stack([torch.diag(torch.arange(1.0, 6.0, dtype=torch.float64)), symmetric(1, 5)[0]])
    begin = torch.stack([torch.eye(5, dtype=torch.float64)[2], starts(1, 5)[0]])
    sweep = launch(product(matrices), begin, 3, Transfer())
    broken, sound = pairs = sweep.ritz("largest")
    assert broken is None
    assert sound is not None
    torch.testing.assert_close(sweep.vectors(pairs)[1], torch.from_numpy(sound.weights) @ sweep.basis[1])


def test_normal_products_are_those_of_each_matrix() -> None:
    m = torch.randn(3, 7, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    v = starts(3, 4)
    for matrix, vector, found in zip(m, v, normal_products(m, v), strict=True):
        expected = (matrix.T @ matrix @ vector).numpy()
        scale = float(torch.linalg.matrix_norm(matrix).square() * vector.norm())
        np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=rounding(7) * scale)


def matrices(count: int, order: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Symmetric matrices, and a start for each that is not normalised."""
    generator = torch.Generator().manual_seed(0)
    raw = torch.randn(count, order, order, generator=generator, dtype=torch.float64)
    starts = 3.0 * torch.randn(count, order, generator=generator, dtype=torch.float64)
    return (raw + raw.mT).to(dtype), starts.to(dtype)


def swept(of: Tensor, starts: Tensor, products: int) -> Sweep:
    return launch(lambda v: torch.bmm(of, v[:, :, None])[:, :, 0], starts, products, Transfer())


@pytest.mark.parametrize("products", [1, 2, 7, 20])
def test_each_of_several_matrices_has_the_ritz_pair_that_it_has_alone(products: int) -> None:
    of, starts = matrices(3, 20)
    sweep = swept(of, starts, products)
    for which in ("largest", "smallest"):
        pairs = sweep.ritz(which)
        vectors = sweep.vectors(pairs)
        assert vectors.shape == starts.shape
        for a, start, pair, vector in zip(of, starts, pairs, vectors, strict=True):
            alone = extreme_eigenpair(a.__matmul__, start, which, tolerance=0.0, max_products=products)
            assert pair is not None
            assert pair.value == pytest.approx(alone.value, rel=1e-10)
            assert abs(float(vector @ alone.vector)) == pytest.approx(1.0, rel=1e-10)
            residual = float((a @ vector - pair.value * vector).norm())
            assert pair.residual == pytest.approx(residual, rel=1e-9, abs=1e-12)
            assert float(vector.norm()) == pytest.approx(1.0, rel=1e-12)


def test_basis_vectors_stay_orthogonal_when_the_extremes_have_converged() -> None:
    order, products = 200, 40
    values = torch.cat([torch.linspace(0.0, 1.0, order - 2, dtype=torch.float64), torch.tensor([50.0, 100.0])])
    basis = swept(torch.diag(values)[None], torch.ones(1, order, dtype=torch.float64), products).basis[0]
    identity = torch.eye(products, dtype=torch.float64)
    torch.testing.assert_close(basis @ basis.T, identity, rtol=0.0, atol=rounding(order))


def test_a_start_that_is_an_eigenvector_or_not_finite_breaks_down_for_its_own_matrix_alone() -> None:
    of = torch.diag(torch.arange(1.0, 6.0, dtype=torch.float64)).repeat(3, 1, 1)
    starts = torch.ones(3, 5, dtype=torch.float64)
    starts[0] = torch.eye(5, dtype=torch.float64)[2]
    starts[1, 0] = torch.nan
    for which, extreme in (("largest", 5.0), ("smallest", 1.0)):
        eigenvector, broken, sound = swept(of, starts, 5).ritz(which)
        assert eigenvector is None
        assert broken is None
        assert sound is not None
        assert sound.value == pytest.approx(extreme, rel=1e-12)
    # One product is enough to see that it is one.
    alone, _, _ = swept(of, starts, 1).ritz("largest")
    assert alone is not None
    assert (alone.value, alone.residual) == (3.0, 3.0 * 2.0**-52)  # never below rounding
    np.testing.assert_array_equal(alone.weights, [1.0])


def test_a_residual_is_never_smaller_than_the_rounding_of_the_largest_ritz_value_in_modulus() -> None:
    values = torch.tensor([-9.0, -1.0, 0.5, 1.0, 2.0, 3.0], dtype=torch.float64)
    sweep = launch(lambda v: values * v, torch.ones(1, 6, dtype=torch.float64), 6, Transfer())
    (pair,) = sweep.ritz("largest")
    assert pair is not None
    assert 8.99 * np.finfo(np.float64).eps <= pair.residual <= 9 * rounding(6)
