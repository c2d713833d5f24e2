"""The layers at the cursor: the newest measured row at or before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import LAYER_METRICS, metric
from engine.catalogue.certainty import informative
from engine.config import RunConfig
from wnt_tui.charts.number_format import value_text
from wnt_tui.panels.reduction import derived
from wnt_tui.session.snapshot import PanelView, Snapshot

Array = NDArray[np.float64]
Truth = NDArray[np.bool_]

_FIXED = frozenset(entry.name for entry in LAYER_METRICS if entry.scope == "initial")


@dataclass(frozen=True, slots=True)
class Moment:
    """The layers' metrics of one row.

    Attributes:
        step: Its step; −1 if there is none.
        values: Layer metrics by name, each of shape (depth + 1,); empty if there is none.
        config: The run.
        remark: ``at step 12`` if that is not the cursor's step; else empty.
    """

    step: int
    values: Mapping[str, Array]
    config: RunConfig
    remark: str = ""

    def by_layer(self, name: str) -> Array:
        """A metric of the layers with a Gram matrix, shape (depth,), NaN where it was not computed."""
        known = np.asarray(self.values.get(name, ()), dtype=np.float64)[: self.config.depth]
        return np.append(known, np.full(self.config.depth - known.size, np.nan))

    def at(self, layer: int) -> dict[str, float]:
        """All metrics at one layer by name."""
        return {name: self.value(name, layer) for name in self.values}

    def value(self, name: str, layer: int) -> float:
        """A metric at one layer, NaN if it was not computed."""
        values = self.values.get(name)
        return float(values[layer]) if values is not None and 0 <= layer < len(values) else float("nan")

    def text(self, name: str, layer: int, digits: int = 4, *, marked: bool = False) -> str:
        """A metric at one layer as it is to be read: ``12.6``, ``≥ 13.3``, with the mark of its kind if asked for."""
        # Eigenvalues need no mark of an estimate: their resolution says how good they are.
        kind = metric(name).kind_in(self.config) if marked else "exact"
        return value_text(name, self.at(layer), kind, examples=self.config.examples, digits=digits)

    def bounded_below(self) -> Truth:
        """Where of κ(G) only a lower bound is known, shape (depth,); false where nothing was measured."""
        known = np.isfinite(self.by_layer("lambda_min"))
        values = {name: self.by_layer(name) for name in self.values}
        if not known.any():
            return known
        return np.asarray(known & ~informative("log10_cond", values, self.config.examples))

    def rank_deficient(self) -> Truth:
        """Where the rank is below the number of examples, so that λ_min is 0 whatever the weights, shape (depth,)."""
        # The input's width is not in the configuration, but its λ_min is stored as exactly 0 only for this reason or
        # because examples coincide; then its rank is below n all the same.
        deficient = self.by_layer("lambda_min") == 0.0  # ruff: ignore[float-equality-comparison]
        deficient[1:] &= self.config.examples > self.config.width
        return np.asarray(deficient)


def moment(view: PanelView) -> Moment:
    """The layers at the cursor."""
    # A snapshot is all that is known; layers that come later come with another one.
    return derived(view.snapshot, ("moment", view.cursor), lambda: _moment(view.snapshot, view.cursor))


def first_moment(view: PanelView) -> Moment:
    """The layers at the run's first row, step 0 or where a branch begins, which also holds what is fixed over a run."""
    snapshot = view.snapshot
    step = int(snapshot.step[0]) if snapshot.rows else 0
    return Moment(step, snapshot.layers.at(step), snapshot.config)


def _moment(snapshot: Snapshot, cursor: int) -> Moment:
    index = snapshot.index_of(cursor)
    if index < 0:
        return Moment(-1, {}, snapshot.config)
    step, every = int(snapshot.step[index]), snapshot.config.every
    # A branch measures its first row, whatever its step.
    candidates = (step, _measured_before(snapshot, index), max(step - step % every, int(snapshot.step[0])))
    for candidate in dict.fromkeys(candidates):
        values = snapshot.layers.at(candidate)
        if any(np.isfinite(array).any() for name, array in values.items() if name not in _FIXED):
            return Moment(candidate, values, snapshot.config, "" if candidate == cursor else f"at step {candidate}")
    return Moment(step, {}, snapshot.config)


def _measured_before(snapshot: Snapshot, index: int) -> int:
    """The newest step up to a row whose layers were measured, under a budget too."""
    if "layers_seconds" not in snapshot.columns:
        return int(snapshot.step[index])
    seconds = snapshot.column("layers_seconds")
    made = derived(seconds, "made", lambda: np.flatnonzero(np.isfinite(seconds)))
    before = made[made <= index]
    return int(snapshot.step[before[-1] if before.size else index])
