"""What one pass of training leaves for the measurements: nothing they read is computed twice.

Its numbers are read from the row's transfer (:mod:`engine.transfer`): the first that is read waits for the device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from engine.losses import LossRows
from engine.network import Forward
from engine.transfer import Arrival


@dataclass(frozen=True, slots=True)
class TrainingPass:
    """The forward and backward pass at θ_k.

    Attributes:
        run: Activations, slopes, row scales, logits.
        rows: The loss example by example, with its derivatives in the logits.
        signals: δ_1 … δ_L of single examples (not divided by n), (n, w) … (n, k).
        gradients: ∂f/∂θ in the order of ``Network.parameters``.
        numbers: f(θ_k), the share of examples classified rightly, the largest ℓ_i, ‖∇f(θ_k)‖², and ‖∂f/∂θ‖_F of every
            parameter in the order of ``gradients``; float64.
    """

    run: Forward
    rows: LossRows
    signals: list[Tensor]
    gradients: list[Tensor]
    numbers: Arrival

    @property
    def loss(self) -> float:
        """The loss f(θ_k)."""
        return float(self.numbers.array()[0])

    @property
    def accuracy(self) -> float:
        """Share of examples classified rightly."""
        return float(self.numbers.array()[1])

    @property
    def largest(self) -> float:
        """Largest loss of one example."""
        return float(self.numbers.array()[2])

    @property
    def grad_norm(self) -> float:
        """‖∇f(θ_k)‖."""
        return math.sqrt(float(self.numbers.array()[3]))

    @property
    def gradient_norms(self) -> list[float]:
        """‖∂f/∂θ‖_F of every parameter."""
        return [float(norm) for norm in self.numbers.array()[4:]]

    @property
    def is_finite(self) -> bool:
        """Whether loss and gradient are finite: if not, the run has diverged."""
        return math.isfinite(self.loss) and math.isfinite(self.grad_norm)


@dataclass(frozen=True, slots=True)
class TestPass:
    """The test set at θ_k.

    Attributes:
        numbers: Mean loss, share classified rightly, largest loss of one example; float64.
    """

    __test__ = False  # not a test case, whatever its name suggests to pytest

    numbers: Arrival

    @property
    def loss(self) -> float:
        """Mean loss."""
        return float(self.numbers.array()[0])

    @property
    def accuracy(self) -> float:
        """Share classified rightly."""
        return float(self.numbers.array()[1])

    @property
    def largest(self) -> float:
        """Largest loss of one example."""
        return float(self.numbers.array()[2])
