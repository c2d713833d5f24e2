"""Panel 2: conditioning of the feature Gram matrices by layer, beside what wide networks and random ones have."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from textual.strip import Strip

from engine.catalogue.certainty import resolved
from engine.catalogue.numerals import significant
from engine.theory.conditioning import log10_condition
from engine.theory.random_matrix import condition_number
from wnt_tui.charts.lines import LineChart, Series, draw_lines
from wnt_tui.charts.number_format import written
from wnt_tui.panels.base import Moment, Panel, first_moment, kind_of, moment, why_empty
from wnt_tui.panels.overlay import MainLine
from wnt_tui.panels.words import rank_deficient, rank_words, unresolved_layers
from wnt_tui.session.snapshot import PanelView
from wnt_tui.theme.themes import Palette

Array = NDArray[np.float64]


class ConditioningPanel(Panel):
    """log₁₀κ(G) against the layer."""

    number = 2
    key = "2"
    title = "conditioning by layer"
    axis = "layer"
    metrics = (
        "log10_cond", "lambda_min", "lambda_max", "lambda_resolution", "infinite_lambda_min",
        "infinite_lambda_max", "lemma12_lambda_min", "definition6_lambda_max", "ntk_log10_cond",
        "infinite_ntk_lambda_min", "infinite_ntk_lambda_max",
    )  # fmt: skip
    about = (
        "log₁₀ of the condition number of each layer's feature Gram matrix at the cursor, at step 0 and at "
        "infinite width. On a logarithmic axis an exponential fall with depth (claim a) is a straight line."
        " Triangles are lower bounds: there λ_min is at or below what float64 can tell from zero. “bound” "
        "is what Lemma 12 and Definition 6 guarantee at infinite width from the input alone; “random matrix” "
        "what features would have if they were independent and normal, κ = ((√w + √n)/(√w − √n))² (B.2), for n "
        "below the width. With more examples than neurons G is singular, whatever the weights: λmin is 0 and the "
        "log is the most that float64 can tell. “K” is the tangent kernel at the cursor, estimated, beside Θ of the "
        "same widths at infinite width. A line that would squeeze the others is named “off scale” and not drawn."
    )

    def draw(self, view: PanelView, palette: Palette) -> list[Strip]:
        """Return the panel's strips."""
        depth = view.snapshot.config.depth
        x = np.arange(depth, dtype=np.float64)
        now = moment(view)
        start = first_moment(view)
        unresolved, deficient = unresolved_layers(now, depth), rank_deficient(view, now)
        conditioning = now.layer_values("log10_cond", depth)
        notes = [(now.remark, "warn")] if now.remark else []
        below = conditioning[unresolved & np.isfinite(conditioning)]
        if below.size:
            least = significant(float(below.min()), 3)
            why = "λmin ≤ ρ" if (unresolved & ~deficient).any() else rank_words(deficient)
            notes.append((f"{palette.glyphs.lower_bound} ≥ {least} ({why})", "warn"))
        kernel = _kernel_words(view, now, start)
        if kernel:
            notes.append((kernel, "text"))
        bound = _log_ratio(start, "definition6_lambda_max", "lemma12_lambda_min", depth)
        infinite, sure = _infinite(view, start)
        first = start.layer_values("log10_cond", depth)
        # Beside nothing measured there is nothing to compare.
        random = _random_matrix(view) if np.isfinite([conditioning, first, infinite]).any() else np.full(depth, np.nan)
        series = [
            Series("random matrix", x[1:], random[1:], 4, "sparse", optional=True),
            Series("bound", x, bound, 3, "dashdot", optional=True),
            Series("∞ width", x, infinite, 2, "dotted", points=True, bounds=~sure),
            Series(f"step {start.step}", x, first, 1, "dashed", points=True, bounds=unresolved_layers(start, depth)),
            Series("now", x, conditioning, 0, points=True, bounds=unresolved),
        ]
        chart = LineChart(
            series=tuple(series),
            first=0,
            last=depth - 1,
            log=view.log,
            cursor=view.layer,
            x_name="layer",
            notes=tuple(notes),
            message=why_empty(view, ("log10_cond",)),
            legend_rows=3,
        )
        return draw_lines(chart, view.width, view.height, palette)

    def compared(self, view: PanelView) -> list[MainLine]:
        """Return the conditioning at the cursor."""
        depth, now = view.snapshot.config.depth, moment(view)
        values, unresolved = now.layer_values("log10_cond", depth), unresolved_layers(now, depth)
        line = Series("now", np.arange(depth, dtype=np.float64), values, points=True, bounds=unresolved)
        return [MainLine(line, kind_of(view, "log10_cond"), now.remark)]

    def subtitle_parts(self, view: PanelView) -> list[str]:
        """Return the values at the cursor."""
        depth = view.snapshot.config.depth
        now, start = moment(view), first_moment(view)
        layer = view.layer
        if not now.values:
            return []
        wide, sure = _infinite(view, start)
        infinite, least_wide = (float(wide[layer]), not sure[layer]) if 0 <= layer < depth else (float("nan"), False)

        def shown(moment: Moment) -> str:
            least = 0 <= layer < depth and unresolved_layers(moment, depth)[layer]
            return f"{'≥ ' if least else ''}{significant(moment.value('log10_cond', layer))}"

        return [
            f"layer {layer}",
            f"now {shown(now)}",
            f"step {start.step} {shown(start)}",
            f"∞ {'≥ ' if least_wide and np.isfinite(infinite) else ''}{significant(infinite)}",
        ]


def _random_matrix(view: PanelView) -> Array:
    """Return log₁₀κ(G) of Gaussian features by layer, NaN where n ≥ width leaves them no λ_min to speak of."""
    config = view.snapshot.config
    kappa = condition_number(config.width, config.examples)
    level = 2.0 * np.log10(kappa) if np.isfinite(kappa) else np.nan
    return np.full(config.depth, level)


def _kernel_words(view: PanelView, now: Moment, start: Moment) -> str:
    """Return log₁₀κ of the tangent kernel beside that of its limit: ``K 1.77 est · ∞ 1.65``."""
    snapshot = view.snapshot
    value = snapshot.value("ntk_log10_cond", now.step)
    if not np.isfinite(value):
        return ""
    examples, last = snapshot.config.examples, snapshot.config.depth - 1
    low, high = start.value("infinite_ntk_lambda_min", last), start.value("infinite_ntk_lambda_max", last)
    limit = log10_condition(low, high, examples)
    values, kind = snapshot.values_at(now.step), kind_of(view, "ntk_log10_cond")
    text = written("ntk_log10_cond", "K", values, kind, examples=examples)
    if np.isfinite(limit):
        ends = {"infinite_ntk_lambda_min": low, "infinite_ntk_lambda_max": high}
        least = not resolved("infinite_ntk_lambda_min", ends, examples)
        text += f" · ∞ {'≥ ' if least else ''}{significant(limit, 3)}"
    return text


def _infinite(view: PanelView, start: Moment) -> tuple[Array, NDArray[np.bool_]]:
    """Return log₁₀κ(Σ) by layer, and where it is resolved."""
    depth, examples = view.snapshot.config.depth, view.snapshot.config.examples
    low, high = (start.layer_values(f"infinite_lambda_{end}", depth) for end in ("min", "max"))
    sure = resolved("infinite_lambda_min", {"infinite_lambda_min": low, "infinite_lambda_max": high}, examples)
    return log10_condition(low, high, examples), sure


def _log_ratio(start: Moment, high: str, low: str, depth: int) -> Array:
    """Return log₁₀(high/low) by layer, NaN where either is missing or not positive."""
    top, bottom = start.layer_values(high, depth), start.layer_values(low, depth)
    with np.errstate(all="ignore"):
        known = (top > 0) & (bottom > 0)
        return np.where(known, np.log10(np.where(known, top, 1.0)) - np.log10(np.where(known, bottom, 1.0)), np.nan)
