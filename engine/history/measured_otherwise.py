"""Metrics that later versions measure otherwise, and how a run goes on where one version takes over from another.

What training computes is the same in every version, to the bit. What is followed from row to row is not: a row that an
earlier version has measured may come out otherwise, and that is no damage. Where a later version goes on with a session
its measurements begin anew, from the recorded row alone, so that whoever executes the run again finds the same rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from engine.catalogue import STEP_COLUMNS
from engine.measure.base import State, part
from engine.measure.observer import BEFORE, VIOLATIONS
from engine.measure.trajectory import Trajectory
from engine.session.measuring_version import parsed
from engine.session.recorded import RecordedRow

SPECTRUM_OF = "spectrum of "
"""Before a matrix's name: what its whole spectrum is called beside the metrics."""

MEASURED_OTHERWISE: Mapping[str, frozenset[str]] = {
    "0.4.0": frozenset(
        {
            # G itself, to the last digit.
            *("gersh_row_sum", "gersh_min_diag", "gersh_max_offdiag", "gersh_max_abs_offdiag"),
            *("gersh_lower", "gersh_upper"),
            # Extremes of G and spectral norms, by factorisation instead of following, and what is made of them.
            *("lambda_min", "lambda_max", "lambda_resolution", "log10_cond"),
            *("eq13_op", "eq13_fro", "eq13_features_op", "eq13_features", "eq13_weights"),
            *("weight_norm", "weight_distance", "smoothness_bound", "smoothness_segment", "lipschitz_bound"),
            "generalization_bound_compositional",
            # Extremes of K, which is formed, and of the Hessian, and what is predicted from them.
            *("ntk_lambda_min", "ntk_lambda_max", "ntk_log10_cond", "ntk_trace_share"),
            *("pntk_lambda_min", "pntk_lambda_max", "smoothness_ggn"),
            *("smoothness_hessian", "smoothness_hessian_residual", "unstable_directions"),
            *("predicted_lemma1", "ratio_lemma1", "predicted_lemma10", "ratio_lemma10"),
            *(SPECTRUM_OF + name for name in "GK"),
        }
    ),
}
"""By version, what is measured otherwise from it on; the ends of a metric go with it."""


_FOLLOWED = ("smoothness_hessian",)
"""Numbers of the trajectory that training does not determine."""


def measured_otherwise(version: str) -> dict[str, str]:
    """By metric that is measured otherwise now than a version did, the version since which it is."""
    later = {since: names for since, names in MEASURED_OTHERWISE.items() if parsed(version) < parsed(since)}
    return {name: since for since, names in later.items() for name in names}


def otherwise_since(otherwise: Mapping[str, str], metric: str) -> str:
    """Since which version a metric is measured otherwise; empty where it is not."""
    return otherwise.get(metric) or otherwise.get(metric.removesuffix("_low").removesuffix("_high"), "")


def begun_anew(carried: State, row: RecordedRow | None = None) -> State:
    """What measuring hands on from a row, with nothing of what is measured otherwise now.

    Args:
        carried: What was handed on.
        row: The row as it was recorded, where what it says is to be handed on.

    Returns:
        The row's numbers and the trajectory, which training determines; every other measurement begins anew.
    """
    trajectory = dict(part(carried, Trajectory.name))
    before = part(carried, BEFORE) if row is None else row.values
    if row is not None:
        trajectory |= {name: row.values.get(name, math.nan) for name in _FOLLOWED if name in trajectory}
    numbers = {name: before[name] for name in STEP_COLUMNS if name in before and not math.isnan(before[name])}
    return {BEFORE: numbers, VIOLATIONS: part(carried, VIOLATIONS), Trajectory.name: trajectory}
