"""What belongs to the transition from one row to the next: step smoothness, predictions, Lemma 13, Eq. 4's radius."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from engine.device.transfer import Arrival, Transfer
from engine.measure.carried import Numbers
from engine.measure.row_norms import RowNorms, total_square
from engine.measure.step_rounding import StepRounding
from engine.model.base import Model
from engine.model.training_pass import TrainingPass
from engine.theory import predictions
from engine.theory.polyak_lojasiewicz import pl_constant


@dataclass(frozen=True, slots=True)
class _Row:
    """What the next row needs of this one."""

    loss: float
    grad_norm: float
    gradients: dict[str, Tensor]
    smoothness_step: float
    smoothness_hessian: float


class Trajectory:
    """Follows a run from row to row; rows come in order, measured or not.

    Args:
        f_star: Infimum f* of the loss.
        model: The model in training; read only.
    """

    def __init__(self, f_star: float, model: Model) -> None:
        self._f_star = f_star
        self._rounding = StepRounding(model)
        self._previous: _Row | None = None
        self._gradient_change: Arrival | None = None  # ‖∇f_k − ∇f_{k−1}‖²
        self._lr = math.nan
        self._gap = self._initial_gap = math.nan
        self._least_pl = math.inf
        self._largest_smoothness = -math.inf

    def launch(self, current: TrainingPass, transfer: Transfer) -> None:
        """Queue what the transition to this row needs of both rows' gradients.

        Args:
            current: The pass at this row.
            transfer: By what the row's numbers come.
        """
        before = self._previous
        if before is None:
            self._rounding.launch(transfer)
        else:
            changes = (now - before.gradients[name] for name, now in current.gradients.items())
            self._gradient_change = transfer.add(total_square(changes))

    def transition(self, current: TrainingPass, norms: RowNorms) -> dict[str, float]:
        """The quantities of the transition that led to this row, which has been launched.

        Args:
            current: The pass at this row.
            norms: Norms of its examples' rows.

        Returns:
            Step metrics; those of the transition are not there at row 0, and NaN where they need what was not measured
            at the row before.
        """
        before, f, f_star = self._previous, current.loss, self._f_star
        self._rounding.at(current, norms)
        if before is None:
            return {"lemma13_bound": f}
        eta, g = self._lr, before.grad_norm
        step = self._step_smoothness(current)
        # The radius takes the row's own L_step too; rows that are not measured enter in remember().
        self._largest_smoothness = _largest(self._largest_smoothness, step)
        assert self._gradient_change is not None
        change = math.sqrt(self._gradient_change.number())
        lemma1 = predictions.lemma1(before.loss, g, before.smoothness_hessian)
        descent = predictions.descent(before.loss, g, eta, before.smoothness_step)
        lemma10 = predictions.lemma10(before.loss, g, before.smoothness_hessian)
        return {
            "smoothness_step": step,
            "smoothness_step_resolution": self._rounding.resolution(
                lr=eta,
                grad_norm=g,
                losses=(before.loss, f),
                smoothness=step,
                largest=self._largest_smoothness,
            ),
            "smoothness_secant": predictions.smoothness_secant(change, eta * g),
            "predicted_lemma1": lemma1,
            "predicted_descent": descent,
            "predicted_lemma10": lemma10,
            "ratio_lemma1": predictions.ratio(f, lemma1, f_star),
            "ratio_descent": predictions.ratio(f, descent, f_star),
            "ratio_lemma10": predictions.ratio(f, lemma10, f_star),
            "ratio_null": predictions.ratio(f, before.loss, f_star),
            "decrease_ratio": predictions.decrease_ratio(before.loss, f, descent),
            "lemma13_bound": f_star + self._gap,
            "radius_bound": predictions.radius_bound(self._initial_gap, self._least_pl, self._largest_smoothness, eta),
        }

    def remember(self, current: TrainingPass, measured: Mapping[str, float]) -> None:
        """Keep a row for the next one; called for every row.

        Args:
            current: The pass at this row.
            measured: What was measured there, empty if the row is not measured.
        """
        if self._previous is None:
            self._gap = self._initial_gap = current.loss - self._f_star
        self._least_pl = min(self._least_pl, _or(pl_constant(current.loss, current.grad_norm, self._f_star), math.inf))
        step = self._step_smoothness(current)
        self._largest_smoothness = _largest(self._largest_smoothness, step)
        self._previous = _Row(
            current.loss,
            current.grad_norm,
            current.gradients,
            step,
            measured.get("smoothness_hessian", math.nan),
        )
        self._rounding.remember(current)

    def moved(self, lr: float) -> None:
        """Tell that θ moves from the row remembered last; multiplies up Lemma 13.

        Args:
            lr: η of the update.
        """
        self._lr = lr
        self._rounding.moved(lr)
        before = self._previous
        if before is not None:
            mu = pl_constant(before.loss, before.grad_norm, self._f_star)
            self._gap *= predictions.lemma13_factor(mu, lr, before.smoothness_step)

    def state(self) -> dict[str, float]:
        """What is carried after a row, but for its gradients, which the pass there gives again.

        Returns:
            Numbers by name.
        """
        row = self._previous
        assert row is not None, "a row has been remembered"
        return {
            "loss": row.loss,
            "grad_norm": row.grad_norm,
            "smoothness_step": row.smoothness_step,
            "smoothness_hessian": row.smoothness_hessian,
            "lr": self._lr,
            "gap": self._gap,
            "initial_gap": self._initial_gap,
            "least_pl": self._least_pl,
            "largest_smoothness": self._largest_smoothness,
            **self._rounding.state(),
        }

    def restore(self, state: Numbers, current: TrainingPass) -> None:
        """Go on as after the row of a state.

        Args:
            state: What :meth:`state` gave after that row; a name that lacks is a KeyError.
            current: The pass at that row.
        """
        self._previous = _Row(
            state["loss"],
            state["grad_norm"],
            current.gradients,
            state["smoothness_step"],
            state["smoothness_hessian"],
        )
        self._rounding.restore(state, current)
        self._lr = state["lr"]
        self._gap, self._initial_gap = state["gap"], state["initial_gap"]
        self._least_pl, self._largest_smoothness = state["least_pl"], state["largest_smoothness"]

    def _step_smoothness(self, current: TrainingPass) -> float:
        before = self._previous
        if before is None:
            return math.nan
        return predictions.smoothness_step(before.loss, current.loss, self._lr, before.grad_norm)


def _largest(a: float, b: float) -> float:
    return max(a, _or(b, -math.inf))


def _or(value: float, instead: float) -> float:
    return instead if math.isnan(value) else value
