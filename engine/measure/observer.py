"""The observer: makes the measurements of a row in their order, and carries what they keep from row to row.

It reads passes and never writes parameters.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence
from dataclasses import replace

from engine.catalogue import CATALOGUE
from engine.catalogue.certainty import with_ends
from engine.config import RunConfig
from engine.measure.base import Measurement, RowContext, State, in_order, number, part
from engine.measure.schedule import NOTHING, Schedule, Work, made_at
from engine.measure.violations import Violations
from engine.model.base import Model
from engine.theory.inequality import Row

BEFORE, VIOLATIONS = "before", "violations"
"""Names in the carried state that are the observer's own: step metrics of the row, and the ledger's violations."""


class Observer:
    """Measures rows in the order of their steps.

    Args:
        config: The run's configuration: which rows are measured, and how much time that may take.
        model: The model in training; read only.
        measurements: What is measured at them.
    """

    def __init__(self, config: RunConfig, model: Model, measurements: Sequence[Measurement]) -> None:
        self._config = config
        self._measurements = in_order(measurements)
        for measurement in self._measurements:
            measurement.begin(config, model)
        costly = [one for one in self._measurements if one.costly]
        needed = {one.name: {of.name for of in costly if {of.name, *of.provides} & set(one.needs)} for one in costly}
        self._schedule = Schedule(needed, config.budget)
        self._violations = Violations()
        self._made: list[Measurement] = []
        self._seconds: dict[str, float] = {}  # what preparing the row took
        self._before: dict[str, float] = {}
        self._predicted: dict[str, float] = {}  # step metrics of the transition to the next row

    def work(
        self, training_seconds: float, *, regular: bool, whole: bool, spectra: bool, recorded: Work | None
    ) -> Work:
        """What the next row measures; all where ``whole`` or ``spectra``, what it measured then where ``recorded``."""
        if self._config.measure == "none":
            return NOTHING
        if recorded is not None:
            return self._schedule.again(recorded)
        due = self._schedule.due(training_seconds, regular=regular, whole=whole or spectra)
        return replace(due, spectra=spectra)

    def prepare(self, row: RowContext) -> list[tuple[Measurement, Hashable]]:
        """Fill the buffers of the measurements of a row.

        Returns:
            Those that have operations on the device, in their order, with what tells their programs apart.
        """
        row.before = self._before
        self._seconds, self._made = {}, self._made_at(row.work)
        variants = [(one, one.variant()) for one in self._made if type(one).launch is not Measurement.launch]
        for measurement in self._made:
            began = time.perf_counter()
            measurement.prepare(row)
            self._seconds[measurement.name] = time.perf_counter() - began
        return variants

    @property
    def measures(self) -> bool:
        """Whether anything is measured at the row that has been prepared."""
        return bool(self._made)

    def collect(self, row: RowContext) -> bool:
        """Measure a row that has been launched, as far as its work goes.

        Returns:
            Whether anything was measured. A row that is not, but follows one with costly measurements, has the
            quantities of the transition: what predicts it is known there, and the rest nearly free.
        """
        if not self._made:
            return False
        found: set[str] = set()
        row.values |= self._predicted
        for measurement in self._made:
            if not all(name in row.values or name in row.layers or name in found for name in measurement.needs):
                continue
            if measurement.costly:
                watch = row.stopwatches.get(measurement.name)
                already = self._seconds[measurement.name] + (watch.seconds() if watch else 0.0)
                with self._schedule.timed(measurement.name, already=already):
                    findings = measurement.collect(row)
            else:
                findings = measurement.collect(row)
            row.values.update(findings.values)
            row.layers.update(findings.layers)
            if row.spectra_due:
                row.spectra.update(findings.spectra)
            found.add(measurement.name)
        row.values |= self._schedule.seconds()
        n = self._config.examples
        enclosed = Row(self._config, with_ends(row.values, n), with_ends(row.layers, n), self._before)
        row.events = self._violations.check(row.step, enclosed)
        return True

    @property
    def may_update_early(self) -> bool:
        """Whether θ may move before :meth:`before_update`: nothing is measured, and nobody reads θ there."""
        given = (one for one in self._measurements if type(one).before_update is not Measurement.before_update)
        return self._config.measure == "none" and not any(one.reads_before_update for one in given)

    def charge(self, seconds: float) -> None:
        """Pay for what a row has measured, which took so many seconds in all."""
        self._schedule.charge(seconds)

    def after(self, row: RowContext) -> None:
        """Keep what the next row needs; called for every row, measured or not, when all of it is found."""
        for measurement in self._measurements:
            measurement.after(row)
        self._before = dict(row.values)

    def before_update(self, lr: float) -> None:
        """θ is about to move by a step of this learning rate."""
        self._before["lr"] = lr  # in older checkpoints it may be another one
        self._predicted = {}
        for measurement in self._measurements:
            self._predicted |= measurement.before_update(lr)

    def carried(self) -> State:
        """What the row observed last hands on to the next, by measurement; whoever keeps it copies its tensors."""
        own = {BEFORE: dict(self._before), VIOLATIONS: self._violations.state()}
        return own | {measurement.name: measurement.state() for measurement in self._measurements}

    def restore(self, carried: State, row: RowContext) -> None:
        """Go on as after a row that an observer of this run has observed; ValueError where the state does not fit."""
        before = part(carried, BEFORE)
        if not set(before) <= set(CATALOGUE):
            raise ValueError("it names metrics that there are not")
        self._before, self._predicted = {name: number(before, name) for name in before}, {}
        self._violations.restore(part(carried, VIOLATIONS))
        for measurement in self._measurements:
            measurement.restore(part(carried, measurement.name), row)

    def _made_at(self, work: Work) -> list[Measurement]:
        if work.measured:
            return [one for one in self._measurements if not one.costly or one.name in work.costly]
        return [one for one in self._measurements if one.of_transition and made_at(self._before)]
