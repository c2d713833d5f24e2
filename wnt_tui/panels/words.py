"""Wording that panels share: ranges of layers, why λ_min is 0, and why there is nothing to draw."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import metric
from wnt_tui.session.snapshot import PanelView

Note = tuple[str, str]
"""A remark after a legend and the palette's role to write it in."""

_NO_ROWS = {
    "starting": "no data yet — the engine is starting",
    "running": "no data yet — step 0 is being measured",
    "paused": "no data yet — the engine is paused before step 0",
    "stopped": "no data — the engine was stopped before step 0",
    "finished": "no data — the engine ended before step 0",
}


def layer_ranges(chosen: NDArray[np.bool_]) -> str:
    """The chosen layers, shortly: ``layer 3``, ``layers 0–4, 7``; empty if there are none."""
    numbers = np.flatnonzero(chosen)
    if not numbers.size:
        return ""
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    pieces = [str(run[0]) if run.size == 1 else f"{run[0]}–{run[-1]}" for run in runs]
    return f"layer{'s' * (numbers.size > 1)} {', '.join(pieces)}"


def rank_words(deficient: NDArray[np.bool_], layer: int | None = None) -> str:
    """Why λ_min is 0 at a layer, or at any that is rank deficient; empty where the rank is full."""
    chosen = np.flatnonzero(deficient)
    if layer is not None:
        chosen = chosen[chosen == layer]
    if not chosen.size:
        return ""
    if chosen[-1] > 0:
        return "rank ≤ width < n: λmin = 0"
    return "rank < n: λmin = 0" if layer == 0 else "input: rank < n, λmin = 0"


def why_empty(view: PanelView, name: str) -> str:
    """Why there is nothing to draw of a metric, and what would change that."""
    snapshot, needed = view.snapshot, metric(name)
    if not needed.is_measured(snapshot.config.measure):
        return f"not measured: --measure {needed.measured_in}"
    if snapshot.rows == 0:
        engine = snapshot.engine
        words = _NO_ROWS.get(engine.state, f"no data — the engine {engine.state} before step 0")
        return words + f": {engine.message}" * (bool(engine.message) and words.startswith("no data —"))
    if view.last < int(snapshot.step[0]) or view.first > snapshot.last_step:
        return f"no rows in steps {view.first}–{view.last}; the newest is {snapshot.last_step}"
    if view.cursor < int(snapshot.step[0]):
        return f"the first row is step {int(snapshot.step[0])}"
    every = snapshot.config.every
    return "no finite values here" + f" (measured at every {every}th step)" * (every > 1)
