"""What belongs to the transition from one row to the next: step smoothness, predictions, Lemma 13, Eq. 4's radius."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from engine.config import RunConfig
from engine.device.transfer import Arrival
from engine.measure.base import Findings, Measurement, RowContext, State, nan_to, number
from engine.measure.row_norms import total_square
from engine.measure.step_rounding import StepRounding
from engine.model.base import Model
from engine.model.training_pass import TrainingPass
from engine.theory import predictions
from engine.theory.polyak_lojasiewicz import pl_constant

_NUMBERS = ("lr", "gap", "initial_gap", "least_pl", "largest_smoothness")


@dataclass(frozen=True, slots=True)
class _Row:
    """Quantities of a row that the next one needs."""

    loss: float
    grad_norm: float
    pl: float
    smoothness_step: float
    smoothness_hessian: float


class Trajectory(Measurement):
    """Quantities of the transition that led to a row; rows come in order, measured or not.

    They are NaN where they need what was not measured at the row before. Row 0 has only Lemma 13's bound.
    """

    name = "trajectory"
    provides = (
        "smoothness_step", "smoothness_step_resolution", "smoothness_secant",
        "predicted_lemma1", "predicted_descent", "predicted_lemma10",
        "ratio_lemma1", "ratio_descent", "ratio_lemma10", "ratio_null", "decrease_ratio",
        "lemma13_bound", "radius_bound",
    )  # fmt: skip
    measured_in = "none"  # a branch may measure more than its parent, and goes on from what the parent's rows add up to
    of_transition = True
    reads_before_update = False

    def __init__(self) -> None:
        self._previous: _Row | None = None
        self._lr = math.nan
        self._gap = self._initial_gap = math.nan
        self._least_pl = math.inf
        self._largest_smoothness = -math.inf

    def begin(self, config: RunConfig, model: Model) -> None:
        """Take the run."""
        super().begin(config, model)
        self._rounding = StepRounding(model)

    def variant(self) -> Hashable:
        """Whether a row came before."""
        return self._previous is not None

    def launch(self, row: RowContext) -> Arrival:
        """‖∇f_k − ∇f_{k−1}‖²; at the first row ‖θ_p‖²."""
        if self._previous is None:
            return row.transfer.add(self._rounding.initial_squares())
        before = row.gradients_before
        assert before is not None, "a row came before"
        changes = (now - before[name] for name, now in row.current.gradients.items())
        return row.transfer.add(total_square(changes))

    def collect(self, row: RowContext) -> Findings:
        """Find them. Cost: O(n·depth), and one pass over the gradients."""
        current, before = row.current, self._previous
        f, f_star = current.loss, self.config.f_star
        arriving: Arrival = row.launched[self.name]
        if before is None:
            self._rounding.begin(arriving.array())
        self._rounding.at(current, row.norms)
        if before is None:
            return Findings({"lemma13_bound": f})
        eta, g = self._lr, before.grad_norm
        step = self._step_smoothness(current)
        # The radius takes the row's own L_step too; rows that are not measured enter in after().
        self._largest_smoothness = max(self._largest_smoothness, nan_to(step, -math.inf))
        change = math.sqrt(arriving.number())
        lemma1 = predictions.lemma1(before.loss, g, before.smoothness_hessian)
        descent = predictions.descent(before.loss, g, eta, before.smoothness_step)
        lemma10 = predictions.lemma10(before.loss, g, before.smoothness_hessian)
        resolution = self._rounding.resolution(
            lr=eta,
            grad_norm=g,
            losses=(before.loss, f),
            smoothness=step,
            largest=self._largest_smoothness,
        )
        return Findings({
            "smoothness_step": step,
            "smoothness_step_resolution": resolution,
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
        })  # fmt: skip

    def after(self, row: RowContext) -> None:
        """Keep the row for the next one."""
        current, f_star = row.current, self.config.f_star
        if self._previous is None:
            self._gap = self._initial_gap = current.loss - f_star
        pl = pl_constant(current.loss, current.grad_norm, f_star)
        self._least_pl = min(self._least_pl, nan_to(pl, math.inf))
        step = self._step_smoothness(current)
        self._largest_smoothness = max(self._largest_smoothness, nan_to(step, -math.inf))
        hessian = row.values.get("smoothness_hessian", math.nan)
        self._previous = _Row(current.loss, current.grad_norm, pl, step, hessian)
        self._rounding.remember(current)

    def before_update(self, lr: float) -> Mapping[str, float]:
        """Multiply up Lemma 13."""
        self._lr = lr
        self._rounding.moved(lr)
        before = self._previous
        if before is not None:
            self._gap *= predictions.lemma13_factor(before.pl, lr, before.smoothness_step)
        return {}

    def state(self) -> State:
        """The row's numbers."""
        row = self._previous
        assert row is not None, "a row has been observed"
        return {
            "loss": row.loss,
            "grad_norm": row.grad_norm,
            "smoothness_step": row.smoothness_step,
            "smoothness_hessian": row.smoothness_hessian,
            **{name: getattr(self, f"_{name}") for name in _NUMBERS},
            **self._rounding.state(),
        }

    def restore(self, state: State, row: RowContext) -> None:
        """Take up a row's numbers."""
        of = {name: number(state, name) for name in ("loss", "grad_norm", "smoothness_step", "smoothness_hessian")}
        self._previous = _Row(**of, pl=pl_constant(of["loss"], of["grad_norm"], self.config.f_star))
        self._rounding.restore(state, row.current)
        for name in _NUMBERS:
            setattr(self, f"_{name}", number(state, name))

    def _step_smoothness(self, current: TrainingPass) -> float:
        before = self._previous
        if before is None:
            return math.nan
        return predictions.smoothness_step(before.loss, current.loss, self._lr, before.grad_norm)
