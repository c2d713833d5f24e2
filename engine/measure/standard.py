"""The measurements of a run: the small ones, and the list of all."""

from __future__ import annotations

import math
from collections.abc import Mapping

from engine.catalogue.metric import includes
from engine.measure.base import Findings, Measurement, RowContext, State
from engine.measure.curvature import Curvature
from engine.measure.kernel_spectrum import KernelSpectrum
from engine.measure.layer_measures import LayerMeasures
from engine.measure.network_bounds import NetworkBounds
from engine.measure.trajectory import Trajectory
from engine.theory.generalization import generalization_bound, generalization_floor, stability_beta
from engine.theory.infinite_width import infinite_kernel_lines, infinite_width_lines
from engine.theory.loss_constants import LOSSES
from engine.theory.polyak_lojasiewicz import pl_constant, pl_samplewise


class SampleGradients(Measurement):
    """Gradient norms of single examples, and the PL constants."""

    name = "sample_gradients"
    provides = ("sample_grad_norm_max", "pl", "pl_samplewise")

    def collect(self, row: RowContext) -> Findings:
        """Read the norms of the pass. Cost: O(n·depth)."""
        f, f_star = row.current.loss, self.config.f_star
        squares = row.norms.sample_gradients()
        return Findings({
            "sample_grad_norm_max": math.sqrt(float(squares.max())),
            "pl": float(pl_constant(f, row.current.grad_norm, f_star)),
            "pl_samplewise": float(pl_samplewise(f, float(squares.mean()), f_star)),
        })  # fmt: skip


class TestSet(Measurement):
    """Loss and accuracy on the test set, where there is one."""

    __test__ = False  # not a test case, whatever its name suggests to pytest

    name = "test_set"
    provides = ("test_loss", "test_accuracy", "generalization_gap")

    def collect(self, row: RowContext) -> Findings:
        """Read the pass over the test set."""
        if row.test is None:
            return Findings()
        loss, accuracy = row.test.loss, row.test.accuracy
        gap = abs(loss - row.current.loss)
        return Findings({"test_loss": loss, "test_accuracy": accuracy, "generalization_gap": gap})


class ProvedBounds(Measurement):
    """Lemmas 4 and 9: bounds on the loss's Lipschitz and smoothness constants at θ and along the step from there."""

    name = "proved_bounds"
    provides = ("lipschitz_bound", "smoothness_bound", "smoothness_segment")
    needs = ("weight_norm_high",)

    def __init__(self) -> None:
        self._bounds: NetworkBounds | None = None  # of the row before, until the step's length is known
        self._grad_norm = math.nan

    def collect(self, row: RowContext) -> Findings:
        """Bound both constants. Cost: O(n·depth)."""
        chain = row.current.run.chain
        if chain is None:
            return Findings()
        weight_norms = row.layers["weight_norm_high"][1:].tolist()
        self._bounds = NetworkBounds(chain, row.norms, weight_norms, LOSSES[self.config.loss])
        return Findings(self._bounds.at_theta())

    def after(self, row: RowContext) -> None:
        """Keep the length of the gradient."""
        self._grad_norm = row.current.grad_norm

    def before_update(self, lr: float) -> Mapping[str, float]:
        """The smoothness bound over the ball that holds the step, NaN where the row has no bounds."""
        bounds, self._bounds = self._bounds, None
        return {"smoothness_segment": math.nan if bounds is None else bounds.over_ball(lr * self._grad_norm)}

    def state(self) -> State:
        """‖W_1‖₂ … ‖W_L‖₂ from above, if the row was measured."""
        return {} if self._bounds is None else {"weight_norms": list(self._bounds.weight_norms)}

    def restore(self, state: State, row: RowContext) -> None:
        """Bound both constants again; ValueError for norms of another depth."""
        self._bounds, self._grad_norm = None, row.current.grad_norm
        chain = row.current.run.chain
        if "weight_norms" in state and chain is not None:
            weight_norms = [float(norm) for norm in state["weight_norms"]]
            if len(weight_norms) != self.model.depth:
                raise ValueError("it has norms of another depth")
            self._bounds = NetworkBounds(chain, row.norms, weight_norms, LOSSES[self.config.loss])


class RiskBounds(Measurement):
    """The bound on |R_test − R| with local constants, its floor, and what goes into it (Lemma 2).

    M is 1 for ``mse`` and otherwise the largest loss of an example, over training and test set: an estimate. For n = 1
    all but M is NaN.
    """

    name = "risk_bounds"
    provides = ("loss_bound", "stability_beta", "generalization_bound", "generalization_floor")
    needs = ("sample_grad_norm_max", "pl")

    def collect(self, row: RowContext) -> Findings:
        """Bound the gap. Cost: a few operations."""
        n, delta = row.current.run.logits.shape[0], self.config.delta
        bound = LOSSES[self.config.loss].bound
        if bound is None:
            bound = max(row.current.largest, row.test.largest if row.test is not None else -math.inf)
        gap = row.current.loss - self.config.f_star
        beta = stability_beta(gap, row.values["sample_grad_norm_max"], row.values["pl"], n)
        return Findings({
            "loss_bound": bound,
            "stability_beta": beta,
            "generalization_bound": generalization_bound(beta, bound, n, delta),
            "generalization_floor": generalization_floor(gap, bound, n, delta),
        })  # fmt: skip


class CompositionalRisk(Measurement):
    """The bound on |R_test − R| with the proved Lipschitz constant (Lemma 2)."""

    name = "compositional_risk"
    provides = ("generalization_bound_compositional",)
    needs = ("lipschitz_bound", "loss_bound", "pl")

    def collect(self, row: RowContext) -> Findings:
        """Bound the gap. Cost: a few operations."""
        n, values = row.current.run.logits.shape[0], row.values
        beta = stability_beta(row.current.loss - self.config.f_star, values["lipschitz_bound"], values["pl"], n)
        bound = generalization_bound(beta, values["loss_bound"], n, self.config.delta)
        return Findings({"generalization_bound_compositional": bound})


class InfiniteWidth(Measurement):
    """Eigenvalues of the features' kernel at infinite width, on the run's own data; fixed at the first row."""

    name = "infinite_width"
    provides = ("infinite_lambda_min", "infinite_lambda_max", "lemma12_lambda_min", "definition6_lambda_max")

    def collect(self, row: RowContext) -> Findings:
        """See :func:`engine.theory.infinite_width.infinite_width_lines`."""
        if not row.first or row.current.run.chain is None:
            return Findings()
        return Findings({}, infinite_width_lines(row.data.x_train, self.config.activation, self.config.depth))


class InfiniteKernel(Measurement):
    """Eigenvalues of the tangent kernel at infinite width, on the run's own data; fixed at the first row."""

    name = "infinite_kernel"
    provides = ("infinite_ntk_lambda_min", "infinite_ntk_lambda_max")
    measured_in = "all"

    def collect(self, row: RowContext) -> Findings:
        """See :func:`engine.theory.infinite_width.infinite_kernel_lines`."""
        if not row.first or row.current.run.chain is None:
            return Findings()
        config, x = self.config, row.data.x_train
        lines = infinite_kernel_lines(x, config.activation, config.depth, config.width, bias=config.bias)
        return Findings({}, lines)


STANDARD: tuple[type[Measurement], ...] = (
    Trajectory,
    SampleGradients,
    TestSet,
    LayerMeasures,
    KernelSpectrum,
    Curvature,
    ProvedBounds,
    RiskBounds,
    CompositionalRisk,
    InfiniteWidth,
    InfiniteKernel,
)
"""All measurements, in the order in which they are made."""


def standard(measure: str, *instead: Measurement) -> list[Measurement]:
    """The measurements of a set, some taken instead of those of the same name; others are added."""
    chosen = {of.name: of() for of in STANDARD if includes(measure, of.measured_in)}
    return list((chosen | {one.name: one for one in instead}).values())
