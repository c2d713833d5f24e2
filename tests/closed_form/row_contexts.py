"""Rows for a measurement that is tried by itself."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from engine import RunConfig
from engine.data import DataSet
from engine.device.transfer import Transfer
from engine.measure.base import Findings, Measurement, RowContext
from engine.model.training_pass import TrainingPass
from tests.closed_form.small_networks import Small

M = TypeVar("M", bound=Measurement)


def row_of(found: TrainingPass) -> RowContext:
    """A row with this pass, of a measurement that reads no more of the data than how much there is."""
    n, k = found.run.logits.shape
    data = DataSet("none", np.empty((n, 1)), np.zeros(n, int), np.empty((0, 1)), np.empty(0, int), k, None, "")
    return RowContext(0, data, found, Transfer())


def begun(measurement: M, case: Small, **options: object) -> M:
    """A measurement at the beginning of a run of the network."""
    config = RunConfig(loss=case.loss, **options)  # type: ignore[arg-type]  # RunConfig checks what it is given
    measurement.begin(config, case.model)
    return measurement


def update(case: Small, found: TrainingPass, lr: float) -> None:
    """The network a step of gradient descent later."""
    for parameter, gradient in zip(case.model.parameters.values(), found.gradients.values(), strict=True):
        parameter.sub_(lr * gradient)


def measured(measurement: Measurement, row: RowContext) -> Findings:
    """What a measurement finds at a row."""
    measurement.prepare(row)
    row.launched[measurement.name] = measurement.launch(row)
    return measurement.collect(row)
