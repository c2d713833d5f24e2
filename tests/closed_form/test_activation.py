from __future__ import annotations

import math

import numpy as np
import pytest

from engine.theory.activation import RELU, TANH, NormalizedActivation, normalized_activation
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


@pytest.mark.parametrize(("activation", "tolerance"), [(RELU, 1e-4), (TANH, rounding(4))])
def test_mean_is_zero_and_variance_one(activation: NormalizedActivation, tolerance: float) -> None:
    # The trapezoid rule sees ReLU's kink, hence its tolerance.
    assert _mean(activation(_Z)) == pytest.approx(0.0, abs=tolerance)
    assert _mean(activation(_Z) ** 2) == pytest.approx(1.0, abs=tolerance)


def test_p1_and_p2_are_the_maxima_of_the_derivatives() -> None:
    t = np.linspace(-3.0, 3.0, 600_001)
    for activation in (RELU, TANH):
        slopes = activation.derivative(t)
        assert slopes.max() == pytest.approx(activation.p1, rel=1e-12)
        away = np.abs(t) > 1e-3
        h = 1e-6
        numeric = (activation(t + h) - activation(t - h)) / (2 * h)
        np.testing.assert_allclose(slopes[away], numeric[away], atol=1e-8)
    assert TANH.p2 is not None
    curvature = np.diff(TANH.derivative(t)) / np.diff(t)
    assert np.abs(curvature).max() == pytest.approx(TANH.p2, rel=1e-7)


def test_relu_kink_has_slope_zero_as_in_torch() -> None:
    assert RELU.derivative(0.0).item() == 0


def test_activations_are_found_by_name() -> None:
    assert normalized_activation("tanh") is TANH
    with pytest.raises(ValueError, match="gelu"):
        normalized_activation("gelu")
