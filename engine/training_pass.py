"""What one pass of training leaves for the measurements: nothing they read is computed twice."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from engine.losses import LossRows
from engine.network import Forward


@dataclass(frozen=True, slots=True)
class TrainingPass:
    """The forward and backward pass at θ_k.

    Attributes:
        run: Activations, slopes, row scales, logits.
        rows: The loss example by example, with its derivatives in the logits.
        signals: δ_1 … δ_L of single examples (not divided by n), (n, w) … (n, k).
        gradients: ∂f/∂θ in the order of ``Network.parameters``.
        loss: f(θ_k).
        accuracy: Share of examples classified rightly.
        grad_norm: ‖∇f(θ_k)‖.
        gradient_norms: ‖∂f/∂θ‖_F of every parameter, in the order of ``gradients``.
    """

    run: Forward
    rows: LossRows
    signals: list[Tensor]
    gradients: list[Tensor]
    loss: float
    accuracy: float
    grad_norm: float
    gradient_norms: list[float]


@dataclass(frozen=True, slots=True)
class TestPass:
    """The test set at θ_k.

    Attributes:
        loss: Mean loss.
        accuracy: Share classified rightly.
        largest: Largest loss of one example.
    """

    __test__ = False  # not a test case, whatever its name suggests to pytest

    loss: float
    accuracy: float
    largest: float
