"""The activations on tensors: φ̄, φ̄' and φ̄'', one entry each. Constants come from :mod:`engine.theory.activation`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.theory.activation import NormalizedActivation


@dataclass(frozen=True, slots=True)
class TensorActivation:
    """φ as training computes it.

    Attributes:
        evaluate: h ↦ φ̄(h), φ̄'(h), given φ̄'s constants.
        curvature: φ̄''(h) from the constants, φ̄(h), φ̄'(h) and a function that computes h again, which a pass does not
            keep; None where it vanishes almost everywhere.
    """

    evaluate: Callable[[NormalizedActivation, Tensor], tuple[Tensor, Tensor]]
    curvature: Callable[[NormalizedActivation, Tensor, Tensor, Callable[[], Tensor]], Tensor] | None


def _relu(constants: NormalizedActivation, h: Tensor) -> tuple[Tensor, Tensor]:
    # The derivative at 0 is taken as 0, as torch does.
    return torch.relu(h) * constants.scale + constants.offset, (h > 0).to(h.dtype) * constants.scale


def _tanh(constants: NormalizedActivation, h: Tensor) -> tuple[Tensor, Tensor]:
    # Odd, so that there is no offset.
    t = torch.tanh(h)
    return t * constants.scale, (1.0 - t * t) * constants.scale


def _tanh_curvature(constants: NormalizedActivation, u: Tensor, slope: Tensor, _h: Callable[[], Tensor]) -> Tensor:
    return -2.0 * (u / constants.scale) * slope


def _gelu(constants: NormalizedActivation, h: Tensor) -> tuple[Tensor, Tensor]:
    cdf = torch.erf(h * math.sqrt(0.5)).add_(1.0).mul_(0.5)
    return (h * cdf) * constants.scale + constants.offset, (h * _density(h) + cdf) * constants.scale


def _gelu_curvature(constants: NormalizedActivation, _u: Tensor, _slope: Tensor, h: Callable[[], Tensor]) -> Tensor:
    t = h()
    return constants.scale * (2.0 - t * t) * _density(t)


def _density(h: Tensor) -> Tensor:
    """The normal density ϕ(h)."""
    return torch.exp(-0.5 * h * h) / math.sqrt(2.0 * math.pi)


TENSOR_ACTIVATIONS: dict[str, TensorActivation] = {
    "relu": TensorActivation(_relu, None),
    "tanh": TensorActivation(_tanh, _tanh_curvature),
    "gelu": TensorActivation(_gelu, _gelu_curvature),
}
