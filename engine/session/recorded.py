"""A recorded run: its rows one by one, the learning rates that it was trained with, what it began from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import EARLIER_NAMES
from engine.config import RunConfig
from engine.errors import SessionError
from engine.record import Spectra, lr_in_force, lr_leaving
from engine.session.measuring_version import measuring_version
from engine.session.reader import SessionReader

ORIGIN = "origin_step"
"""Key of ``meta``: the step whose parameters are a checkpoint of this session and stand for θ_0; absent means θ_0."""


@dataclass(frozen=True, slots=True)
class RecordedRow:
    """A row as it was recorded.

    Attributes:
        step: Its step.
        values: Step metrics that the file has columns for, NaN where not computed.
        layers: Likewise, each of shape (depth + 1,).
        spectra: Whole spectra, where it records them.
        version: The version of wnt-tui that measured it, empty where the session does not say.
    """

    step: int
    values: Mapping[str, float]
    layers: Mapping[str, NDArray[np.float64]]
    spectra: Spectra = field(default_factory=dict)
    version: str = ""


class RecordedRun:
    """A run as it was recorded.

    Args:
        reader: The open session; it is read as it is needed, so a living session's newest rows are seen.
    """

    def __init__(self, reader: SessionReader) -> None:
        self.reader = reader
        self.config: RunConfig = reader.config()
        self.meta = reader.meta()
        self.name = reader.name

    @property
    def first(self) -> int:
        """The first row's step, −1 if there is none."""
        return self.reader.first_step()

    @property
    def last(self) -> int:
        """The newest row's step, −1 if there is none."""
        return self.reader.last_step()

    @property
    def origin(self) -> int:
        """The step at which the run's measurements began: 0, or that of a checkpoint that stands for θ_0."""
        try:
            return max(0, int(self.meta.get(ORIGIN, "0")))
        except ValueError:
            return 0

    def require(self, step: int) -> None:
        """Refuse, with a SessionError, a step that was not recorded."""
        first, last = self.first, self.last
        if not 0 <= first <= step <= last:
            recorded = f"Recorded are steps {first} to {last}." if last >= 0 else "It has no rows at all."
            raise SessionError(f"{self.name} has no row of step {step}.", recorded)

    def row(self, step: int) -> RecordedRow:
        """A row; a SessionError where there is none."""
        steps, columns = self.reader.steps(step - 1, 1)
        if steps.size != 1 or steps[0] != step:
            raise SessionError(f"{self.name} has no row of step {step}.")
        there = set(self.reader.columns("steps")) - {"time"}
        values = {name: float(column[0]) for name, column in columns.items() if name in there}
        there = set(self.reader.columns("layers"))
        there |= {name for name, earlier in EARLIER_NAMES.items() if earlier in there}
        layers = {name: column for name, column in self.reader.layers_at(step).items() if name in there}
        return RecordedRow(step, values, layers, self.reader.spectra_at(step), self.version(step))

    def version(self, step: int) -> str:
        """The version of wnt-tui that measured, or will measure, the row of a step; empty where that is not known."""
        return measuring_version(self.meta, step)

    def lr_leaving(self, step: int) -> float:
        """η of the update that leaves a recorded row, or would leave it where it is the newest."""
        steps, columns = self.reader.steps(step - 2, 2)
        rates = columns["lr"][steps <= step]
        led = lr_leaving(rates, self.config.lr)
        if step < self.last or np.isfinite(rates[-1:]).any():
            return led
        return self._changed(led)  # the last row of an older session has no rate before it is gone on with

    def lr_in_force(self) -> float:
        """η of the rows after the newest."""
        return self._changed(self.lr_leaving(self.last))

    def _changed(self, lr: float) -> float:
        """η after the last change, or this one where nothing was changed."""
        return lr_in_force((stored.event for stored in self.reader.all_events()), lr)
