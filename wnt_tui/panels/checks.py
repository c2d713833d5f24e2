"""The inequalities the theory guarantees, held against the numbers at the cursor.

A check compares what a session stores; it never recomputes. Estimates are widened by their residuals before
they are compared, and by the rounding of float32 training. The engine's own ``violation`` events are the record;
these lines show where one stands at any step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from engine.catalogue import Kind
from wnt_tui.charts.number import MISSING, significant
from wnt_tui.panels.base import Moment, kind_of, moment
from wnt_tui.snapshot import PanelView

Verdict = Literal["holds", "vacuous", "violated", "exceeded"]
"""``exceeded``: the inequality fails, but in this run it is no theorem."""

# Relative rounding of float32 training that a comparison forgives.
_SLACK = 1e-4


@dataclass(frozen=True, slots=True)
class Check:
    """One inequality at one step.

    Attributes:
        name: What it is about, short.
        text: The numbers, with the inequality signs.
        verdict: Whether it holds.
    """

    name: str
    text: str
    verdict: Verdict


def checks(view: PanelView) -> list[Check]:
    """All inequalities whose terms exist at the cursor.

    Args:
        view: What is shown.

    Returns:
        The checks, those about the selected layer first.
    """
    now = moment(view)
    found = [
        _eq13(view, now),
        _gershgorin(view, now),
        _chain(view, now),
        _below(view, "distance", "distance_init", "R", "radius_bound"),
        _below(view, "gradients", "sample_grad_norm_max", "G", "lipschitz_bound"),
        _below(view, "secant", "smoothness_secant", "L", "smoothness_bound"),
        _kernel(view),
    ]
    return [check for check in found if check is not None]


def _known(*values: float) -> bool:
    return all(math.isfinite(value) for value in values)


def _at_most(low: float, high: float, slack: float = 0.0) -> bool:
    return low <= high + slack + _SLACK * max(abs(low), abs(high))


def _verdict(holds: bool, kind: Kind = "exact") -> Verdict:
    if holds:
        return "holds"
    return "violated" if kind in {"exact", "upper", "lower"} else "exceeded"


def _eq13(view: PanelView, now: Moment) -> Check | None:
    """Return whether the strongest rung of Eq. 13 lies below λ_min of the selected layer."""
    smallest, resolution = now.value("lambda_min", view.layer), now.value("lambda_resolution", view.layer)
    rungs = {"op": now.value("eq13_op", view.layer), "ΔF₂": now.value("eq13_features_op", view.layer)}
    rungs = {name: value for name, value in rungs.items() if math.isfinite(value)}
    if not rungs or not math.isfinite(smallest):
        return None
    name, best = max(rungs.items(), key=lambda pair: pair[1])
    slack = resolution if math.isfinite(resolution) else 0.0
    text = f"{name} {significant(best, 3)} ≤ λmin {significant(smallest, 3)}"
    if not _at_most(best, smallest, slack):
        return Check("Eq. 13", text, "violated")
    if best <= 0:
        return Check("Eq. 13", f"{name} {significant(best, 3)}: vacuous", "vacuous")
    return Check("Eq. 13", text, "holds")


def _gershgorin(view: PanelView, now: Moment) -> Check | None:
    low, high = now.value("gersh_lower", view.layer), now.value("gersh_upper", view.layer)
    smallest, largest = now.value("lambda_min", view.layer), now.value("lambda_max", view.layer)
    if not _known(low, high, smallest, largest):
        return None
    holds = _at_most(low, smallest, _SLACK * high) and _at_most(largest, high)
    spectrum = f"{significant(smallest, 3)} … {significant(largest, 3)}"
    text = f"{significant(low, 3)} ≤ {spectrum} ≤ {significant(high, 3)}"
    return Check("Gershgorin", text, _verdict(holds))


def _chain(view: PanelView, now: Moment) -> Check | None:
    """Return the check of width·λ_min(G)/n ≤ λ_min(K)/n ≤ μ ≤ λ_max(K)/n, for mse_logits and f* = 0."""
    config = view.snapshot.config
    if config.loss != "mse_logits" or config.f_star != 0:
        return None
    value, step, n = view.snapshot.value, view.cursor, config.examples
    low = config.width * now.value("lambda_min", config.depth - 1) / n if now.step == step else math.nan
    kernel_low, kernel_high = value("ntk_lambda_min", step) / n, value("ntk_lambda_max", step) / n
    residual = value("ntk_residual", step) / n
    residual = residual if math.isfinite(residual) else 0.0
    terms = [low, kernel_low, value("pl", step), kernel_high]
    present = [term for term in terms if math.isfinite(term)]
    if len(present) < 2:
        return None
    holds = all(_at_most(a, b, residual) for a, b in pairwise(present))
    shown = " ≤ ".join(significant(term, 2) if math.isfinite(term) else MISSING for term in terms)
    return Check("G, K, μ", shown, _verdict(holds))


def _below(view: PanelView, name: str, inner: str, symbol: str, bound: str) -> Check | None:
    """Return the check that one step metric is at most another."""
    value, limit = view.snapshot.value(inner, view.cursor), view.snapshot.value(bound, view.cursor)
    if not _known(value, limit):
        return None
    kind = kind_of(view, bound)
    mark = {"estimate": " est", "heuristic": " heur"}.get(kind, "")
    holds = _at_most(value, limit)
    sign = "≤" if holds else ">"
    text = f"{significant(value, 3)} {sign} {symbol} {significant(limit, 3)}{mark}"
    return Check(name, text, _verdict(holds, kind))


def _kernel(view: PanelView) -> Check | None:
    """Return the check of λ_min(K) ≤ λ_min(pNTK) ≤ λ_max(pNTK) ≤ λ_max(K)."""
    names = ("ntk_lambda_min", "pntk_lambda_min", "pntk_lambda_max", "ntk_lambda_max")
    terms = [view.snapshot.value(name, view.cursor) for name in names]
    if not _known(*terms):
        return None
    residual = view.snapshot.value("ntk_residual", view.cursor)
    slack = residual if math.isfinite(residual) else 0.0
    holds = all(_at_most(a, b, slack) for a, b in pairwise(terms))
    return Check("pNTK", " ≤ ".join(significant(term, 2) for term in terms), _verdict(holds))
