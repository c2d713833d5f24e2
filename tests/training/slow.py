"""A clock that a test moves, and measurements that take their time by it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import pytest

from engine import Trainer
from engine.config import RunConfig
from engine.measure.base import Findings, Measurement, RowContext, State
from engine.model.base import Model


class Clock:
    """Stands still until it is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("time.perf_counter", lambda: self.now)

    def taking(self, monkeypatch: pytest.MonkeyPatch, seconds: float, owner: object, name: str) -> None:
        """Have a method take some seconds."""
        original = getattr(owner, name)

        def slow(*args: object, **kwargs: object) -> object:
            self.now += seconds
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, slow)

    def passes(self, monkeypatch: pytest.MonkeyPatch, trainer: Trainer, training: float, test: float = 0.0) -> None:
        """Have the passes of a trainer take some seconds."""
        self.taking(monkeypatch, training, trainer.model, "forward")
        self.taking(monkeypatch, test, trainer.model, "logits")


class Slow(Measurement):
    """A measurement that takes some seconds more.

    Args:
        of: The measurement.
        clock: By which.
        collecting: Seconds to collect.
        launching: Seconds to launch.
        updating: Seconds before an update.
    """

    def __init__(
        self, of: Measurement, clock: Clock, collecting: float, launching: float = 0.0, updating: float = 0.0
    ) -> None:
        self.of, self.clock = of, clock
        self.collecting, self.launching, self.updating = collecting, launching, updating
        self.name, self.provides, self.needs, self.costly = of.name, of.provides, of.needs, of.costly
        self.of_transition = of.of_transition

    def begin(self, config: RunConfig, model: Model) -> None:
        self.of.begin(config, model)

    def variant(self) -> Hashable:
        return self.of.variant()

    def prepare(self, row: RowContext) -> None:
        self.of.prepare(row)

    def launch(self, row: RowContext) -> object:
        self.clock.now += self.launching
        return self.of.launch(row)

    def collect(self, row: RowContext) -> Findings:
        self.clock.now += self.collecting
        return self.of.collect(row)

    def after(self, row: RowContext) -> None:
        self.of.after(row)

    def before_update(self, lr: float) -> Mapping[str, float]:
        self.clock.now += self.updating
        return self.of.before_update(lr)

    def state(self) -> State:
        return self.of.state()

    def restore(self, state: State, row: RowContext) -> None:
        self.of.restore(state, row)
