"""Rows against rows: what differs between a step that was recorded and the same step executed again."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from engine.catalogue import LAYER_COLUMNS, STEP_METRICS
from engine.history.measured_otherwise import SPECTRUM_OF, measured_otherwise, otherwise_since
from engine.record import StepRecord
from engine.session.recorded import RecordedRow

TRAINING = frozenset({"loss", "accuracy", "grad_norm"})
"""What says that θ is the same: every row has them, and they do not depend on what is measured."""

# Clocks never show the same twice; η is what re-execution is given, not what it finds.
_COMPARED = tuple(metric.name for metric in STEP_METRICS if metric.unit != "seconds" and metric.name != "lr")


@dataclass(frozen=True, slots=True)
class Difference:
    """One number that came out otherwise.

    Attributes:
        step: Its row.
        metric: Its name in the catalogue; of an eigenvalue of a whole spectrum, its matrix.
        layer: Its layer, or None.
        recorded: What the session says, NaN where nothing was computed.
        found: What came out now, NaN likewise.
        otherwise_since: The version since which the metric is measured otherwise than when the row was recorded;
            empty where it is measured as it was.
    """

    step: int
    metric: str
    layer: int | None
    recorded: float
    found: float
    otherwise_since: str = ""

    @property
    def in_training(self) -> bool:
        """Whether it says that θ differs, and not only a measurement."""
        return self.metric in TRAINING

    @property
    def relative(self) -> float:
        """|found − recorded| over the larger modulus; ∞ where only one of them is a finite number."""
        if not (math.isfinite(self.recorded) and math.isfinite(self.found)):
            return math.inf
        return abs(self.found - self.recorded) / max(abs(self.recorded), abs(self.found))

    def __str__(self) -> str:
        where = f" of layer {self.layer}" if self.layer is not None else ""
        text = f"{self.metric}{where} at step {self.step}: recorded {_number(self.recorded)}, now {_number(self.found)}"
        return text if math.isinf(self.relative) else f"{text} (relative difference {self.relative:.2g})"


def differences(row: RecordedRow, record: StepRecord, *, training_only: bool = False) -> list[Difference]:
    """Compare bit by bit.

    Args:
        row: What was recorded.
        record: The same step, executed again.
        training_only: Whether only what says that θ is the same is compared.

    Returns:
        Every number that differs, those of training first. NULL equals NULL and nothing else; wall clocks are left
        out, and metrics that the file has no column for.
    """
    found = _differences(row, record, training_only=training_only)
    otherwise = measured_otherwise(row.version)
    return (
        [replace(one, otherwise_since=otherwise_since(otherwise, one.metric)) for one in found] if otherwise else found
    )


def damage(found: Iterable[Difference]) -> list[Difference]:
    """The differences of what is measured as it was."""
    return [difference for difference in found if not difference.otherwise_since]


def _differences(row: RecordedRow, record: StepRecord, *, training_only: bool) -> list[Difference]:
    found = []
    for name in sorted(_COMPARED, key=lambda name: name not in TRAINING):
        if name not in row.values or (training_only and name not in TRAINING):
            continue
        before, now = row.values[name], float(record.values.get(name, math.nan))
        if before != now and not (math.isnan(before) and math.isnan(now)):
            found.append(Difference(row.step, name, None, before, now))
    if training_only:
        return found
    found += _in_spectra(row, record)
    layers = max((len(column) for column in (*row.layers.values(), *record.layers.values())), default=0)
    nothing = np.full(layers, np.nan)
    for name in LAYER_COLUMNS:
        if name not in row.layers and row.layers:
            continue
        old, new = row.layers.get(name, nothing), record.layers.get(name, nothing)
        for layer in np.flatnonzero((old != new) & ~(np.isnan(old) & np.isnan(new))):
            found.append(Difference(row.step, name, int(layer), float(old[layer]), float(new[layer])))
    return found


def _in_spectra(row: RecordedRow, record: StepRecord) -> list[Difference]:
    """The first eigenvalue that differs of each matrix; NaN stands for one that there is not."""
    found = []
    for matrix in sorted(row.spectra.keys() | record.spectra.keys(), key=str):
        old, new = (spectra.get(matrix, np.empty(0)) for spectra in (row.spectra, record.spectra))
        length = max(len(old), len(new))
        old, new = (np.pad(values, (0, length - len(values)), constant_values=np.nan) for values in (old, new))
        if (unlike := np.flatnonzero((old != new) & ~(np.isnan(old) & np.isnan(new)))).size:
            at, (name, layer) = unlike[0], matrix
            found.append(Difference(row.step, SPECTRUM_OF + name, layer, float(old[at]), float(new[at])))
    return found


def _number(value: float) -> str:
    return "nothing" if math.isnan(value) else repr(value)
