"""Rows and events, as the trainer yields them and a session stores them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

EventKind = Literal[
    "start",
    "pause",
    "resume",
    "lr",
    "diverged",
    "finished",
    "stopped",
    "failed",
    "notice",
    "blocked",
    "violation",
    "checkpoint",
    "rewind",
    "branch",
    "break",
    "breakpoint",
    "mark",
]
"""``break``: a breakpoint was hit. ``breakpoint``: one was set or cleared. ``mark``: a person's bookmark."""


Spectra = Mapping[tuple[str, int | None], NDArray[np.float64]]
"""Whole spectra, ascending, shape (order,), by matrix: ``("G", m)`` is G^m, ``("K", None)`` the tangent kernel."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at a step.

    Attributes:
        step: The step at which it took effect.
        kind: What sort of thing it is.
        message: One sentence for people.
        layer: The layer it concerns, or None.
        data: Numbers that belong to it, JSON-compatible.
    """

    step: int
    kind: EventKind
    message: str
    layer: int | None = None
    data: Mapping[str, float | int | str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StepRecord:
    """Row k: θ_k before the update to θ_{k+1}.

    Attributes:
        step: k, from 0.
        values: Step metrics by catalogue name; what is absent was not computed (NULL in a session).
        layers: Layer metrics by catalogue name, each of shape (depth + 1,), float64, NaN where not computed.
        events: What happened at this step.
        spectra: Whole spectra, where the row records them.
    """

    step: int
    values: Mapping[str, float]
    layers: Mapping[str, NDArray[np.float64]]
    events: tuple[Event, ...] = ()
    spectra: Spectra = field(default_factory=dict)

    def __getitem__(self, name: str) -> float | NDArray[np.float64]:
        """The value of a step metric, or the layers' values of a layer metric."""
        return self.values[name] if name in self.values else self.layers[name]


def lr_leaving(rates: NDArray[np.float64], configured: float) -> float:
    """η of the update that leaves the last of some rows; ``configured`` where no row has one."""
    # A diverged row has no rate, nor has the last row of older sessions, which is left with the one that led to it.
    known = rates[np.isfinite(rates) & (rates > 0.0)]
    return float(known[-1]) if known.size else configured


def lr_in_force(events: Iterable[Event], before: float) -> float:
    """η of the rows that are still to come: that of the last change, ``before`` where there was none."""
    for event in events:
        lr = event.data.get("lr")
        if event.kind == "lr" and isinstance(lr, (int, float)) and 0.0 < lr < math.inf:
            before = float(lr)
    return before
