"""The resolution of L_step along a run: the uncertainty by rounding in both rows' losses and in the step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.measure.row_norms import RowNorms, squared_norms
from engine.model.base import Model
from engine.model.training_pass import TrainingPass
from engine.theory.step_resolution import (
    loss_rounding,
    slope_rounding,
    smoothness_step_resolution,
    update_rounding,
)


@dataclass(frozen=True, slots=True)
class _Known:
    """Uncertainty by rounding at a row: in its loss, and in its gradient relative to it."""

    loss: float
    slopes: float


_UNKNOWN = _Known(math.nan, math.nan)


class StepRounding:
    """Follows a run from row to row, measured or not. The forward pass of a model that is no chain is not resolved.

    Args:
        model: The model in training; read only.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._epsilon = torch.finfo(model.dtype).eps
        self._norms: NDArray[np.float64] = np.zeros(len(model.parameters))  # ‖θ_p‖_F, at most
        self._before, self._now = _UNKNOWN, _UNKNOWN
        # ‖g_p‖ at the row before and at this one.
        self._gradients: NDArray[np.float64] = np.zeros(len(self._norms))
        self._gradients_now = self._gradients

    def initial_squares(self) -> Tensor:
        """‖θ_p‖_F² by parameter, which the first row of a run needs; on the device."""
        return squared_norms(self._model.parameters.values())

    def begin(self, squares: NDArray[np.floating]) -> None:
        """Take the parameters' norms at the first row."""
        self._norms = np.sqrt(squares).astype(np.float64)

    def at(self, current: TrainingPass, norms: RowNorms) -> None:
        """Take a row whose norms are known. Cost: O(n·depth)."""
        model, chain = self._model, current.run.chain
        self._gradients_now = np.array(list(current.gradient_norms.values()))
        if chain is None:
            return
        features = norms.features[1:] if norms.activations is None else norms.activations
        outputs = np.vstack([features, norms.logits[None]])
        fan_out, fan_in = zip(*(weight.shape for weight in model.weights), strict=True)
        slopes = 0.0
        if not chain.activation.piecewise_linear:
            of = dict(zip(model.parameters, self._norms, strict=True))
            weights, p1 = [of[site.weight] for site in model.sites], chain.activation.p1
            slopes = slope_rounding(norms.signals, norms.features, weights, p1, current.grad_norm, self._epsilon)
        rounding = loss_rounding(norms.signals, outputs, fan_in, fan_out, current.loss, self._epsilon)
        self._now = _Known(rounding, slopes)

    def resolution(
        self, *, lr: float, grad_norm: float, losses: tuple[float, float], smoothness: float, largest: float
    ) -> float:
        """The resolution of L_step at the row taken last.

        Args:
            lr: η of the step.
            grad_norm: ‖∇f(θ_{k−1})‖.
            losses: f_{k−1} and f_k.
            smoothness: L_step.
            largest: The largest L_step so far.

        Returns:
            The half-width of its uncertainty.
        """
        then, now = self._before, self._now
        if math.isnan(then.loss):
            # A loss that is larger is rounded more, and by no more than in proportion.
            more = max(1.0, losses[0] / losses[1]) if losses[1] > 0.0 else 1.0
            then = _Known(now.loss * more, now.slopes)
        sizes = [parameter.numel() for parameter in self._model.parameters.values()]
        steepest = np.maximum(self._gradients, self._gradients_now)
        update = update_rounding(self._gradients, steepest, self._norms, sizes, lr, self._epsilon)
        # A gradient that is off leads somewhere else, where the loss is another one.
        astray = then.slopes * lr * grad_norm * float(np.linalg.norm(steepest))
        return smoothness_step_resolution(
            math.hypot(then.loss, now.loss) + update + astray,
            then.slopes,
            lr=lr,
            grad_norm=grad_norm,
            loss=max(losses),
            smoothness=smoothness,
            largest=largest,
            epsilon=self._epsilon,
        )

    def remember(self, current: TrainingPass) -> None:
        """Keep a row for the next one; called for every row."""
        self._before, self._now = self._now, _UNKNOWN
        self._gradients = np.array(list(current.gradient_norms.values()))

    def moved(self, lr: float) -> None:
        """θ moves by ηg: no norm grows by more than its part of the step."""
        self._norms = self._norms + lr * self._gradients

    def state(self) -> dict[str, float]:
        """Numbers that are carried after a row, but for its gradients."""
        norms = {f"norm.{p}": float(norm) for p, norm in enumerate(self._norms)}
        return {"rounding": self._before.loss, "slopes": self._before.slopes, **norms}

    def restore(self, state: Mapping[str, Any], current: TrainingPass) -> None:
        """Go on as after a row; what an older checkpoint lacks is unknown, and norms are as now."""
        self._before = _Known(state.get("rounding", math.nan), state.get("slopes", math.nan))
        self._now = _UNKNOWN
        self._norms = np.array([state.get(f"norm.{p}", norm) for p, norm in enumerate(self._norms)])
        self._gradients = np.array(list(current.gradient_norms.values()))
