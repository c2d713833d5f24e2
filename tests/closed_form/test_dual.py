from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.theory.activation import ACTIVATIONS, GELU_MEAN, GELU_VARIANCE
from engine.theory.dual import (
    cosines_of,
    dual,
    dual_derivative,
    dual_gap,
    hermite_squares,
    maximal_distortion,
    nngp,
    ntk,
)
from tests.closed_form.functions import KINKED, NAMES, derivative, normalisation
from tests.closed_form.functions import dual as by_quadrature
from tests.closed_form.functions import dual_slope as slope_by_quadrature
from tests.rounding import rounding

SMOOTH = [name for name in NAMES if name not in KINKED]
_RHO = [*np.linspace(-1.0, 1.0, 41), 0.99, 0.999, 0.999999, -0.9999]


def _relu_by_quadrature(rho: float) -> float:
    """E[φ̄(X)φ̄(Y)] from E[max(Y,0) | X = x] = sϕ(m/s) + mΦ(m/s), m = ρx, s = √(1−ρ²); Simpson over x ≥ 0."""
    x = np.linspace(0.0, 12.0, 4001)
    s = math.sqrt(1.0 - rho * rho)
    ratio = rho * x / s
    normal = np.exp(-ratio * ratio / 2.0) / math.sqrt(2.0 * math.pi)
    below = np.array([0.5 * (1.0 + math.erf(value / math.sqrt(2.0))) for value in ratio])
    values = x * (s * normal + rho * x * below) * np.exp(-x * x / 2.0) / math.sqrt(2.0 * math.pi)
    weights = np.full(4001, 2.0)
    weights[1::2], weights[[0, -1]] = 4.0, 1.0
    product = float(weights @ values) * (x[1] - x[0]) / 3.0
    return (product - 1.0 / (2.0 * math.pi)) * 2.0 * math.pi / (math.pi - 1.0)


@pytest.mark.parametrize(
    ("activation", "rho", "expected"),
    [
        ("relu", 0.0, 0.0),
        ("relu", 0.5, 0.42642234),
        ("relu", 0.9, 0.86729806),
        ("relu", -0.5, -0.30704876),
        ("tanh", 0.25, 0.23350047),
        ("tanh", 0.5, 0.4725514),
        ("tanh", 0.9, 0.88564096),
        ("tanh", -0.9, -0.88564096),
    ],
)
def test_dual_has_the_known_values(activation: str, rho: float, expected: float) -> None:
    assert dual(activation, rho).item() == pytest.approx(expected, abs=6e-9)


@pytest.mark.parametrize(
    ("activation", "rho", "expected"),
    [
        ("relu", 0.0, 0.73347110),
        ("relu", 1.0, 1.46694221),
        ("tanh", 0.0, 0.93046992),
        ("tanh", 0.5, 0.97578596),
        ("tanh", 1.0, 1.17780723),
    ],
)
def test_dual_derivative_has_the_known_values(activation: str, rho: float, expected: float) -> None:
    assert dual_derivative(activation, rho).item() == pytest.approx(expected, abs=6e-9)


@pytest.mark.parametrize("activation", SMOOTH)
def test_the_series_agrees_with_two_dimensional_quadrature_everywhere(activation: str) -> None:
    for rho in _RHO:
        assert dual(activation, rho).item() == pytest.approx(by_quadrature(activation, rho), abs=1e-13)
        assert dual_derivative(activation, rho).item() == pytest.approx(slope_by_quadrature(activation, rho), abs=1e-12)


def _gelu_in_closed_form(rho: float) -> float:
    """E[XΦ(X)YΦ(Y)] by Price's theorem: with f its value, f'' = E[φ''(X)φ''(Y)], a Gaussian integral, from f(0), f'(0).

    φ'' = (2 − t²)ϕ(t), and ϕ(x)ϕ(y) times the density of (X, Y) is a normal density of covariance C = (1 + Σ⁻¹)⁻¹
    times √|C|/(2π√|Σ|): its moments of order four are Isserlis'. Simpson's rule for the two integrations over ρ.
    """

    def second(r: float) -> float:
        sigma = np.array([[1.0, r], [r, 1.0]])
        C = sigma @ np.linalg.inv(np.eye(2) + sigma)  # (1 + Σ⁻¹)⁻¹, also where Σ is singular
        moments = 4.0 - 4.0 * C[0, 0] + C[0, 0] * C[1, 1] + 2.0 * C[0, 1] ** 2
        return moments / (2.0 * math.pi * math.sqrt(float(np.linalg.det(np.eye(2) + sigma))))

    t = np.linspace(0.0, 1.0, 2001)
    weights = np.full(2001, 2.0)
    weights[1::2], weights[[0, -1]] = 4.0, 1.0
    integral = rho * rho * float(weights @ [(1.0 - s) * second(rho * s) for s in t]) / 6000.0
    raw = GELU_MEAN**2 + rho / 4.0 + integral
    return (raw - GELU_MEAN**2) / GELU_VARIANCE


def test_the_gelu_series_agrees_with_prices_theorem() -> None:
    for rho in (-1.0, -0.7, -0.2, 0.0, 0.1, 0.6, 0.95, 1.0):
        assert dual("gelu", rho).item() == pytest.approx(_gelu_in_closed_form(rho), abs=1e-13)


def test_relu_closed_form_agrees_with_one_dimensional_quadrature() -> None:
    for rho in (-0.99, -0.7, -0.2, 0.0, 0.1, 0.6, 0.95):
        assert dual("relu", rho).item() == pytest.approx(_relu_by_quadrature(rho), abs=1e-11)


@pytest.mark.parametrize("activation", NAMES)
def test_dual_derivative_is_the_derivative_of_the_dual(activation: str) -> None:
    rho, h = np.linspace(-0.95, 0.95, 39), 1e-5
    numeric = (dual(activation, rho + h) - dual(activation, rho - h)) / (2.0 * h)
    np.testing.assert_allclose(dual_derivative(activation, rho), numeric, atol=1e-9)


@pytest.mark.parametrize("activation", NAMES)
def test_dual_fixes_zero_and_one_and_clips_what_rounding_left_outside(activation: str) -> None:
    assert dual(activation, 0.0).item() == pytest.approx(0.0, abs=rounding(1))
    assert dual(activation, [1.0, 1.0 + 1e-12]) == pytest.approx([1.0, 1.0], abs=rounding(1))
    assert np.all(np.isfinite(dual_derivative(activation, [-1.0 - 1e-12, 1.0 + 1e-12])))


@pytest.mark.parametrize("activation", NAMES)
def test_plus_and_minus_one_and_the_whole_gap_are_exact(activation: str) -> None:
    assert dual(activation, 1.0).item() == 1
    if ACTIVATIONS[activation].odd:
        assert dual(activation, -1.0).item() == -1
    assert dual_gap(activation, 1.0) == pytest.approx(1.0, rel=rounding(4))
    assert dual_gap(activation, 0.0) == 0


@pytest.mark.parametrize("activation", SMOOTH)
def test_hermite_coefficients_are_non_negative_add_up_to_one_and_are_cut_where_they_are_negligible(
    activation: str,
) -> None:
    powers, squares = hermite_squares(activation)
    assert np.all(squares >= 0.0)
    # Not made to: the quadrature is that exact.
    assert squares.sum() == pytest.approx(1.0, abs=rounding(squares.size))
    assert squares[-1] < 1e-18
    # E φ̄'(z)² = Σ k a_k² by an independent sum.
    z = np.arange(-1500, 1501) * 0.01
    slopes = normalisation(activation)[0] * derivative(activation, 1)(z)
    moment = float(np.sum(slopes**2 * np.exp(-z * z / 2.0))) * 0.01 / math.sqrt(2.0 * math.pi)
    assert float(np.sum(squares * powers)) == pytest.approx(moment, rel=rounding(squares.size))


@pytest.mark.parametrize("activation", NAMES)
@given(delta=st.floats(0.0, 1.0))
def test_gap_is_one_minus_the_dual(activation: str, delta: float) -> None:
    expected = 1.0 - dual(activation, 1.0 - delta).item()
    assert dual_gap(activation, delta) == pytest.approx(expected, abs=rounding(200))


@pytest.mark.parametrize("activation", NAMES)
def test_gap_keeps_its_digits_for_tiny_delta(activation: str) -> None:
    slope = dual_derivative(activation, 1.0).item()
    # The next term is of order √δ relative to the first for ReLU.
    assert dual_gap(activation, 1e-20) == pytest.approx(slope * 1e-20, rel=1e-9)
    assert dual_gap(activation, 1e-300) > 0.0


@pytest.mark.parametrize("activation", NAMES)
@given(delta=st.floats(0.0, 1.0), where=st.floats(-1.0, 1.0))
def test_maximal_distortion_bounds_the_dual_in_modulus(activation: str, delta: float, where: float) -> None:
    rho = where * (1.0 - delta)
    assert abs(dual(activation, rho).item()) <= maximal_distortion(activation, delta) + rounding(4)


@pytest.mark.parametrize(
    ("activation", "m", "sigma", "theta", "diagonal"),
    [
        ("relu", 3, 0.2909428, 1.3891189, 7.7756031),
        ("relu", 10, 0.0468156, 0.6720484, 142.829),
        ("tanh", 3, 0.41997669, 1.7510301, 5.1989265),
        ("tanh", 10, 0.26753625, 3.1899454, 28.406325),
    ],
)
def test_iterated_kernels_have_the_known_values(
    activation: str, m: int, sigma: float, theta: float, diagonal: float
) -> None:
    start = np.array([[1.0, 0.5], [0.5, 1.0]])
    *_, last_sigma = nngp(start, activation, m + 1)
    *_, last_theta = ntk(start, activation, [1.0] * (m + 1))
    assert last_sigma[0, 1] == pytest.approx(sigma, rel=1e-6)
    assert last_theta[0, 1] == pytest.approx(theta, rel=1e-6)
    assert last_theta[0, 0] == pytest.approx(diagonal, rel=1e-6)
    np.testing.assert_array_equal(last_sigma.diagonal(), 1.0)


@pytest.mark.parametrize("activation", NAMES)
def test_a_wide_network_at_initialisation_is_near_its_limits(activation: str) -> None:
    rng = np.random.default_rng(0)
    n, d, width, depth = 4, 30, 3000, 3
    x = rng.normal(size=(n, d))
    x *= math.sqrt(d) / np.linalg.norm(x, axis=1, keepdims=True)
    phi = ACTIVATIONS[activation]
    features, slopes, weights = [x], [], []
    for fan_in, fan_out in ((d, width), (width, width), (width, 1)):
        weights.append(rng.normal(size=(fan_out, fan_in)) / math.sqrt(fan_in))
        h = features[-1] @ weights[-1].T
        features.append(phi(h))
        slopes.append(phi.scale * derivative(activation, 1)(h))
    sigmas = list(nngp(cosines_of(x), activation, depth))
    for m in range(depth):
        gram = features[m] @ features[m].T / features[m].shape[1]
        np.testing.assert_allclose(gram, sigmas[m], atol=8.0 / math.sqrt(width) if m else 1e-12)
    # K_ij = Σ_l ⟨a_{l−1,i}, a_{l−1,j}⟩⟨b_{l,i}, b_{l,j}⟩ for the one output.
    back, kernel = np.ones((n, 1)), np.zeros((n, n))
    for layer in (2, 1, 0):
        kernel += (features[layer] @ features[layer].T) * (back @ back.T)
        if layer:
            back = (back @ weights[layer]) * slopes[layer - 1]
    *_, limit = ntk(cosines_of(x), activation, [d, width, width])
    np.testing.assert_allclose(kernel, limit, atol=0.15 * limit[0, 0])


@pytest.mark.parametrize("seed", range(20))
def test_the_cosine_of_parallel_rows_is_exactly_one_whatever_rounding_makes_of_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    row, factors = rng.normal(size=(1, 300)), rng.uniform(0.1, 10.0, size=(8, 1))
    factors[4:] *= -1
    expected = np.sign(factors) @ np.sign(factors).T
    np.testing.assert_array_equal(cosines_of(factors * row), expected)


def test_rows_that_nearly_coincide_are_not_taken_for_duplicates() -> None:
    angle = 1e-6
    cosines = cosines_of([[1.0, 0.0], [math.cos(angle), math.sin(angle)], [-math.cos(angle), math.sin(angle)]])
    assert 1.0 - cosines[0, 1] == pytest.approx(angle**2 / 2, rel=1e-3)
    assert 1.0 + cosines[0, 2] == pytest.approx(angle**2 / 2, rel=1e-3)


def test_cosines_are_symmetric_with_unit_diagonal_and_know_duplicates() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(6, 500))
    rows[1], rows[2] = 3.0 * rows[0], -0.1 * rows[0]
    cosines = cosines_of(rows)
    np.testing.assert_array_equal(cosines, cosines.T)
    np.testing.assert_array_equal(cosines.diagonal(), 1.0)
    assert cosines[0, 1] == 1
    assert cosines[0, 2] == -1
    assert np.abs(cosines[3:, :3]).max() < 0.3
    rows[5] = 0.0
    assert np.isnan(cosines_of(rows)[5]).all()
