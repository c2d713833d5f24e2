"""Proved bounds on the loss's Lipschitz and smoothness constants, at θ and over a ball around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.measure.row_norms import RowNorms
from engine.model.base import Chain
from engine.theory.loss_constants import LossConstants
from engine.theory.recursion import (
    OutputConstants,
    lipschitz_bound,
    output_constants,
    smoothness_bound,
    smoothness_over_ball,
)


@dataclass(frozen=True, slots=True)
class NetworkBounds:
    """Lemmas 4 and 9 in parameter space, from the norms of one pass: of its weights, features and signals.

    Attributes:
        chain: The pass as a chain.
        norms: Its row norms.
        weight_norms: ‖W_1‖₂ … ‖W_L‖₂ from above.
        loss: The loss's constants.
    """

    chain: Chain
    norms: RowNorms
    weight_norms: Sequence[float]
    loss: LossConstants

    def at_theta(self) -> dict[str, float]:
        """``lipschitz_bound`` and ``smoothness_bound`` of the row; the latter is NaN at kinks. Cost: O(n·depth)."""
        constants, gradients = self._constants(0.0), self.norms.signals[-1]
        return {
            "lipschitz_bound": lipschitz_bound(constants, gradients),
            "smoothness_bound": smoothness_bound(constants, gradients, self.loss.smoothness),
        }

    def over_ball(self, radius: float) -> float:
        """The smoothness bound over a ball around θ: of radius η‖g‖ for a step. Cost: O(n·depth)."""
        return smoothness_over_ball(self._constants(radius), self.norms.signals[-1], self.loss, radius)

    def _constants(self, radius: float) -> OutputConstants:
        chain, norms = self.chain, self.norms
        return output_constants(
            self.weight_norms,
            list(norms.features),
            chain.activation,
            activation_norms=None if norms.activations is None else list(norms.activations),
            bias=chain.bias,
            radius=radius,
        )
