"""Panel 5: λ_min of the selected layer over training, above the five bounds of Eq. 13."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from wnt_tui.charts.lines import Series
from wnt_tui.panels.moment import moment
from wnt_tui.panels.overlay import MainLine
from wnt_tui.panels.panel import LinePanel
from wnt_tui.panels.series import Line, band_series
from wnt_tui.panels.words import Note, rank_words, why_empty
from wnt_tui.session.snapshot import PanelView

_BOUNDS = (
    Line("eq13_weights", "ΔW", 5, "sparse"),
    Line("eq13_features", "ΔF", 3, "dashdot"),
    Line("eq13_features_op", "ΔF₂", 2, "dotted"),
    Line("eq13_fro", "fro", 4, "long"),
    Line("eq13_op", "op", 1, "dashed"),
)


class EigenvaluePanel(LinePanel):
    """λ_min(G) of one layer and its lower bounds against the step."""

    key = "5"
    title = "λmin and its bounds (Eq. 13)"
    metrics = ("lambda_min", "eq13_op", "eq13_fro", "eq13_features_op", "eq13_features", "eq13_weights")
    about = (
        "Smallest eigenvalue of the selected layer's Gram matrix during training, and five lower bounds on it from "
        "how far the Gram matrix, the features or the weights have moved since step 0. op ≥ fro and ΔF₂ (spectral) ≥ "
        "ΔF (Frobenius) ≥ ΔW always; the two families cross. A bound at or below 0 is vacuous: it says nothing; the "
        "panel names the step from which on. With more examples than neurons λmin is 0 whatever the weights, because "
        "the rank is at most the width: then there is nothing to bound."
    )
    log_default = True
    lines = (*_BOUNDS, Line("lambda_min", "λmin"))  # the weakest bound first, so that the strongest is drawn on top

    def series(self, view: PanelView) -> list[Series]:
        """λ_min and its bounds at the selected layer."""
        names, layer, now = tuple(line.metric for line in self.lines), view.layer, moment(view)
        bands = view.snapshot.layers.bands(names, view.first, view.last, max(2 * view.width, 2), layer)
        here = {name: now.value(name, layer) if now.step == view.cursor else np.nan for name in names}
        return [band_series(bands[line.metric], layer, line, here[line.metric]) for line in self.lines]

    def notes(self, view: PanelView) -> list[Note]:
        """A rank below n, an eigenvalue that is not resolved, and the bounds that are vacuous."""
        now = moment(view)
        rank = rank_words(now.rank_deficient(), view.layer)
        unresolved = not rank and now.bounded_below()[view.layer : view.layer + 1].any()
        *bounds, _ = self.series(view)
        words = (rank, "λmin may be 0" if unresolved else "", *_vacuous_words(bounds))
        return [(text, "warn") for text in words]

    def message(self, view: PanelView) -> str:
        """Why there is no eigenvalue."""
        if view.log and rank_words(moment(view).rank_deficient(), view.layer):
            return "nothing above 0 for a logarithmic axis; l: linear"
        return why_empty(view, "lambda_min")

    def compared(self, view: PanelView) -> Sequence[MainLine]:
        """λ_min of the selected layer."""
        series, now = self.series(view)[-1], moment(view)
        text = now.text("lambda_min", view.layer, marked=True) if now.step == view.cursor else ""
        return [MainLine(replace(series, name=f"λmin layer {view.layer}"), text)]

    def values(self, view: PanelView) -> list[str]:
        """λ_min, why it is 0, and its bounds, the strongest first."""
        now, layer = moment(view), view.layer
        if not now.values:
            return []
        rank = rank_words(now.rank_deficient(), layer)
        parts = [f"layer {layer}: λmin {'0' if rank else now.text('lambda_min', layer)}", rank]
        for line in reversed(_BOUNDS):
            vacuous = now.value(line.metric, layer) <= 0
            text = "vacuous" if vacuous else now.text(line.metric, layer, 3, marked=True)
            parts.append(f"{line.label} {text}")
        return parts


def _vacuous_words(bounds: list[Series]) -> list[str]:
    """The bounds vacuous all along, and those from a step on: ``vacuous: ΔW``, ``vacuous from: fro/ΔF 1, op 3``."""
    since: dict[float, list[str]] = {}
    for line in bounds:
        useful = np.flatnonzero(line.y > 0)
        if line.x.size and (not useful.size or useful[-1] < line.x.size - 1):
            since.setdefault(float(line.x[useful[-1] + 1]) if useful.size else -np.inf, []).append(line.name)
    if len(since) == 1 and len(bounds) == sum(map(len, since.values())):
        return [f"all vacuous from step {step:g}" if step > -np.inf else "all vacuous" for step in since]
    throughout = "/".join(since.pop(-np.inf, []))
    later = ", ".join(f"{'/'.join(names)} {step:g}" for step, names in sorted(since.items()))
    return [throughout and f"vacuous: {throughout}", later and f"vacuous from: {later}"]
