from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from engine.theory import pairings
from engine.theory.predictions import (
    decrease_ratio,
    descent,
    lemma1,
    lemma10,
    lemma13_factor,
    lemma13_paper_factor,
    radius_bound,
    ratio,
    smoothness_secant,
    smoothness_step,
)


class _Descent:
    """Gradient descent on ½xᵀAx: L = λ_max(A), global μ = λ_min(A), local μ = ‖Ax‖²/(xᵀAx)."""

    def __init__(self, seed: int, lr_times_l: float, steps: int = 12, size: int = 5) -> None:
        rng = np.random.default_rng(seed)
        b = rng.normal(size=(size, size))
        self.A = b @ b.T + 0.1 * np.eye(size)
        eigenvalues = np.linalg.eigvalsh(self.A)
        self.mu, self.L = float(eigenvalues[0]), float(eigenvalues[-1])
        self.lr = lr_times_l / self.L
        x = rng.normal(size=size)
        points = [x]
        for _ in range(steps):
            points.append(points[-1] - self.lr * self.A @ points[-1])
        self.points = np.array(points)
        self.gradients = self.points @ self.A
        self.loss = 0.5 * np.sum(self.points * self.gradients, axis=1)
        self.grad_norm = np.linalg.norm(self.gradients, axis=1)
        self.local_mu = self.grad_norm**2 / (2.0 * self.loss)


def _line(loss: ArrayLike, grad_norm: ArrayLike, lr: ArrayLike, *, start: int = 0, f_star: float = 0.0) -> np.ndarray:
    """Lemma 13 from a row on, by the L_step of the step before each."""
    columns = {"loss": np.array(loss), "grad_norm": np.array(grad_norm), "lr": np.array(lr)}
    return pairings.lemma13("step", np.arange(len(columns["loss"])), columns, start, f_star)


_SEEDS = st.integers(0, 10**6)
_RATES = st.floats(0.01, 3.0)


@given(_SEEDS, _RATES)
def test_on_a_quadratic_the_step_smoothness_is_the_rayleigh_quotient_of_the_gradient(seed: int, rate: float) -> None:
    run = _Descent(seed, rate)
    g = run.gradients[:-1]
    expected = np.sum(g * (g @ run.A), axis=1) / np.sum(g * g, axis=1)
    found = smoothness_step(run.loss[:-1], run.loss[1:], run.lr, run.grad_norm[:-1])
    np.testing.assert_allclose(found, expected, rtol=1e-7)
    assert np.all(found <= run.L * (1.0 + 1e-7))


@given(_SEEDS, _RATES)
def test_the_descent_lemma_is_exact_with_the_step_smoothness_of_that_step(seed: int, rate: float) -> None:
    run = _Descent(seed, rate)
    steps = smoothness_step(run.loss[:-1], run.loss[1:], run.lr, run.grad_norm[:-1])
    predicted = descent(run.loss[:-1], run.grad_norm[:-1], run.lr, steps)
    np.testing.assert_allclose(predicted, run.loss[1:], rtol=1e-9)
    np.testing.assert_allclose(ratio(run.loss[1:], predicted), 1.0, rtol=1e-9)
    np.testing.assert_allclose(decrease_ratio(run.loss[:-1], run.loss[1:], predicted), 1.0, rtol=1e-6)


@given(_SEEDS, st.floats(0.01, 1.99))
def test_the_descent_lemma_with_the_true_smoothness_is_never_exceeded(seed: int, rate: float) -> None:
    run = _Descent(seed, rate)
    predicted = descent(run.loss[:-1], run.grad_norm[:-1], run.lr, run.L)
    assert np.all(run.loss[1:] <= predicted * (1.0 + 1e-9))


@given(_SEEDS)
def test_lemma1_holds_at_one_over_l(seed: int) -> None:
    run = _Descent(seed, 1.0)
    assert np.all(run.loss[1:] <= lemma1(run.loss[:-1], run.grad_norm[:-1], run.L) * (1.0 + 1e-9))


@given(
    loss=st.floats(0.1, 10.0),
    grad_norm=st.floats(0.01, 10.0),
    smoothness=st.floats(0.1, 100.0),
    f_star=st.floats(-5.0, 0.09),
)
def test_with_local_mu_lemma1_does_not_depend_on_f_star(
    loss: float, grad_norm: float, smoothness: float, f_star: float
) -> None:
    mu = grad_norm**2 / (2.0 * (loss - f_star))
    paper = f_star + (1.0 - mu / smoothness) * (loss - f_star)
    assert lemma1(loss, grad_norm, smoothness) == pytest.approx(paper, rel=1e-9, abs=1e-9)


@given(loss=st.floats(0.1, 10.0), grad_norm=st.floats(0.01, 10.0), smoothness=st.floats(0.1, 100.0))
def test_lemma10_is_equation_40_with_the_papers_estimates_and_a_quarter_of_lemma1(
    loss: float, grad_norm: float, smoothness: float
) -> None:
    distance = 2.0 * loss / grad_norm
    equation40 = (1.0 - loss / (2.0 * smoothness * distance**2)) * loss
    found = lemma10(loss, grad_norm, smoothness)
    assert found == pytest.approx(equation40, rel=1e-9, abs=1e-9)
    assert loss - found == pytest.approx((loss - lemma1(loss, grad_norm, smoothness)) / 4.0, abs=1e-9)


@pytest.mark.parametrize("smoothness", [0.0, -1.0, math.nan])
def test_lemmas_at_one_over_l_are_not_defined_without_a_positive_l(smoothness: float) -> None:
    assert math.isnan(lemma1(1.0, 0.5, smoothness))
    assert math.isnan(lemma10(1.0, 0.5, smoothness))


def test_no_decrease_is_promised_beyond_two_over_l_and_it_is_not_clipped() -> None:
    assert descent(1.0, 1.0, 0.1, 20.0) == pytest.approx(1.0)
    assert descent(1.0, 1.0, 0.1, 40.0) == pytest.approx(1.1)
    assert descent(1.0, 1.0, 0.1, -10.0) == pytest.approx(0.85)


def test_ratios_are_not_defined_at_or_below_f_star() -> None:
    assert ratio(1.0, 2.0) == pytest.approx(0.5)
    assert math.isnan(ratio(1.0, 0.0))
    assert math.isnan(ratio(1.0, -0.1))
    assert math.isnan(ratio(1.0, 0.2, 0.2))
    assert ratio(1.0, 2.0) == pytest.approx(0.5)
    assert math.isnan(decrease_ratio(1.0, 0.9, 1.0))


def test_nothing_that_did_not_move_has_a_smoothness() -> None:
    assert math.isnan(smoothness_step(1.0, 1.0, 0.1, 0.0))
    assert math.isnan(smoothness_secant(0.0, 0.0))


@given(_SEEDS, _RATES)
def test_the_secant_lies_between_the_step_smoothness_and_l(seed: int, rate: float) -> None:
    run = _Descent(seed, rate, steps=6)
    moved = np.linalg.norm(np.diff(run.points, axis=0), axis=1)
    turned = np.linalg.norm(np.diff(run.gradients, axis=0), axis=1)
    secant = smoothness_secant(turned, moved)
    steps = smoothness_step(run.loss[:-1], run.loss[1:], run.lr, run.grad_norm[:-1])
    assert np.all(steps <= secant * (1.0 + 1e-6))
    assert np.all(secant <= run.L * (1.0 + 1e-9))


@given(_SEEDS, st.floats(0.05, 1.0), st.floats(-2.0, 0.0))
def test_with_the_smoothness_of_the_step_itself_lemma13_would_only_repeat_the_loss(
    seed: int, rate: float, f_star: float
) -> None:
    run = _Descent(seed, rate)
    mu = run.grad_norm**2 / (2.0 * (run.loss - f_star))
    steps = smoothness_step(run.loss[:-1], run.loss[1:], run.lr, run.grad_norm[:-1])
    factors = 1.0 - 2.0 * run.lr * mu[:-1] * (1.0 - run.lr * steps / 2.0)
    product = f_star + (run.loss[0] - f_star) * np.cumprod(factors)
    np.testing.assert_allclose(product, run.loss[1:], rtol=1e-8, atol=1e-12)


@given(_SEEDS, _RATES)
def test_lemma13_multiplies_what_the_descent_lemma_predicts_each_step(seed: int, rate: float) -> None:
    run = _Descent(seed, rate)
    lr = np.full(13, run.lr)
    line = _line(run.loss, run.grad_norm, lr)
    steps = smoothness_step(run.loss[:-1], run.loss[1:], run.lr, run.grad_norm[:-1])
    assume(np.all(steps[:-1] >= run.local_mu[1:-1]))
    predicted = descent(run.loss[1:-1], run.grad_norm[1:-1], run.lr, steps[:-1])
    assert line[0] == run.loss[0]
    assert line[1] == run.loss[0]  # nothing is known before the first step, so nothing is promised
    np.testing.assert_allclose(line[2:], run.loss[0] * np.cumprod(predicted / run.loss[1:-1]), rtol=1e-8)


def test_lemma13_takes_of_each_step_its_own_learning_rate() -> None:
    loss, grad_norm, lr = [1.0, 0.9, 0.85, 0.7], [0.8, 0.7, 0.9, 0.6], [0.1, 0.3, 0.2, 0.4]
    gap, expected = 0.75, [1.0, 1.0]
    for k in (1, 2):
        f, g, eta = loss[k - 1], grad_norm[k - 1], lr[k - 1]
        # f_k = f − η‖g‖² + (L/2)η²‖g‖², solved for L.
        L = 2.0 * (loss[k] - f + eta * g * g) / (eta * g) ** 2
        mu = grad_norm[k] ** 2 / (2.0 * (loss[k] - 0.25))
        gap *= 1.0 - 2.0 * lr[k] * mu * (1.0 - lr[k] * max(L, mu) / 2.0)
        expected.append(0.25 + gap)
    np.testing.assert_allclose(_line(loss, grad_norm, lr, f_star=0.25), expected, rtol=1e-13)


@given(_SEEDS, st.floats(0.05, 1.95), st.integers(0, 12))
def test_lemma13_from_any_start_is_a_ratio_of_the_line_from_step_zero(seed: int, rate: float, start: int) -> None:
    run = _Descent(seed, rate)
    lr = np.full(13, run.lr)
    whole, part = (_line(run.loss, run.grad_norm, lr, start=s) for s in (0, start))
    assert np.isnan(part[:start]).all()
    np.testing.assert_allclose(part[start:] / run.loss[start], whole[start:] / whole[start], rtol=1e-9)


@given(_SEEDS, st.floats(0.05, 1.95))
def test_lemma13_in_both_forms_is_a_bound_when_l_is_global(seed: int, rate: float) -> None:
    run = _Descent(seed, rate)
    factors = lemma13_factor(run.local_mu, run.lr, run.L)
    assert np.all(run.loss[1:] <= run.loss[0] * np.cumprod(factors[:-1]) * (1.0 + 1e-9))
    unit = _Descent(seed, 1.0)
    paper, real = lemma13_paper_factor(unit.local_mu, unit.L), lemma13_factor(unit.local_mu, unit.lr, unit.L)
    assert np.all(unit.loss[1:] <= unit.loss[0] * np.cumprod(paper[:-1]) * (1.0 + 1e-9))
    np.testing.assert_allclose(paper[:-1], real[:-1], rtol=1e-9, atol=1e-12)


@given(mu=st.floats(0.0, 1e3), lr=st.floats(1e-6, 1e3), smoothness=st.floats(-1e4, 1e4))
def test_no_factor_of_lemma13_goes_below_f_star(mu: float, lr: float, smoothness: float) -> None:
    factor = lemma13_factor(mu, lr, smoothness)
    assert factor >= (1.0 - lr * mu) ** 2 - 1e-9 * (1.0 + (lr * mu) ** 2)


def test_without_a_known_smoothness_the_factor_is_one() -> None:
    assert lemma13_factor(0.5, 0.1, math.nan) == 1
    assert math.isnan(lemma13_factor(math.nan, 0.1, math.nan))


def test_a_missing_row_ends_the_line_of_lemma13() -> None:
    loss = np.array([1.0, 0.9, math.nan, 0.7, 0.6])
    line = _line(loss, np.ones(5), np.full(5, 0.1))
    assert np.all(np.isfinite(line[:3]))
    assert np.isnan(line[3:]).all()


def test_the_papers_form_takes_any_positive_l() -> None:
    assert lemma13_paper_factor(np.array([0.1, 0.25]), 0.5) == pytest.approx([0.8, 0.5])


@pytest.mark.parametrize("smoothness", [2.0, 0.0, -1.0, math.nan])
def test_the_papers_form_says_nothing_where_l_contradicts_its_hypothesis(smoothness: float) -> None:
    assert math.isnan(lemma13_paper_factor(3.0, smoothness))


@given(_SEEDS, st.floats(0.01, 1.99))
def test_no_iterate_leaves_the_radius(seed: int, rate: float) -> None:
    run = _Descent(seed, rate, steps=40)
    radius = radius_bound(float(run.loss[0]), run.mu, run.L, run.lr)
    travelled = np.linalg.norm(run.points - run.points[0], axis=1)
    assert np.all(travelled <= radius * (1.0 + 1e-9))


def test_at_one_over_l_the_radius_is_equation_4_without_its_factor() -> None:
    gap, mu, L = 2.0, 0.3, 5.0
    expected = math.sqrt(2.0 * gap / L) / (1.0 - math.sqrt(1.0 - mu / L))
    assert radius_bound(gap, mu, L, 1.0 / L) == pytest.approx(expected)


def test_the_radius_is_not_defined_at_or_beyond_two_over_l_nor_without_mu() -> None:
    assert math.isnan(radius_bound(1.0, 0.1, 20.0, 0.1))
    assert math.isnan(radius_bound(1.0, 0.1, 30.0, 0.1))
    assert math.isnan(radius_bound(1.0, 0.0, 1.0, 0.1))
    # Nearly flat: 1 − √γ keeps its digits.
    assert radius_bound(1.0, 1e-17, 1.0, 1.0) == pytest.approx(math.sqrt(2.0) * 2.0e17, rel=1e-9)


def test_numbers_give_numbers_and_arrays_give_arrays() -> None:
    assert isinstance(descent(1.0, 1.0, 0.1, 1.0), float)
    assert isinstance(descent(np.ones(3), np.ones(3), 0.1, 1.0), np.ndarray)


def test_what_overflows_is_not_defined_rather_than_infinite() -> None:
    assert math.isnan(descent(1.0, 1e200, 0.1, 1.0))
    assert math.isnan(smoothness_step(1.0, math.inf, 0.1, 1.0))


def test_lemma13_takes_the_smoothness_of_each_row_from_the_learning_rate_that_led_there() -> None:
    loss, norm, lr = np.array([1.0, 0.8, 0.7, 0.65]), np.array([1.0, 0.9, 0.7, 0.6]), np.array([0.1, 0.2, 0.15, 0.3])
    gap, expected = loss[0], [loss[0]]
    for i in range(3):
        mu = norm[i] ** 2 / (2.0 * loss[i])
        factor = 1.0
        if i > 0:
            eta = lr[i - 1]
            step = 2.0 * (loss[i] - loss[i - 1] + eta * norm[i - 1] ** 2) / (eta * norm[i - 1]) ** 2
            factor = 1.0 - 2.0 * lr[i] * mu * (1.0 - lr[i] * max(step, mu) / 2.0)
        gap *= factor
        expected.append(gap)
    np.testing.assert_allclose(_line(loss, norm, lr), expected, rtol=1e-12)
