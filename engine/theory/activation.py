"""The normalised activations φ̄ = (φ − Eφ(z))/sd φ(z), z ~ N(0,1): zero mean, unit variance (Section 5).

ReLU in closed form: Eφ = 1/√(2π), Var φ = (π−1)/(2π), so φ̄(t) = √(2π/(π−1))·max(t,0) − 1/√(π−1).
Tanh is odd: φ̄(t) = tanh t/√E tanh²(z). That expectation has no closed form; its digits are written out
here, so that every machine computes with the same number, and a test recomputes them by quadrature.
GELU is φ(t) = tΦ(t), ϕ = Φ' the normal density. Stein's E[z g(z)] = E[g'(z)] gives Eφ = E ϕ(z) = 1/(2√π) and
Eφ² = E[Φ² + 2zΦϕ] = 1/3 + 2·1/(4π√3), since Φ(z) is uniform and ∫zΦϕ² = (1/4π)∫ϕ(z)e^{−z²}.

p₁ = sup|φ̄'| and p₂ = sup|φ̄''| enter the bounds of Lemma 9. Tanh'' = −2 tanh(1 − tanh²) is largest at tanh² = 1/3,
where it is 4/(3√3). GELU' = Φ + tϕ and GELU'' = (2 − t²)ϕ: the slope is largest at √2, where it is
(1 + erf 1)/2 + 1/(e√π), the curvature at 0, where it is √(2/π). ReLU has no second derivative at 0: p₂ is not defined.

Functions of one number, and no import of numpy: the command line reads the names.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

TANH_SECOND_MOMENT = 0.3942944903978412
"""E tanh²(z), z ~ N(0,1)."""

GELU_MEAN = 0.5 / math.sqrt(math.pi)
GELU_VARIANCE = 1.0 / 3.0 + 0.5 / (math.pi * math.sqrt(3.0)) - 0.25 / math.pi


@dataclass(frozen=True, slots=True)
class NormalizedActivation:
    """φ̄(t) = scale·φ(t) + offset.

    Attributes:
        name: φ's name, as in ``--activation``.
        title: Its name in text.
        function: φ.
        scale: 1/sd φ(z).
        offset: −Eφ(z)/sd φ(z).
        p1: sup|φ̄'|, the Lipschitz constant.
        p2: sup|φ̄''|, the smoothness constant, or None where it is not defined.
        odd: Whether φ(−t) = −φ(t).
    """

    name: str
    title: str
    function: Callable[[float], float]
    scale: float
    offset: float
    p1: float
    p2: float | None
    odd: bool = False

    @property
    def piecewise_linear(self) -> bool:
        """Whether φ̄'' vanishes but for kinks, where it is not defined."""
        return self.p2 is None

    def __call__(self, t: ArrayLike) -> Array:
        """φ̄ entrywise, float64."""
        import numpy as np

        return np.asarray(self.scale * np.vectorize(self.function, otypes=[np.float64])(t) + self.offset)


_RELU_SCALE = math.sqrt(2.0 * math.pi / (math.pi - 1.0))
RELU = NormalizedActivation(
    name="relu",
    title="ReLU",
    function=lambda t: max(t, 0.0),
    scale=_RELU_SCALE,
    offset=-1.0 / math.sqrt(math.pi - 1.0),
    p1=_RELU_SCALE,
    p2=None,
)

_TANH_SCALE = 1.0 / math.sqrt(TANH_SECOND_MOMENT)
TANH = NormalizedActivation(
    name="tanh",
    title="tanh",
    function=math.tanh,
    scale=_TANH_SCALE,
    offset=0.0,
    p1=_TANH_SCALE,
    p2=_TANH_SCALE * 4.0 / (3.0 * math.sqrt(3.0)),
    odd=True,
)

_GELU_SCALE = 1.0 / math.sqrt(GELU_VARIANCE)
GELU = NormalizedActivation(
    name="gelu",
    title="GELU",
    function=lambda t: 0.5 * t * math.erfc(-t / math.sqrt(2.0)),
    scale=_GELU_SCALE,
    offset=-GELU_MEAN * _GELU_SCALE,
    p1=_GELU_SCALE * (0.5 * (1.0 + math.erf(1.0)) + 1.0 / (math.e * math.sqrt(math.pi))),
    p2=_GELU_SCALE * math.sqrt(2.0 / math.pi),
)

ACTIVATIONS: dict[str, NormalizedActivation] = {entry.name: entry for entry in (RELU, TANH, GELU)}
