"""The normalised activations φ̄ = (φ − Eφ(z))/sd φ(z), z ~ N(0,1): zero mean, unit variance (Section 5).

ReLU in closed form: Eφ = 1/√(2π), Var φ = (π−1)/(2π), so φ̄(t) = √(2π/(π−1))·max(t,0) − 1/√(π−1).
Tanh is odd: φ̄(t) = tanh t/√E tanh²(z). That expectation has no closed form; its digits are written out
here, so that every machine computes with the same number, and a test recomputes them by quadrature.

p₁ = max|φ̄'| and p₂ = max|φ̄''| enter the bounds of Lemma 9; tanh'' = −2 tanh(1 − tanh²) is largest at
tanh² = 1/3, where it is 4/(3√3). ReLU has no second derivative at 0: p₂ is not defined.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

TANH_SECOND_MOMENT = 0.3942944903978412
"""E tanh²(z), z ~ N(0,1)."""


@dataclass(frozen=True, slots=True)
class NormalizedActivation:
    """φ̄(t) = scale·φ(t) + offset.

    Attributes:
        name: ``relu`` or ``tanh``, φ itself.
        scale: 1/sd φ(z).
        offset: −Eφ(z)/sd φ(z).
        p1: max|φ̄'|, the Lipschitz constant; equal to ``scale`` for both.
        p2: max|φ̄''|, the smoothness constant, or None where it is not defined.
    """

    name: str
    scale: float
    offset: float
    p1: float
    p2: float | None

    @property
    def piecewise_linear(self) -> bool:
        """Whether φ̄'' vanishes but for kinks, where it is not defined."""
        return self.p2 is None

    def __call__(self, t: ArrayLike) -> Array:
        """φ̄ entrywise.

        Args:
            t: Pre-activations, any shape.

        Returns:
            Same shape, float64.
        """
        t = np.asarray(t, dtype=np.float64)
        raw = np.maximum(t, 0.0) if self.name == "relu" else np.tanh(t)
        return np.asarray(self.scale * raw + self.offset)

    def derivative(self, t: ArrayLike) -> Array:
        """φ̄' entrywise; 0 at ReLU's kink, as torch has it.

        Args:
            t: Pre-activations, any shape.

        Returns:
            Same shape, float64.
        """
        t = np.asarray(t, dtype=np.float64)
        raw = (t > 0.0).astype(np.float64) if self.name == "relu" else 1.0 - np.tanh(t) ** 2
        return self.scale * raw


def _relu() -> NormalizedActivation:
    scale = math.sqrt(2.0 * math.pi / (math.pi - 1.0))
    return NormalizedActivation("relu", scale, -1.0 / math.sqrt(math.pi - 1.0), scale, None)


def _tanh() -> NormalizedActivation:
    scale = 1.0 / math.sqrt(TANH_SECOND_MOMENT)
    return NormalizedActivation("tanh", scale, 0.0, scale, scale * 4.0 / (3.0 * math.sqrt(3.0)))


RELU = _relu()
TANH = _tanh()


def normalized_activation(name: str) -> NormalizedActivation:
    """The normalised activation of that name.

    Args:
        name: ``relu`` or ``tanh``.

    Returns:
        Its constants.

    Raises:
        ValueError: There is no such activation.
    """
    for activation in (RELU, TANH):
        if activation.name == name:
            return activation
    raise ValueError(f"no activation {name!r}")
