"""The infinitely wide network against neural-tangents, in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.theory.activation import ACTIVATIONS, TANH
from engine.theory.dual import cosines_of, dual, dual_derivative, nngp, ntk

jax = pytest.importorskip("jax", reason="jax is not installed: pip install wnt-tui[oracles]")
pytest.importorskip("neural_tangents", reason="neural-tangents is not installed: pip install wnt-tui[oracles]")

RHO = np.array([-0.9, -0.5, 0.0, 0.25, 0.5, 0.9])


@pytest.fixture(autouse=True)
def _double_precision():
    jax.config.update("jax_enable_x64", True)


def pairs(rho: float) -> np.ndarray:
    """Two inputs of norm √2 with that cosine: their covariance in neural-tangents is [[1, ρ], [ρ, 1]]."""
    return math.sqrt(2) * np.array([[1.0, 0.0], [rho, math.sqrt(1 - rho * rho)]])


@pytest.mark.parametrize(("name", "layer", "first_moment"), [
    ("relu", "Relu", 1 / math.sqrt(2 * math.pi)), ("gelu", "Gelu", 1 / (2 * math.sqrt(math.pi))),
])  # fmt: skip
@pytest.mark.parametrize("rho", RHO)
def test_duals_with_a_closed_form_there_are_those_of_its_kernels(rho, name, layer, first_moment):
    from neural_tangents import stax

    *_, kernel = stax.serial(stax.Dense(1), getattr(stax, layer)(), stax.Dense(1))
    found, phi = kernel(pairs(rho), None, ("nngp", "ntk")), ACTIVATIONS[name]
    raw = float(found.nngp[0, 1])  # E φ(X) φ(Y)
    shifted = phi.scale**2 * raw + 2 * phi.scale * phi.offset * first_moment + phi.offset**2
    assert dual(name, rho).item() == pytest.approx(shifted, abs=1e-12)
    if rho:
        slope = (float(found.ntk[0, 1]) - raw) / rho  # Θ = Σ¹ + ρ E[φ'φ']
        assert dual_derivative(name, rho).item() == pytest.approx(phi.scale**2 * slope, abs=1e-10)


@pytest.mark.filterwarnings("ignore::UserWarning:neural_tangents")  # quadrature and autodiff are what is wanted
@pytest.mark.parametrize("depth", [2, 3, 6])
def test_kernels_of_deep_tanh_networks_are_those_of_neural_tangents(depth):
    from neural_tangents import stax

    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 9))
    x *= 3 / np.linalg.norm(x, axis=1, keepdims=True)  # √d: unit variance before the first activation
    # Gauss–Hermite quadrature of tanh converges slowly: its poles are near.
    layers = [stax.Dense(1)]
    for _ in range(depth - 1):
        layers += [stax.ElementwiseNumerical(lambda t: TANH.scale * jax.numpy.tanh(t), deg=120), stax.Dense(1)]
    *_, kernel = stax.serial(*layers)
    found = kernel(x, None, ("nngp", "ntk"))
    *_, sigma = nngp(cosines_of(x), "tanh", depth)
    *_, theta = ntk(cosines_of(x), "tanh", [1.0] * depth)
    np.testing.assert_allclose(sigma, found.nngp, atol=1e-7)
    np.testing.assert_allclose(theta, found.ntk, atol=1e-6)
