"""Panel 2: conditioning of the feature Gram matrices by layer, now, at step 0 and at infinite width."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from textual.strip import Strip

from wnt_tui.charts.lines import LineChart, Series, draw_lines
from wnt_tui.charts.number import significant
from wnt_tui.panels.base import Moment, Panel, moment, resolution_limit, why_empty
from wnt_tui.snapshot import PanelView
from wnt_tui.themes import Palette

Array = NDArray[np.float64]


class ConditioningPanel(Panel):
    """log₁₀κ(G) against the layer."""

    number = 2
    key = "2"
    title = "conditioning by layer"
    metrics = (
        "log10_cond", "lambda_min", "lambda_max", "lambda_resolution", "infinite_lambda_min",
        "infinite_lambda_max", "lemma12_lambda_min", "definition6_lambda_max",
    )  # fmt: skip
    about = (
        "log₁₀ of the condition number of each layer's feature Gram matrix at the cursor, at step 0 and at "
        "infinite width. On a logarithmic axis an exponential fall with depth (claim a) is a straight line."
        " Triangles are lower bounds: there λ_min is at or below what float64 can tell from zero. “bound” "
        "is what Lemma 12 and Definition 6 guarantee at infinite width from the input alone."
    )

    def draw(self, view: PanelView, palette: Palette) -> list[Strip]:
        """Return the panel's strips."""
        depth = view.snapshot.config.depth
        x = np.arange(depth, dtype=np.float64)
        now = moment(view)
        start = Moment(0, view.snapshot.layers.at(0), "")
        unresolved = _unresolved(now, depth)
        conditioning = now.layer_values("log10_cond", depth)
        notes = [(now.remark, "warn")] if now.remark else []
        below = conditioning[unresolved & np.isfinite(conditioning)]
        if below.size:
            least = significant(float(below.min()), 3)
            notes.append((f"{palette.glyphs.lower_bound} ≥ {least} (λmin ≤ ρ)", "warn"))
        bound = _log_ratio(start, "definition6_lambda_max", "lemma12_lambda_min", depth)
        infinite = _log_ratio(start, "infinite_lambda_max", "infinite_lambda_min", depth)
        first = start.layer_values("log10_cond", depth)
        limit = resolution_limit(view.snapshot.config.examples)
        series = [
            Series("bound", x, bound, 3, "dashdot", optional=True),
            Series("∞ width", x, infinite, 2, "dotted", points=True, bounds=infinite >= limit),
            Series("step 0", x, first, 1, "dashed", points=True, bounds=_unresolved(start, depth)),
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
        )
        return draw_lines(chart, view.width, view.height, palette)

    def subtitle_parts(self, view: PanelView) -> list[str]:
        """Return the values at the cursor."""
        depth = view.snapshot.config.depth
        now, start = moment(view), Moment(0, view.snapshot.layers.at(0), "")
        layer = view.layer
        if not now.values:
            return []
        sign = "≥ " if 0 <= layer < depth and _unresolved(now, depth)[layer] else ""
        wide = _log_ratio(start, "infinite_lambda_max", "infinite_lambda_min", depth)
        infinite = float(wide[layer]) if 0 <= layer < depth else float("nan")
        return [
            f"layer {layer}",
            f"now {sign}{significant(now.value('log10_cond', layer))}",
            f"step 0 {significant(start.value('log10_cond', layer))}",
            f"∞ {significant(infinite)}",
        ]


def _unresolved(now: Moment, depth: int) -> NDArray[np.bool_]:
    """Return at which layers λ_min is at or below the resolution, so that κ is a lower bound."""
    smallest, resolution = now.layer_values("lambda_min", depth), now.layer_values("lambda_resolution", depth)
    with np.errstate(invalid="ignore"):
        return np.asarray(smallest <= resolution)


def _log_ratio(start: Moment, high: str, low: str, depth: int) -> Array:
    """Return log₁₀(high/low) by layer, NaN where either is missing or not positive."""
    top, bottom = start.layer_values(high, depth), start.layer_values(low, depth)
    with np.errstate(all="ignore"):
        known = (top > 0) & (bottom > 0)
        return np.where(known, np.log10(np.where(known, top, 1.0)) - np.log10(np.where(known, bottom, 1.0)), np.nan)
