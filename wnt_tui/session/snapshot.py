"""What the screen is drawn from: an immutable view of a session at one moment, and the cursor's view of it.

``source.py`` builds snapshots from a session file; panels only read them. Nothing here touches a file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.config import RunConfig
from engine.record import Event, lr_leaving
from engine.session.rows import LayerBlocks
from engine.session.speed import SPEED_ROWS, steps_per_second
from engine.theory.pairings import Estimator

Array = NDArray[np.float64]


class LayerView(Protocol):
    """Access to the layers' table of a session, on demand and bounded."""

    def at(self, step: int) -> Mapping[str, Array]:
        """All layer metrics at a step, each of shape (depth + 1,), NaN where not computed; {} if no such row."""
        ...

    def bands(
        self, names: tuple[str, ...], first: int, last: int, blocks: int, layer: int | None = None
    ) -> Mapping[str, LayerBlocks]:
        """Layer metrics over steps first..last in at most about ``blocks`` blocks; of one layer if it is given."""
        ...


@dataclass(frozen=True, slots=True)
class EngineView:
    """The engine as the viewer knows it.

    Attributes:
        alive: Whether a process holds the session's lock.
        state: ``starting``, ``running``, ``paused``, ``finished``, ``stopped``, ``diverged``, ``failed``, or
            ``died`` when the file says it lives and no process holds the lock.
        message: A sentence of the engine's, for example why it failed; may be empty.
        device: Where it computes, for people: ``cuda:0 H200``, ``cpu``.
        blocked_since: Unix time since when recording waits for the disk, or None.
        step: The step it is at, which may lie before the newest row; −1 if unknown.
        paused_since: Unix time since when it is paused, or None.
        busy_since: Unix time since when it is busy with a step that takes unusually long, or None.
        silent_since: Unix time of the last sign of life where there should have been another, or None.
        sees_viewer: Whether it can see that somebody watches, and waits for them when it has finished.
    """

    alive: bool
    state: str
    message: str
    device: str
    blocked_since: float | None = None
    step: int = -1
    paused_since: float | None = None
    busy_since: float | None = None
    silent_since: float | None = None
    sees_viewer: bool = True


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Snapshot:
    """A session at one moment.

    Attributes:
        name: The session's name for people (file name without suffix).
        config: Its configuration.
        meta: The session's ``meta`` table, plain text.
        data_name: The resolved data set, for people: ``cifar10``.
        engine: State of its engine.
        step: Steps of the rows, ascending, shape (rows,).
        columns: Step metrics by catalogue name, each of shape (rows,), NaN for NULL.
        layers: The layers' table.
        events: All events, by step.
        version: Grows whenever anything here changed; equal versions mean equal content.
    """

    name: str
    config: RunConfig
    meta: Mapping[str, str]
    data_name: str
    engine: EngineView
    step: NDArray[np.int64]
    columns: Mapping[str, Array]
    layers: LayerView
    events: Sequence[Event] = field(default_factory=tuple)
    version: int = 0

    def as_origin(self, step: int) -> Snapshot:
        """The rows that a branch at a step goes on from, of which no engine is at work."""
        kept = int(np.searchsorted(self.step, step, side="right"))
        return replace(
            self,
            engine=EngineView(False, "starting", "", ""),
            step=self.step[:kept],
            columns={name: column[:kept] for name, column in self.columns.items()},
            events=tuple(event for event in self.events if event.step <= step),
        )

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.step.shape[0])

    @property
    def last_step(self) -> int:
        """Step of the newest row, −1 before the first."""
        return int(self.step[-1]) if self.rows else -1

    @property
    def engine_behind(self) -> bool:
        """Whether a waiting engine is at an earlier step than the newest row: it was taken back."""
        return self.engine.alive and self.engine.state == "paused" and 0 <= self.engine.step < self.last_step

    @property
    def speed(self) -> float:
        """Steps per second over the newest rows, NaN where that cannot be said."""
        return steps_per_second(self.column("time")[-SPEED_ROWS:])

    @property
    def seconds_left(self) -> float:
        """Seconds to the planned end at the present speed, NaN where it is unknown or the plan is done."""
        left = self.config.steps - self.last_step
        return left / self.speed if left > 0 else math.nan

    def column(self, name: str) -> Array:
        """A step metric, shape (rows,); all NaN if the session does not have it."""
        values = self.columns.get(name)
        return np.full(self.rows, np.nan) if values is None else values

    def index_of(self, step: int) -> int:
        """The index of the newest row at or before a step, −1 if there is none."""
        return int(np.searchsorted(self.step, step, side="right")) - 1

    def value(self, name: str, step: int) -> float:
        """A step metric at exactly this step, NaN if there is no such row or it was not computed."""
        index = self.index_of(step)
        if index < 0 or int(self.step[index]) != step:
            return float("nan")
        return float(self.column(name)[index])

    def values_at(self, step: int) -> dict[str, float]:
        """All step metrics at exactly this step by name; {} if there is no such row."""
        index = self.index_of(step)
        if index < 0 or int(self.step[index]) != step:
            return {}
        return {name: float(column[index]) for name, column in self.columns.items()}

    def lr_at(self, step: int) -> float:
        """Return η of the update that leaves a step."""
        return lr_leaving(self.column("lr")[: self.index_of(step) + 1], self.config.lr)


@dataclass(frozen=True, slots=True)
class PanelView:
    """All that a panel may look at to draw itself.

    Attributes:
        snapshot: The session.
        cursor: The step every panel shows.
        first: First step of the visible window.
        last: Last step of the visible window (the run's planned last step while live, so that axes stay put).
        layer: The selected layer, 0 … depth − 1.
        width: Columns inside the border.
        height: Rows inside the border.
        log: The panel's log-axis toggle.
        estimator: The L that every prediction is paired with; None for the pairings that the run stored.
        others: Sessions that this one is compared with; the cursor belongs to ``snapshot``.
    """

    snapshot: Snapshot
    cursor: int
    first: int
    last: int
    layer: int
    width: int
    height: int
    log: bool
    estimator: Estimator | None = None
    others: tuple[Snapshot, ...] = ()
