"""The catalogue: every metric once, with its symbol, unit, kind, equation, cost and meaning.

Session columns, panels, exports, help texts and documentation are generated from it. To add a metric, add an entry to
``step_metrics`` or ``layer_metrics``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from engine.catalogue.layer_metrics import LAYER_METRICS, layer_range
from engine.catalogue.metric import Kind, MeasureSet, Metric
from engine.catalogue.retired import EARLIER_NAMES, RETIRED
from engine.catalogue.step_metrics import STEP_METRICS
from engine.errors import UsageError

__all__ = [
    "CATALOGUE",
    "EARLIER_NAMES",
    "LAYER_COLUMNS",
    "LAYER_METRICS",
    "RETIRED",
    "STEP_COLUMNS",
    "STEP_METRICS",
    "Kind",
    "MeasureSet",
    "Metric",
    "layer_range",
    "metric",
    "nearest",
]

CATALOGUE: dict[str, Metric] = {entry.name: entry for entry in STEP_METRICS + LAYER_METRICS + RETIRED}
STEP_COLUMNS: tuple[str, ...] = tuple(entry.name for entry in STEP_METRICS)
LAYER_COLUMNS: tuple[str, ...] = tuple(entry.name for entry in LAYER_METRICS)


def metric(name: str) -> Metric:
    """The entry of a name; UsageError with the nearest names where there is none."""
    if name not in CATALOGUE:
        raise UsageError(f"There is no metric {name!r}.", nearest(name, CATALOGUE))
    return CATALOGUE[name]


def nearest(name: str, names: Iterable[str]) -> str:
    """A way out for a name that is unknown: the nearest of some names, or where they are listed."""
    near = difflib.get_close_matches(name, list(names), n=3, cutoff=0.4)
    return f"Did you mean {' or '.join(near)}?" if near else "`wnt-tui explain` lists them all."
