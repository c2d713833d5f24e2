"""Spectral norms that are followed from row to row, with certain upper ends, against dense singular values."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engine.device.transfer import Transfer
from engine.measure.spectral_norms import Norms, SpectralNorms
from engine.measure.weight_norms import WeightNorms, WeightRow

DTYPES = [torch.float32, torch.float64]


def exact(matrix: Tensor) -> float:
    return float(torch.linalg.matrix_norm(matrix.double(), 2))


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def row(followed: SpectralNorms, matrices: list[Tensor], *, close: bool, factor: bool = False) -> Norms:
    transfer = Transfer()
    queued = [
        followed.queue([i], followed.operations([i], m[None], factor=factor), transfer) for i, m in enumerate(matrices)
    ]
    return followed.collect(queued, lambda i, _: matrices[i] if close else None)


def kinds(p: int, q: int) -> dict[str, Tensor]:
    """Matrices with few and with many large singular values, and with none."""
    rank, flat = min(3, p, q), torch.linalg.qr(normal(2, max(p, q), max(p, q)))[0][:p, :q]
    return {
        "random": normal(1, p, q),
        "of low rank": normal(3, p, rank) @ normal(4, rank, q),
        "flat": flat,
        "one large": normal(1, p, q) + 3.0 * torch.outer(normal(5, p), normal(6, q)),
        "small": 1e-10 * normal(7, p, q),
        "large": 1e15 * normal(8, p, q),
        "zero": torch.zeros(p, q, dtype=torch.float64),
    }


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 120), (120, 1), (90, 90), (200, 81), (100, 530), (30, 40), (600, 520)])
@pytest.mark.parametrize("factors", [False, True])
def test_high_ends_are_above_the_norm_and_values_below_it_whatever_the_matrix_is(
    shape: tuple[int, int], dtype: torch.dtype, factors: bool
) -> None:
    matrices = [m.to(dtype) for m in kinds(*shape).values()]
    norms = [exact(m) for m in matrices]
    followed = SpectralNorms([shape] * len(matrices), matrices[0], factors=factors)
    for _ in range(3):
        found = row(followed, matrices, close=factors, factor=factors)
        for m, norm, value, high, frobenius in zip(
            matrices, norms, found.value, found.high, found.frobenius, strict=True
        ):
            assert 0.9 * norm <= value <= norm * (1 + 1e-4)
            assert norm * (1 - 1e-14) <= high <= float(m.double().norm()) * (1 + 1e-3) + 1e-15
            assert frobenius == pytest.approx(float(m.double().norm()), rel=1e-5)
            if factors:
                assert high <= 1.06 * norm + 1e-15


@pytest.mark.parametrize("order", [20, 100])
@pytest.mark.parametrize("size", [1e-18, 1e-20, 1e-25, 1e-38])
def test_entries_whose_squares_vanish_still_count(order: int, size: float) -> None:
    matrix = (size * normal(0, order, order)).float()
    for factors in (False, True):
        followed = SpectralNorms([(order, order)], matrix, factors=factors)
        for _ in range(2):
            assert exact(matrix) <= row(followed, [matrix], close=factors, factor=factors).high[0]


@pytest.mark.parametrize("order", [1, 40, 100, 300, 530])
def test_both_signs_of_a_symmetric_matrix_count(order: int) -> None:
    a = normal(0, order, order)
    matrices = [a @ a.T, -(a @ a.T), a + a.T, torch.diag(normal(1, order)), torch.zeros_like(a)]
    followed = SpectralNorms([(order, order)] * len(matrices), a, symmetric=True, factors=True)
    for _ in range(3):
        found = row(followed, matrices, close=True, factor=True)
        for m, value, high in zip(matrices, found.value, found.high, strict=True):
            assert 0.9 * exact(m) <= value <= exact(m) * (1 + 1e-4)
            assert exact(m) * (1 - 1e-14) <= high <= 1.06 * exact(m) + 1e-15


@settings(max_examples=30, deadline=None)
@given(p=st.integers(1, 130), q=st.integers(1, 130), scale=st.floats(0.0, 2.0), seed=st.integers(0, 1000))
def test_a_matrix_that_moves_at_random_never_exceeds_its_high_end(p: int, q: int, scale: float, seed: int) -> None:
    m, move = normal(seed, p, q), torch.outer(normal(seed + 1, p), normal(seed + 2, q))
    closely, loosely = SpectralNorms([(p, q)], m, factors=True), SpectralNorms([(p, q)], m)
    for k in range(4):
        now = [m + k * scale * move]
        for followed, close in ((closely, True), (loosely, False)):
            found = row(followed, now, close=close, factor=close)
            assert found.value[0] <= exact(now[0]) * (1 + 1e-4)
            assert exact(now[0]) * (1 - 1e-13) <= found.high[0]


def test_a_singular_vector_that_overtakes_is_seen() -> None:
    u, v = torch.linalg.qr(normal(0, 150, 2))[0], torch.linalg.qr(normal(1, 120, 2))[0]
    followed = SpectralNorms([(150, 120)], u)
    for k in range(10):
        m = u @ torch.diag(torch.tensor([2.0, 1.5 + 0.25 * k], dtype=torch.float64)) @ v.T + 1e-3 * normal(2, 150, 120)
        value = float(row(followed, [m], close=False).value[0])
        assert value >= 0.97 * exact(m)
    assert value == pytest.approx(exact(m), rel=1e-3)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("order", [20, 100])
def test_what_is_not_finite_has_no_norm_and_leaves_the_others_alone(bad: float, order: int) -> None:
    good, broken = normal(0, order, order), normal(1, order, order)
    broken[3, 4] = bad
    for options in ({"symmetric": True}, {"symmetric": False}):
        followed = SpectralNorms([(order, order)] * 2, good, factors=True, **options)
        matrix = good + good.T if options["symmetric"] else good
        for _ in range(2):
            found = row(followed, [broken, matrix], close=True, factor=True)
            assert math.isnan(found.value[0])
            assert not found.high[0] < math.inf
            assert exact(matrix) <= found.high[1] * (1 + 1e-13) <= 1.06 * exact(matrix)
        assert np.isfinite(row(followed, [matrix, matrix], close=True, factor=True).high).all()


def followed_weights(dtype: torch.dtype, shapes: list[tuple[int, int]]) -> tuple[list[Tensor], list[Tensor]]:
    weights = [(normal(i, *shape) / shape[1] ** 0.5).to(dtype) for i, shape in enumerate(shapes)]
    return weights, [(normal(10 + i, *shape) / shape[1] ** 0.5).to(dtype) for i, shape in enumerate(shapes)]


def weight_row(norms: WeightNorms, initial: list[Tensor] | None) -> WeightRow:
    transfer = Transfer()
    return norms.collect(norms.launch(initial, transfer))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("step", [1e-5, 1e-3, 0.3])
def test_ends_of_weight_norms_hold_along_a_run(dtype: torch.dtype, step: float) -> None:
    shapes = [(90, 120), (90, 90), (7, 90), (1, 100), (130, 85)]
    weights, along = followed_weights(dtype, shapes)
    initial = [w.clone() for w in weights]
    norms = WeightNorms(weights)
    for k in range(15):
        found = weight_row(norms, initial if k else None)
        for i, (w, then) in enumerate(zip(weights, initial, strict=True)):
            change = w.double() - then.double()
            assert 0.9 * exact(w) <= found.norms.value[i] <= exact(w) * (1 + 1e-4)
            assert exact(w) * (1 - 1e-14) <= found.norms.high[i] <= 1.25 * exact(w)
            assert 0.9 * exact(change) <= found.distances.value[i] <= exact(change) * (1 + 1e-4)
            assert exact(change) * (1 - 1e-14) <= found.distances.high[i]
            assert found.distances.high[i] <= float(change.norm()) * (1 + 1e-3) + 1e-15
            assert found.distances.frobenius[i] == pytest.approx(float(change.norm()), rel=1e-5)
        moves = [step * (1 + math.sin(k + i)) * g for i, g in enumerate(along)]
        norms.moved([float(move.double().norm()) for move in moves])
        for w, move in zip(weights, moves, strict=True):
            w.add_(move)


def test_a_norm_that_shrinks_keeps_a_high_end_that_is_close() -> None:
    weights = [3.0 * normal(0, 120, 100)]
    initial, norms, first = [weights[0].clone()], WeightNorms(weights), True
    while exact(weights[0]) > 1.0:
        high = float(weight_row(norms, None if first else initial).norms.high[0])
        assert exact(weights[0]) <= high <= 1.1 * exact(weights[0])
        first, move = False, -0.02 * weights[0]
        norms.moved([float(move.norm())])
        weights[0] += move


@pytest.mark.parametrize("shape", [(1030, 1100), (1100, 1030), (1025, 1025)])
def test_large_weights_are_certified_in_parts(shape: tuple[int, int]) -> None:
    weights = [(normal(0, *shape) / shape[1] ** 0.5).float()]
    found = weight_row(WeightNorms(weights), None)
    assert exact(weights[0]) <= found.norms.high[0] <= 1.3 * exact(weights[0])
    assert 0.97 * exact(weights[0]) <= found.norms.value[0] <= exact(weights[0]) * (1 + 1e-4)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_distance_of_rank_one_is_its_frobenius_norm_up_to_rounding(dtype: torch.dtype) -> None:
    m = normal(3, 90, 81).to(dtype)
    norms = WeightNorms([m])
    weight_row(norms, None)
    then, change = m.clone(), torch.outer(m[:, 0], torch.arange(81, dtype=dtype))
    m += change
    found = weight_row(norms, [then])
    real = (m.double() - then.double()).norm()
    assert 1 - 1e-13 <= found.distances.high[0] / float(real) <= 1 + 1e3 * torch.finfo(dtype).eps


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_carried_is_all_that_is_needed(dtype: torch.dtype) -> None:
    weights, along = followed_weights(dtype, [(90, 120), (90, 90), (7, 90)])
    initial = [w.clone() for w in weights]
    norms, again = WeightNorms(weights), WeightNorms(weights)
    for k in range(7):
        rows = [
            weight_row(each, initial if k else None) for each in ((norms, again) if k in {0, 4, 5, 6} else (norms,))
        ]
        for other in rows[1:]:
            for one, two in ((rows[0].norms, other.norms), (rows[0].distances, other.distances)):
                np.testing.assert_array_equal(one.value, two.value)
                np.testing.assert_array_equal(one.high, two.high)
        for each in (norms, again):
            each.moved([1e-2 * float(g.norm()) for g in along])
        for w, g in zip(weights, along, strict=True):
            w.add_(g, alpha=1e-2)
        if k == 3:
            again.restore(norms.state())
