"""Panel 2: conditioning of the feature Gram matrices by layer, beside what wide networks and random ones have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.catalogue.certainty import informative
from engine.catalogue.numerals import MISSING, significant
from engine.theory.conditioning import gaussian_condition, log10_condition
from wnt_tui.charts.lines import Series
from wnt_tui.charts.number_format import at_least
from wnt_tui.panels.moment import Moment, first_moment, moment
from wnt_tui.panels.pairing import metric_text
from wnt_tui.panels.panel import LinePanel
from wnt_tui.panels.series import Line, layer_series
from wnt_tui.panels.words import Note, rank_words
from wnt_tui.session.snapshot import PanelView

Array = NDArray[np.float64]


class ConditioningPanel(LinePanel):
    """log₁₀κ(G) against the layer."""

    key = "2"
    title = "conditioning by layer"
    axis = "layer"
    metrics = (
        "log10_cond", "lambda_min", "lambda_max", "lambda_resolution", "infinite_lambda_min",
        "infinite_lambda_max", "lemma12_lambda_min", "definition6_lambda_max", "ntk_log10_cond",
        "infinite_ntk_lambda_min", "infinite_ntk_lambda_max",
    )  # fmt: skip
    about = (
        "log₁₀ of the condition number of each layer's feature Gram matrix at the cursor, at step 0 and at infinite "
        "width. On a logarithmic axis an exponential fall with depth (claim a) is a straight line. Triangles are "
        "lower bounds: there λ_min is at or below what float64 can resolve. “bound” is what Lemma 12 and Definition "
        "6 guarantee at infinite width from the input alone; “random matrix” what features would have if they were "
        "independent and normal, κ = ((√w + √n)/(√w − √n))² (B.2), for n below the width. With more examples than "
        "neurons G is singular whatever the weights: λmin is 0 and the logarithm is the most that float64 can "
        "resolve. The tangent kernel at the cursor is an estimate; beside it stands its limit Θ at infinite width. A "
        "line that would squeeze the others is named “off scale” and not drawn."
    )
    compares = (Line("log10_cond", "now"),)

    def series(self, view: PanelView) -> list[Series]:
        """Conditioning now and at first, beside infinite width, its bound, and random features."""
        start = first_moment(view)
        now = layer_series(moment(view), self.compares[0])
        first = layer_series(start, Line("log10_cond", f"step {start.step}", 1, "dashed"))
        infinite, sure = _infinite(start)
        wide = Series("∞ width", now.x, infinite, 2, "dotted", points=True, bounds=~sure)
        # Beside nothing measured there is nothing to compare.
        known = any(np.isfinite(line.y).any() for line in (now, first, wide))
        kappa = gaussian_condition(view.snapshot.config.width, view.snapshot.config.examples)
        # For n ≥ width Gaussian features have no λ_min to speak of.
        random = 2.0 * np.log10(kappa) if known and np.isfinite(kappa) else np.nan
        return [
            Series("random matrix", now.x[1:], np.full(now.x.size - 1, random), 4, "sparse", optional=True),
            Series("bound", now.x, _bound(start), 3, "dashdot", optional=True),
            wide,
            first,
            now,
        ]

    def notes(self, view: PanelView) -> list[Note]:
        """The step, the least of what is only known from below, and the tangent kernel."""
        now = moment(view)
        notes = super().notes(view)
        unresolved, deficient = now.bounded_below(), now.rank_deficient()
        below = now.by_layer("log10_cond")[unresolved]
        if np.isfinite(below).any():
            why = "λmin may be 0" if (unresolved & ~deficient).any() else rank_words(deficient)
            notes.append((f"△ ≥ {significant(float(np.nanmin(below)), 3)} ({why})", "warn"))
        return [*notes, (_kernel_words(view, now, first_moment(view)), "text")]

    def values(self, view: PanelView) -> list[str]:
        """Conditioning of the selected layer."""
        now, start, layer = moment(view), first_moment(view), view.layer
        if not now.values:
            return []
        infinite, sure = _infinite(start)
        wide = at_least(float(infinite[layer]), not sure[layer]) if 0 <= layer < infinite.size else MISSING
        texts = (now.text("log10_cond", layer), start.text("log10_cond", layer))
        return [f"layer {layer}", f"now {texts[0]}", f"step {start.step} {texts[1]}", f"∞ {wide}"]


def _kernel_words(view: PanelView, now: Moment, start: Moment) -> str:
    """log₁₀κ of the tangent kernel beside that of its limit: ``kernel 1.77, infinite width 1.65``."""
    name = "ntk_log10_cond"
    if not np.isfinite(view.snapshot.value(name, now.step)):
        return ""
    text = f"kernel {metric_text(replace(view, cursor=now.step), name, 3)}"
    values, examples = start.at(now.config.depth - 1), now.config.examples
    low, high = (values.get(f"infinite_ntk_lambda_{end}", np.nan) for end in ("min", "max"))
    limit = float(log10_condition(low, high, examples))
    if np.isnan(limit):
        return text
    return f"{text}, infinite width {at_least(limit, not informative('infinite_ntk_lambda_min', values, examples), 3)}"


def _infinite(start: Moment) -> tuple[Array, NDArray[np.bool_]]:
    """log₁₀κ(Σ) by layer, and where more than a lower bound is known."""
    low, high = start.by_layer("infinite_lambda_min"), start.by_layer("infinite_lambda_max")
    examples = start.config.examples
    sure = informative("infinite_lambda_min", {"infinite_lambda_min": low, "infinite_lambda_max": high}, examples)
    return log10_condition(low, high, examples), sure


def _bound(start: Moment) -> Array:
    """log₁₀ of the quotient of Definition 6 and Lemma 12 by layer, NaN where either is missing or not positive."""
    with np.errstate(all="ignore"):
        high, low = (np.log10(start.by_layer(name)) for name in ("definition6_lambda_max", "lemma12_lambda_min"))
        return np.where(np.isfinite(high - low), high - low, np.nan)
