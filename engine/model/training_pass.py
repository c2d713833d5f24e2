"""The pass of training, as the measurements read it: nothing is computed twice.

Its numbers come with the row's transfer (:mod:`engine.device.transfer`): the first that is read waits for the device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from engine.device.transfer import Arrival
from engine.model.base import Pass
from engine.model.loss import LossRows


@dataclass(frozen=True, slots=True)
class LossNumbers:
    """The loss of a pass over some examples, the test set's say.

    Attributes:
        numbers: The mean loss, the share of examples classified rightly, the largest loss of one example; float64.
    """

    numbers: Arrival

    @property
    def loss(self) -> float:
        """Mean loss."""
        return float(self.numbers.array()[0])

    @property
    def accuracy(self) -> float:
        """Share of examples classified rightly."""
        return float(self.numbers.array()[1])

    @property
    def largest(self) -> float:
        """Largest loss of one example."""
        return float(self.numbers.array()[2])


@dataclass(frozen=True, slots=True)
class TrainingPass(LossNumbers):
    """The forward and backward pass at θ_k; its mean loss is f(θ_k).

    Attributes:
        numbers: After those of the loss ‖∇f(θ_k)‖², and ‖∂f/∂θ‖_F of every parameter in the order of ``gradients``.
        run: Features of the sites, and logits.
        rows: The loss example by example, with its derivatives in the logits.
        signals: δ_1 … δ_L of single examples (not divided by n), (n, w) … (n, k).
        gradients: ∂f/∂θ by parameter, in the order of ``Model.parameters``.
    """

    run: Pass
    rows: LossRows
    signals: list[Tensor]
    gradients: dict[str, Tensor]

    @property
    def grad_norm(self) -> float:
        """‖∇f(θ_k)‖."""
        return math.sqrt(float(self.numbers.array()[3]))

    @property
    def gradient_norms(self) -> dict[str, float]:
        """‖∂f/∂θ‖_F by parameter."""
        return dict(zip(self.gradients, self.numbers.array()[4:].tolist(), strict=True))

    @property
    def is_finite(self) -> bool:
        """Whether loss and gradient are finite: if not, the run has diverged."""
        return math.isfinite(self.loss) and math.isfinite(self.grad_norm)
