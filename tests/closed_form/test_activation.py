from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from engine.model.activation import TENSOR_ACTIVATIONS
from engine.theory.activation import ACTIVATIONS, GELU_MEAN, GELU_VARIANCE, RELU, TANH
from tests.closed_form.functions import KINKED, NAMES, derivative, normalisation, supremum
from tests.rounding import rounding

_STEP = 0.01
_Z = _STEP * np.arange(-1500, 1501)
_WEIGHT = np.exp(-_Z * _Z / 2.0) * _STEP / math.sqrt(2.0 * math.pi)


def _mean(values: np.ndarray) -> float:
    return math.fsum((values * _WEIGHT).tolist())


def test_relu_has_the_closed_form_constants() -> None:
    assert RELU.scale == pytest.approx(1.7128586, abs=1e-7)
    assert RELU.offset == pytest.approx(-0.6833317, abs=1e-7)
    assert RELU.p1 == RELU.scale
    assert RELU.p2 is None


def test_tanh_constants_agree_with_quadrature_to_double_precision() -> None:
    # Every term of the sum is rounded a few times, the sum itself is exact.
    assert TANH.scale == pytest.approx(1.0 / math.sqrt(_mean(np.tanh(_Z) ** 2)), rel=rounding(4), abs=0)
    assert TANH.scale == pytest.approx(1.5925374, abs=1e-7)
    assert TANH.offset == 0.0
    assert TANH.p2 == pytest.approx(1.2259359, abs=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_mean_is_zero_and_variance_one(name: str) -> None:
    phi = ACTIVATIONS[name]
    # The trapezoid rule sees a kink, hence its tolerance.
    tolerance = 1e-4 if name in KINKED else rounding(4)
    assert _mean(phi(_Z)) == pytest.approx(0.0, abs=tolerance)
    assert _mean(phi(_Z) ** 2) == pytest.approx(1.0, abs=tolerance)


def test_the_moments_of_gelu_are_those_of_quadrature_to_double_precision() -> None:
    gelu = derivative("gelu", 0)(_Z)
    assert pytest.approx(_mean(gelu), rel=rounding(4), abs=0) == GELU_MEAN
    assert pytest.approx(_mean((gelu - GELU_MEAN) ** 2), rel=rounding(4), abs=0) == GELU_VARIANCE


@pytest.mark.parametrize("name", NAMES)
def test_functions_are_those_of_torch(name: str) -> None:
    t = np.linspace(-6.0, 6.0, 1202)
    scale, offset = normalisation(name)
    np.testing.assert_allclose(ACTIVATIONS[name](t), scale * derivative(name, 0)(t) + offset, rtol=0, atol=rounding(4))


@pytest.mark.parametrize("name", NAMES)
def test_p1_and_p2_are_the_suprema_of_the_derivatives(name: str) -> None:
    phi = ACTIVATIONS[name]
    assert phi.p1 == pytest.approx(supremum(name, 1), rel=rounding(4))
    if name in KINKED:
        assert phi.p2 is None
    else:
        assert phi.p2 == pytest.approx(supremum(name, 2), rel=rounding(4))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_slopes_and_curvature_on_tensors_are_those_of_autograd(name: str, dtype: torch.dtype) -> None:
    phi, on_tensors = ACTIVATIONS[name], TENSOR_ACTIVATIONS[name]
    h = torch.linspace(-6.0, 6.0, 1202, dtype=dtype)
    exact = [phi.scale * derivative(name, order)(h.numpy()) + phi.offset * (order == 0) for order in range(3)]
    slack = rounding(16) * torch.finfo(dtype).eps / torch.finfo(torch.float64).eps
    for found, expected in zip(on_tensors.evaluate(phi, h), exact, strict=False):
        np.testing.assert_allclose(found, expected, rtol=0, atol=slack)
    assert (on_tensors.curvature is None) == phi.piecewise_linear
    if on_tensors.curvature is not None:
        np.testing.assert_allclose(
            on_tensors.curvature(phi, *on_tensors.evaluate(phi, h), lambda: h), exact[2], rtol=0, atol=slack
        )


def test_the_tables_of_theory_and_of_tensors_have_the_same_names() -> None:
    assert set(ACTIVATIONS) == set(TENSOR_ACTIVATIONS) == set(NAMES)


@pytest.mark.parametrize("name", sorted(KINKED))
def test_a_kink_has_slope_zero_as_in_torch(name: str) -> None:
    _, slope = TENSOR_ACTIVATIONS[name].evaluate(ACTIVATIONS[name], torch.zeros(1))
    assert slope.item() == 0
