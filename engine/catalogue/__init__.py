"""The catalogue: every metric once, with its symbol, unit, kind, equation, cost and meaning.

Session columns, panels, exports, help texts and documentation are generated from it. ``metric.py`` defines what an
entry is, ``steps.py`` and ``layers.py`` hold the entries, a file a scope, ``kinds.py`` says what a network makes of
their kinds, ``explanation.py`` puts an entry into words; this file looks them up.
"""

from __future__ import annotations

import difflib

from engine.catalogue.kinds import REFINEMENTS, Refinement, kind_in_run
from engine.catalogue.layer_metrics import LAYER_METRICS, layer_range
from engine.catalogue.metric import Cost, Kind, MeasuredIn, Metric, Scope
from engine.catalogue.step_metrics import STEP_METRICS
from engine.errors import UsageError

__all__ = [
    "CATALOGUE",
    "LAYER_COLUMNS",
    "LAYER_METRICS",
    "REFINEMENTS",
    "STEP_COLUMNS",
    "STEP_METRICS",
    "Cost",
    "Kind",
    "MeasuredIn",
    "Metric",
    "Refinement",
    "Scope",
    "kind_in_run",
    "layer_range",
    "metric",
]

CATALOGUE: dict[str, Metric] = {entry.name: entry for entry in STEP_METRICS + LAYER_METRICS}
STEP_COLUMNS: tuple[str, ...] = tuple(entry.name for entry in STEP_METRICS)
LAYER_COLUMNS: tuple[str, ...] = tuple(entry.name for entry in LAYER_METRICS)


def metric(name: str) -> Metric:
    """Look an entry up.

    Args:
        name: A metric's name.

    Returns:
        The entry.

    Raises:
        UsageError: There is no such metric; the sentence names the nearest ones.
    """
    try:
        return CATALOGUE[name]
    except KeyError:
        near = difflib.get_close_matches(name, CATALOGUE, n=3, cutoff=0.4)
        hint = f"Did you mean {', '.join(near)}?" if near else "`wnt-tui explain` lists them all."
        raise UsageError(f"There is no metric {name!r}.", hint) from None
