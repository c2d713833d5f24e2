"""The observer: which measurements make up a row, and what they carry from row to row.

It reads passes and never writes parameters. What it carries is warm starts, the pass of step 0 (for the distances
from initialisation) and the previous row (for the transition's quantities).
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.config import RunConfig
from engine.device import Stopwatch
from engine.measure.carried import Carried
from engine.measure.curvature import HessianCurvature
from engine.measure.kernel import TangentKernel
from engine.measure.kernel_spectrum import KernelSpectrum, layer_traces, trace_shares
from engine.measure.layers import LayerMeasures
from engine.measure.network_bounds import NetworkBounds
from engine.measure.risk import risk_bounds
from engine.measure.row_norms import row_norms, row_norms_from, stacked_row_norms
from engine.measure.schedule import Schedule
from engine.measure.trajectory import Trajectory
from engine.measure.violations import Violations
from engine.network import Network
from engine.record import Event
from engine.theory.inequality import Row
from engine.theory.infinite_width import infinite_kernel_lines, infinite_width_lines
from engine.theory.polyak_lojasiewicz import pl_constant, pl_samplewise
from engine.training_pass import TestPass, TrainingPass
from engine.transfer import Arrival, Transfer, runs_ahead


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
        network: The network in training; read only.
        x_train: The prepared training inputs, (n, d), for the infinite-width lines.
    """

    def __init__(self, config: RunConfig, network: Network, x_train: NDArray[np.float64]) -> None:
        self._config = config
        self._network = network
        self._x_train = x_train
        self._layers = LayerMeasures(network, keep_grams=config.measure == "all")
        self._curvature = HessianCurvature()
        self._kernel = KernelSpectrum()
        self._trajectory = Trajectory(config.f_star, float(np.finfo(config.dtype).eps))
        self._violations = Violations()
        self._schedule = Schedule(config.measure, config.budget)
        # Of the row that has been launched: what it measures, and what that took on the device.
        self._due: tuple[str, ...] = ()
        self._queued: dict[str, Stopwatch] = {}
        self._traces: Arrival | None = None
        self._norms: Arrival | None = None
        self._common = Stopwatch(network.weights[0].device)
        # Of the row before: its values, and its bounds until the step's length is known.
        self._before: dict[str, float] = {}
        self._bounds: NetworkBounds | None = None
        self._segment = math.nan
        self._gradient_norms: list[float] = []
        self._starts = True

    def launch(
        self,
        current: TrainingPass,
        transfer: Transfer,
        *,
        training_seconds: float = 0.0,
        tasks: Collection[str] | None = None,
    ) -> None:
        """Decide what a row will measure, and queue on the device what that needs, before anything is read.

        Args:
            current: The pass at the row's parameters.
            transfer: By what the row's numbers come.
            training_seconds: What training has taken since the row measured before, as far as it is known; it earns
                time for measuring.
            tasks: The costly measurements to make, of :data:`engine.measure.schedule.TASKS`; None leaves that to the
                budget.
        """
        self._due = tuple(self._schedule.due(training_seconds) if tasks is None else self._schedule.only(tasks))
        self._queued, self._traces = {}, None
        device = current.run.output.device
        with Stopwatch(device) as self._common:
            self._norms = transfer.add(stacked_row_norms(current.run, current.signals))
            self._trajectory.launch(current, transfer)
        if not runs_ahead(device):
            return
        for task in self._due:
            with Stopwatch(device) as self._queued[task]:
                if task == "layers":
                    self._layers.launch(current.run, transfer)
                elif task == "curvature":
                    self._curvature.launch(self._network, current, transfer)
                else:
                    kernel = TangentKernel(self._network, current.run, self._layers.grams)
                    self._kernel.launch(kernel, current.rows, self._config.loss, transfer)
                    self._traces = transfer.add(layer_traces(kernel))

    def observe(self, step: int, current: TrainingPass, test: TestPass | None) -> Measured:
        """Measure a row that has been launched.

        Args:
            step: Its step.
            current: The pass at its parameters.
            test: The test set at its parameters, or None if there is none.

        Returns:
            The set ``config.measure`` names, as far as it is due.
        """
        config = self._config
        f, g = current.loss, current.grad_norm
        assert self._norms is not None, "launch() comes first"
        norms = row_norms_from(self._norms.array(), current.run)
        squares = norms.sample_gradients(bias=config.bias)
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
        began = time.perf_counter()
        layers: dict[str, NDArray[np.float64]] = {}
        distance = math.nan
        for task in self._due:
            queued = self._queued[task].seconds() if task in self._queued else 0.0
            with self._schedule.timed(task, already=queued):
                if task == "layers":
                    layers |= self._layers.measure(current.run, norms)
                    distance = self._layers.parameter_distance()
                elif task == "curvature":
                    values |= self._curvature.measure(self._network, current)
                else:
                    kernel = TangentKernel(self._network, current.run, self._layers.grams)
                    values |= self._kernel.measure(kernel, current.rows, config.loss, g)
                    layers["ntk_trace_share"] = trace_shares(kernel, self._traces)
        values |= self._schedule.seconds()
        values["lipschitz_bound"] = math.nan
        if "weight_norm" in layers:
            self._bounds = NetworkBounds(self._network, norms, layers["weight_norm"], config.loss)
            values |= self._bounds.at_theta()
        if self._before:
            values["smoothness_segment"] = self._segment
        values |= self._trajectory.transition(current, distance)
        values |= risk_bounds(config, current, test, sample_norm, values["lipschitz_bound"])
        if self._starts:
            layers |= self._infinite_width()
        row = Row(config, values | {"loss": f, "grad_norm": g}, layers, self._before)
        events = self._violations.check(step, row)
        in_tasks = sum(self._schedule.seconds().values()) - sum(of.seconds() for of in self._queued.values())
        self._schedule.charge(self._common.seconds() + time.perf_counter() - began - in_tasks)
        return Measured(values, layers, events)

    def remember(self, current: TrainingPass, measured: Mapping[str, float]) -> None:
        """Keep what the next row's transition needs; called for every row, measured or not.

        Args:
            current: The pass at its parameters.
            measured: Its values, empty if it is not measured.
        """
        self._trajectory.remember(current, measured)
        self._gradient_norms = current.gradient_norms[: self._network.depth]
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
        self._gradient_norms = current.gradient_norms[: self._network.depth]
        self._before = dict(carried.before)
        self._bounds = None
        if carried.weight_norms is not None:
            weight_norms = np.array([math.nan, *carried.weight_norms])
            rows = row_norms(current.run, current.signals)
            self._bounds = NetworkBounds(self._network, rows, weight_norms, config.loss)

    def before_update(self, lr: float) -> None:
        """Tell that θ is about to move.

        Args:
            lr: The learning rate of the update.
        """
        if self._config.measure != "none":
            self._layers.before_update([lr * norm for norm in self._gradient_norms])
        self._trajectory.moved(lr)
        # The learning rate may have been changed since the row was measured.
        self._before["lr"] = lr
        bounds, self._bounds = self._bounds, None
        self._segment = math.nan if bounds is None else bounds.over_ball(lr * self._before.get("grad_norm", math.nan))

    def _infinite_width(self) -> Mapping[str, NDArray[np.float64]]:
        config, x = self._config, self._x_train
        lines = infinite_width_lines(x, config.activation, config.depth)
        if config.measure == "all":
            lines |= infinite_kernel_lines(x, config.activation, config.depth, config.width, bias=config.bias)
        return lines
