"""Extremes of followed matrices: their values are those of a dense solver, and their intervals hold the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from engine.device.transfer import Transfer
from engine.measure.block_krylov import deflated_upper, krylov, ritz, small_products
from engine.measure.spectra import Spectra

ORDER = 150  # more than is solved densely


def rotation(order, seed):
    draw = np.random.default_rng(seed)
    return np.linalg.qr(draw.standard_normal((order, order)))[0]


def matrix(values, seed=0):
    q = rotation(len(values), seed)
    product = (q * values) @ q.T
    return (product + product.T) / 2


def spectra_of_many_kinds(order):
    even = np.linspace(1.0, 2.0, order)
    return {
        "even": even,
        "one large": np.where(np.arange(order) == order - 1, 500.0, even),
        "one small": np.where(np.arange(order) == 0, 1e-6, even),
        "cluster at both ends": np.r_[np.full(10, 0.5), even[:-20], np.full(10, 3.0)],
        "all the same": np.ones(order),
        "decaying": 10.0 ** -np.linspace(0.0, 8.0, order),
        "flat top": np.r_[np.linspace(0.1, 0.2, order - 40), np.linspace(1.0, 1.001, 40)],
    }


def row(spectra, matrices, noise=0.0):
    transfer = Transfer()
    spectra.prepare()
    return spectra.collect(spectra.launch(matrices, transfer), [noise] * len(matrices))


def assert_true(found, exact, tolerance):
    """Values close to those of a dense solver, and ends on their sides."""
    values = np.linalg.eigvalsh(exact)
    low, high = max(values[0], 0.0), values[-1]
    rounding = len(exact) * 2.3e-16 * high  # of the dense solver itself
    assert found.smallest.low <= low + rounding
    assert low <= found.smallest.high + rounding
    assert found.largest.low <= high + rounding
    assert high <= found.largest.high + rounding
    assert abs(found.smallest.value - low) <= max(tolerance * low, 1e-2 * tolerance * high)
    assert abs(found.largest.value - high) <= tolerance * high
    for interval in (found.smallest, found.largest):
        assert interval.low <= interval.value <= interval.high


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("order", [1, 2, 40, ORDER])
def test_a_first_row_is_found_from_nothing_whatever_the_spectrum(order, dtype):
    kinds = {"even": np.linspace(1.0, 2.0, order)} if order < 40 else spectra_of_many_kinds(order)
    exact = torch.from_numpy(np.stack([matrix(values, seed) for seed, values in enumerate(kinds.values())])).to(dtype)
    for found, one in zip(row(Spectra(len(exact), order), exact), exact.double().numpy(), strict=True):
        assert_true(found, one, 1e-4)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_moving_matrices_are_followed_and_every_interval_holds_the_truth(dtype):
    rows = 8
    starts = list(spectra_of_many_kinds(ORDER).values())
    ends = [np.sort(values)[::-1] * np.random.default_rng(1).uniform(0.5, 2.0, ORDER) for values in starts]
    spectra = Spectra(len(starts), ORDER)
    for k in range(rows):
        share = k / (rows - 1)
        moving = [
            (1 - share) * matrix(a, seed) + share * matrix(b, seed + 1)
            for seed, (a, b) in enumerate(zip(starts, ends, strict=True))
        ]
        exact = torch.from_numpy(np.stack(moving)).to(dtype)
        for found, one in zip(row(spectra, exact), exact.double().numpy(), strict=True):
            assert_true(found, one, 1e-4)


def test_an_eigenvector_that_overtakes_is_seen_at_both_ends():
    order, q = ORDER, rotation(ORDER, 3)
    spectra = Spectra(1, order)
    for k in range(10):
        values = np.linspace(1.0, 2.0, order)
        values[0], values[1] = 0.5 + 0.04 * k, 0.7 - 0.04 * k
        values[-1], values[-2] = 3.0 - 0.1 * k, 2.5 + 0.1 * k
        one = torch.from_numpy((q * values) @ q.T)[None]
        one = (one + one.mT) / 2
        (found,) = row(spectra, one)
        assert found.smallest.value == pytest.approx(values.min(), rel=1e-5)
        assert found.largest.value == pytest.approx(values.max(), rel=1e-5)


def test_a_matrix_that_becomes_singular_and_recovers_keeps_true_intervals():
    q = rotation(ORDER, 4)
    spectra = Spectra(1, ORDER)
    for smallest in (1e-1, 1e-4, 1e-12, 0.0, 0.0, 1e-9, 1e-2):
        values = np.r_[smallest, np.linspace(1.0, 2.0, ORDER - 1)]
        one = (q * values) @ q.T
        (found,) = row(spectra, torch.from_numpy((one + one.T) / 2)[None])
        assert found.smallest.low <= smallest <= found.smallest.high
        assert found.smallest.value == pytest.approx(smallest, rel=1e-4, abs=1e-12)


def test_a_factor_certifies_lambda_min_where_it_is_resolved():
    (found,) = row(Spectra(1, ORDER), torch.from_numpy(matrix(np.linspace(1.0, 2.0, ORDER)))[None])
    assert 0.7 < found.smallest.low <= 1.0
    assert 2.0 <= found.largest.high < 2.5


def test_what_forming_has_rounded_widens_every_end():
    one = torch.from_numpy(matrix(np.linspace(1.0, 2.0, ORDER)))[None]
    (exact,), (noisy,) = row(Spectra(1, ORDER), one), row(Spectra(1, ORDER), one, noise=0.1)
    assert noisy.smallest.low <= exact.smallest.low - 0.09
    assert noisy.smallest.high >= exact.smallest.high + 0.09
    assert noisy.largest.low <= exact.largest.low - 0.09
    assert noisy.largest.high >= exact.largest.high + 0.09


@pytest.mark.parametrize("order", [20, ORDER])
def test_a_rank_below_the_order_gives_zero_exactly(order):
    factor = np.random.default_rng(0).standard_normal((order, order // 2))
    (found,) = row(Spectra(1, order, singular=True), torch.from_numpy(factor @ factor.T)[None])
    assert (found.smallest.low, found.smallest.value, found.smallest.high) == (0.0, 0.0, 0.0)
    assert found.largest.value == pytest.approx(np.linalg.eigvalsh(factor @ factor.T)[-1], rel=1e-5)


@pytest.mark.parametrize("order", [20, ORDER])
@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_matrix_that_is_not_finite_is_not_known_and_leaves_the_others_alone(order, broken):
    good = torch.from_numpy(matrix(np.linspace(1.0, 2.0, order)))
    bad = good.clone()
    bad[0, 0] = broken
    spectra = Spectra(2, order)
    for matrices in ([good, good], [good, bad], [good, good]):
        found = row(spectra, torch.stack(matrices))
        assert_true(found[0], good.numpy(), 1e-4)
        if matrices[1] is bad:
            assert math.isnan(found[1].smallest.value)
            assert math.isnan(found[1].largest.high)
        else:
            assert_true(found[1], good.numpy(), 1e-4)


@pytest.mark.parametrize("order", [20, ORDER])
def test_what_is_restored_goes_on_to_the_bit(order):
    def moving(k):
        return torch.from_numpy(
            np.stack(
                [matrix(np.linspace(1.0, 2.0 + 0.1 * k, order)), matrix(np.geomspace(0.01 + 0.01 * k, 1.0, order))]
            )
        )

    whole = Spectra(2, order)
    for k in range(3):
        row(whole, moving(k))
    again = Spectra(2, order)
    again.restore(whole.state(), torch.device("cpu"))
    for k in range(3, 6):
        assert row(again, moving(k)) == row(whole, moving(k))


@pytest.mark.parametrize("kind", spectra_of_many_kinds(ORDER))
@pytest.mark.parametrize("steps", [1, 3, 6])
def test_deflation_bounds_lambda_max_from_above(kind, steps):
    values = spectra_of_many_kinds(ORDER)[kind]
    one = torch.from_numpy(matrix(values, 5))[None]
    start = torch.randn(1, ORDER, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    pairs = ritz(small_products(*krylov(lambda v: one @ v, start, steps))[0].numpy())
    assert pairs is not None
    trace, square = float(values.sum()), float((values**2).sum())
    for frobenius_square in (square, math.inf):
        upper = deflated_upper(pairs, trace, frobenius_square, ORDER)
        assert upper >= values.max() * (1 - 1e-12)
        assert upper <= trace * (1 + 1e-12)
    assert pairs.values[-1] <= values.max() * (1 + 1e-12)
