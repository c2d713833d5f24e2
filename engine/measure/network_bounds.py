"""Proved bounds on the loss's Lipschitz and smoothness constants, at θ and over a ball around it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.measure.row_norms import RowNorms
from engine.model.base import Chain
from engine.theory.loss_constants import LOSSES
from engine.theory.recursion import (
    OutputConstants,
    lipschitz_bound,
    output_constants,
    smoothness_bound,
    smoothness_over_ball,
)


class NetworkBounds:
    """Lemmas 4 and 9 in parameter space, from the spectral norms of the weights and the row norms of one pass.

    It keeps those norms and no tensor, so that the ball may be asked for when the learning rate of the step is known.

    Args:
        chain: The description of the row's pass.
        norms: Row norms of the pass.
        weight_norms: ‖W_l‖₂ from above, at index l of an array of shape (depth + 1,).
        loss: Name of the loss.
    """

    def __init__(self, chain: Chain, norms: RowNorms, weight_norms: NDArray[np.float64], loss: str) -> None:
        self._loss = LOSSES[loss]
        self._activation, self._bias = chain.activation, chain.bias
        self._weight_norms = [float(norm) for norm in weight_norms[1:]]
        self._feature_norms = list(norms.features)
        self._activation_norms = None if norms.activations is None else list(norms.activations)
        self._gradient_norms = norms.signals[-1]

    @property
    def weight_norms(self) -> list[float]:
        """‖W_1‖₂ … ‖W_L‖₂ from above."""
        return list(self._weight_norms)

    def at_theta(self) -> dict[str, float]:
        """``lipschitz_bound`` and ``smoothness_bound`` of the row; the latter is NaN at kinks. Cost: O(n·depth)."""
        constants = self._constants(0.0)
        return {
            "lipschitz_bound": lipschitz_bound(constants, self._gradient_norms),
            "smoothness_bound": smoothness_bound(constants, self._gradient_norms, self._loss.smoothness),
        }

    def over_ball(self, radius: float) -> float:
        """The smoothness bound over a ball around θ: of radius η‖g‖ for a step. Cost: O(n·depth)."""
        return smoothness_over_ball(self._constants(radius), self._gradient_norms, self._loss, radius)

    def _constants(self, radius: float) -> OutputConstants:
        return output_constants(
            self._weight_norms,
            self._feature_norms,
            self._activation,
            activation_norms=self._activation_norms,
            bias=self._bias,
            radius=radius,
        )
