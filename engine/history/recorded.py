"""A session as re-execution reads it: its rows one by one, the learning rates it was trained with, what it began from.

Needs no torch.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.config import RunConfig
from engine.errors import SessionError
from engine.measure.schedule import MEASURED, Work, costly_of, made_at
from engine.record import lr_in_force, lr_leaving
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
    """

    step: int
    values: Mapping[str, float]
    layers: Mapping[str, NDArray[np.float64]]


class RecordedRun:
    """What was recorded of a run.

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

    def row(self, step: int) -> RecordedRow:
        """A row.

        Args:
            step: Its step.

        Returns:
            The row.

        Raises:
            SessionError: There is none.
        """
        steps, columns = self.reader.steps(step - 1, 1)
        if steps.size != 1 or steps[0] != step:
            raise SessionError(f"{self.name} has no row of step {step}.", self._range())
        there = set(self.reader.columns("steps"))
        values = {name: float(column[0]) for name, column in columns.items() if name in there and name != "time"}
        there = set(self.reader.columns("layers"))
        layers = {name: column for name, column in self.reader.layers_at(step).items() if name in there}
        return RecordedRow(step, values, layers)

    def require(self, step: int) -> None:
        """Refuse a step that was not recorded.

        Args:
            step: A step.

        Raises:
            SessionError: The session does not have it; the hint says which ones it has.
        """
        if not 0 <= self.first <= step <= self.last:
            raise SessionError(f"{self.name} has no row of step {step}.", self._range())

    def lr_leaving(self, step: int) -> float:
        """η of the update that leaves a recorded row, or would leave it where it is the newest."""
        steps, columns = self.reader.steps(step - 2, 2)
        return lr_leaving(columns["lr"][steps <= step], self.config.lr)

    def lr_in_force(self) -> float:
        """η of the rows after the newest."""
        return lr_in_force((stored.event for stored in self.reader.all_events()), self.lr_leaving(self.last))

    def work_at(self, step: int) -> Work | None:
        """What was measured at a row.

        Args:
            step: A recorded step.

        Returns:
            The row's work; None where the file is older than the columns that tell it.
        """
        steps, columns = self.reader.steps(step - 1, 1)
        there = set(self.reader.columns("steps"))
        if steps.size != 1 or steps[0] != step or MEASURED not in there or not costly_of(there):
            return None
        made = made_at({name: float(columns[name][0]) for name in there & columns.keys()})
        return Work(bool(made) or not math.isnan(float(columns[MEASURED][0])), made)

    def _range(self) -> str:
        return f"Recorded are steps {self.first} to {self.last}." if self.last >= 0 else "It has no rows at all."


def parent_of(meta: Mapping[str, str]) -> dict[str, str]:
    """What a branch says of where it comes from.

    Args:
        meta: A session's ``meta``.

    Returns:
        ``parent`` (a path, relative to the branch's folder), ``parent_step``, ``parent_created`` and
        ``parent_changes`` (JSON); {} for a run that is no branch.
    """
    return {name: meta[name] for name in meta if name.startswith("parent")}


def changes_of(meta: Mapping[str, str]) -> dict[str, tuple[object, object]]:
    """The options in which a branch differs from its parent.

    Args:
        meta: The branch's ``meta``.

    Returns:
        The parent's value and the branch's by option; {} where there are none or the text makes no sense.
    """
    try:
        found = json.loads(meta.get("parent_changes", "{}"))
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(name): (pair[0], pair[1]) for name, pair in found.items() if isinstance(pair, list) and len(pair) == 2}
