"""The observer: which measurements make up a row, and what they carry from row to row.

It reads passes and never writes parameters. What it carries is warm starts, the pass of step 0 (for the distances
from initialisation) and the previous row (for the transition's quantities).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.config import RunConfig
from engine.device.resolve import Stopwatch
from engine.device.transfer import Arrival, Transfer, runs_ahead
from engine.measure.carried import Carried
from engine.measure.curvature import HessianCurvature
from engine.measure.kernel import TangentKernel
from engine.measure.kernel_spectrum import KernelSpectrum, layer_traces, trace_shares
from engine.measure.layer_measures import LayerMeasures
from engine.measure.network_bounds import NetworkBounds
from engine.measure.risk import risk_bounds
from engine.measure.row_norms import RowNorms, row_norms, row_norms_from, stacked_row_norms
from engine.measure.schedule import NOTHING, TASKS, Schedule, Work, seconds_of
from engine.measure.trajectory import Trajectory
from engine.measure.violations import Violations
from engine.model.base import Model
from engine.model.training_pass import TestPass, TrainingPass
from engine.record import Event
from engine.theory.inequality import Row
from engine.theory.infinite_width import infinite_kernel_lines, infinite_width_lines
from engine.theory.polyak_lojasiewicz import pl_constant, pl_samplewise


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured at a row.

    Attributes:
        values: Step metrics by catalogue name; NaN where a quantity is not defined.
        layers: Layer metrics by catalogue name, (depth + 1,), NaN where there is none.
        events: Inequalities of the ledger that started or ceased to be violated.
    """

    values: dict[str, float]
    layers: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    events: tuple[Event, ...] = ()


class Observer:
    """Measures rows in the order of their steps.

    Args:
        config: What is to be measured, and with which f*, δ.
        model: The model in training; read only.
        x_train: The prepared training inputs, (n, d), for the infinite-width lines.
        schedule: Times the tasks.
    """

    def __init__(self, config: RunConfig, model: Model, x_train: NDArray[np.float64], schedule: Schedule) -> None:
        self._config = config
        self._model = model
        self._x_train = x_train
        self._layers = LayerMeasures(model, keep_grams=config.measure == "all")
        self._curvature = HessianCurvature()
        self._kernel = KernelSpectrum()
        self._trajectory = Trajectory(config.f_star, model)
        self._violations = Violations()
        self._schedule = schedule
        # Of the row that has been launched: what it measures, and what that took on the device.
        self._work = NOTHING
        self._queued: dict[str, Stopwatch] = {}
        self._traces: Arrival | None = None
        self._norms: Arrival | None = None
        # Of the row before: its values, and its bounds until the step's length is known.
        self._before: dict[str, float] = {}
        self._bounds: NetworkBounds | None = None
        self._segment = math.nan
        self._gradient_norms: list[float] = []
        self._starts = True

    def launch(self, current: TrainingPass, transfer: Transfer, work: Work) -> None:
        """Queue on the device what a row's measurements need, before anything is read.

        Args:
            current: The pass at the row's parameters.
            transfer: By what the row's numbers come.
            work: What the row measures.
        """
        self._work, self._queued, self._traces = work, {}, None
        if not (work.measured or self._follows):
            return
        self._norms = transfer.add(stacked_row_norms(current.run, current.signals))
        self._trajectory.launch(current, transfer)
        device = current.run.logits.device
        if not runs_ahead(device):
            return
        for task in work.tasks:
            with Stopwatch(device) as self._queued[task]:
                if task == "layers":
                    self._layers.launch(current.run, transfer)
                elif task == "curvature":
                    self._curvature.launch(current, transfer)
                else:
                    kernel = TangentKernel(current.run, self._layers.grams)
                    self._kernel.launch(kernel, current.rows, self._config.loss, transfer)
                    self._traces = transfer.add(layer_traces(kernel))

    def observe(self, step: int, current: TrainingPass, test: TestPass | None) -> Measured:
        """Measure a row that has been launched.

        Args:
            step: Its step.
            current: The pass at its parameters.
            test: The test set at its parameters, or None if there is none.

        Returns:
            The set ``config.measure`` names, as far as the row's work goes. A row that is not measured and follows one
            that is has the quantities of the transition: what predicts it is known there, and the rest nearly free.
        """
        config = self._config
        if not (self._work.measured or self._follows):
            return Measured({})
        f, g = current.loss, current.grad_norm
        assert self._norms is not None, "launch() comes first"
        norms = row_norms_from(self._norms.array(), current.run)
        transition = self._transition(current, norms)
        if not self._work.measured:
            row = Row(config, transition | {"loss": f, "grad_norm": g}, {}, self._before)
            return Measured(transition, {}, self._violations.check(step, row))
        squares = norms.sample_gradients()
        sample_norm = math.sqrt(float(squares.max()))
        values = {
            "sample_grad_norm_max": sample_norm,
            "pl": float(pl_constant(f, g, config.f_star)),
            "pl_samplewise": float(pl_samplewise(f, float(squares.mean()), config.f_star)),
        }
        if test is not None:
            values |= {
                "test_loss": test.loss,
                "test_accuracy": test.accuracy,
                "generalization_gap": abs(test.loss - f),
            }
        layers: dict[str, NDArray[np.float64]] = {}
        values |= transition
        for task in self._work.tasks:
            queued = self._queued[task].seconds() if task in self._queued else 0.0
            with self._schedule.timed(task, already=queued):
                if task == "layers":
                    layers |= self._layers.measure(current.run, norms)
                    values["distance_init"] = self._layers.parameter_distance()
                elif task == "curvature":
                    values |= self._curvature.measure(current)
                else:
                    kernel = TangentKernel(current.run, self._layers.grams)
                    values |= self._kernel.measure(kernel, current.rows, config.loss, g)
                    layers["ntk_trace_share"] = trace_shares(kernel, self._traces)
        values |= self._schedule.seconds()
        values["lipschitz_bound"] = math.nan
        if "weight_norm" in layers and current.run.chain is not None:
            self._bounds = NetworkBounds(current.run.chain, norms, layers["weight_norm"], config.loss)
            values |= self._bounds.at_theta()
        values |= risk_bounds(config, current, test, sample_norm, values["lipschitz_bound"])
        if self._starts and current.run.chain is not None:
            layers |= self._infinite_width()
        row = Row(config, values | {"loss": f, "grad_norm": g}, layers, self._before)
        events = self._violations.check(step, row)
        return Measured(values, layers, events)

    def remember(self, current: TrainingPass, measured: Mapping[str, float]) -> None:
        """Keep what the next row's transition needs; called for every row, measured or not.

        Args:
            current: The pass at its parameters.
            measured: Its values, empty if it is not measured.
        """
        self._trajectory.remember(current, measured)
        self._gradient_norms = [current.gradient_norms[site.weight] for site in self._model.sites]
        self._before = dict(measured)
        self._starts = False

    def carried(self) -> Carried:
        """What this row hands on to the next.

        Returns:
            Vectors that are this observer's own: whoever keeps them copies them.
        """
        parts = {
            "curvature": self._curvature.state(),
            "kernel": self._kernel.state(),
            "layers": self._layers.state(),
        }
        return Carried(
            trajectory=self._trajectory.state(),
            before=dict(self._before),
            violations=self._violations.state(),
            weight_norms=None if self._bounds is None else tuple(self._bounds.weight_norms),
            vectors={f"{part}.{name}": v for part, it in parts.items() for name, v in it.items()},
        )

    def restore(self, carried: Carried, current: TrainingPass) -> None:
        """Go on as after a row that was observed before, by this observer or by another of the same run.

        The run's first row has been observed here, so that what is kept of θ_0 is at hand.

        Args:
            carried: What :meth:`carried` gave after that row.
            current: The pass at that row.
        """
        config = self._config
        self._trajectory.restore(carried.trajectory, current)
        self._violations.restore(carried.violations)
        self._curvature.restore(carried.part("curvature"))
        self._kernel.restore(carried.part("kernel"))
        self._layers.restore(carried.part("layers"))
        self._gradient_norms = [current.gradient_norms[site.weight] for site in self._model.sites]
        self._before = dict(carried.before)
        self._bounds = None
        if carried.weight_norms is not None and current.run.chain is not None:
            weight_norms = np.array([math.nan, *carried.weight_norms])
            rows = row_norms(current.run, current.signals)
            self._bounds = NetworkBounds(current.run.chain, rows, weight_norms, config.loss)

    def before_update(self, lr: float) -> None:
        """Tell that θ is about to move.

        Args:
            lr: The learning rate of the update.
        """
        if self._config.measure != "none":
            self._layers.before_update([lr * norm for norm in self._gradient_norms])
        self._trajectory.moved(lr)
        # In older checkpoints it may be another one.
        self._before["lr"] = lr
        bounds, self._bounds = self._bounds, None
        self._segment = math.nan if bounds is None else bounds.over_ball(lr * self._before.get("grad_norm", math.nan))

    @property
    def _follows(self) -> bool:
        """Whether the row before holds what predicts this one: costly measurements."""
        return any(seconds_of(task) in self._before for task in TASKS["all"])

    def _transition(self, current: TrainingPass, norms: RowNorms) -> dict[str, float]:
        """What belongs to the transition that led to this row."""
        values = self._trajectory.transition(current, norms)
        if self._before:
            values["smoothness_segment"] = self._segment
        return values

    def _infinite_width(self) -> Mapping[str, NDArray[np.float64]]:
        config, x = self._config, self._x_train
        lines = infinite_width_lines(x, config.activation, config.depth)
        if config.measure == "all":
            lines |= infinite_kernel_lines(x, config.activation, config.depth, config.width, bias=config.bias)
        return lines
