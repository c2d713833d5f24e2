"""Panel 3: conditioning over layers and steps as a heat map."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from textual.strip import Strip

from engine.theory.conditioning import resolution
from wnt_tui.charts.heatmap import HeatMap, draw_heatmap
from wnt_tui.panels.moment import moment
from wnt_tui.panels.overlay import LETTERS, sessions_of
from wnt_tui.panels.panel import Panel
from wnt_tui.panels.series import Line
from wnt_tui.panels.words import rank_words, why_empty
from wnt_tui.session.snapshot import PanelView
from wnt_tui.theme.themes import Palette


class HeatPanel(Panel):
    """log₁₀κ(G) for every layer and step."""

    key = "3"
    title = "log₁₀κ: layer × step"
    axis = "layer"
    metrics = ("log10_cond", "lambda_min", "lambda_max")
    about = (
        "log₁₀ of the condition number of every layer's Gram matrix at every step; the input is the bottom row, "
        "yellow is ill-conditioned (without colours: dense). A cell that stands for several steps or layers shows "
        "the worst of them. Blank cells were not measured. “≥” marks a lower bound: λmin is at or below what float64 "
        "can resolve, or, with more examples than neurons, exactly 0 because the rank is at most the width."
    )
    compares = (Line("log10_cond", "log₁₀κ"),)

    def draw(self, view: PanelView, palette: Palette) -> list[Strip]:
        """The map of one session, or those of all, one below the other, in the same colours."""
        maps = [_heat_map(one, palette) for one in sessions_of(view)]
        if not view.others:
            return draw_heatmap(maps[0], view.width, view.height, palette)
        limit = min(chart.ceiling for chart in maps if chart.ceiling is not None)
        strips: list[Strip] = []
        for place, chart in enumerate(maps):
            beside = tuple(other.values for other in maps if other is not chart)
            marker = palette.glyphs.markers[place % len(palette.glyphs.markers)]
            named = replace(chart, label=f"{LETTERS[place]} {marker}", beside=beside, ceiling=limit)
            height = view.height * (place + 1) // len(maps) - len(strips)
            strips += draw_heatmap(named, view.width, height, palette)
        return strips

    def values(self, view: PanelView) -> list[str]:
        """Conditioning of the selected layer, the best and the worst."""
        now = moment(view)
        if not now.values:
            return []
        parts = [
            f"layer {view.layer}: {now.text('log10_cond', view.layer)}",
            rank_words(now.rank_deficient(), view.layer),
        ]
        known = now.by_layer("log10_cond")
        if np.isfinite(known).any():
            for word, layer in (("best", int(np.nanargmin(known))), ("worst", int(np.nanargmax(known)))):
                parts.append(f"{word} {now.text('log10_cond', layer, 3)} at {layer}")
        return parts


def _heat_map(view: PanelView, palette: Palette) -> HeatMap:
    """One session's map."""
    snapshot = view.snapshot
    band = snapshot.layers.bands(("log10_cond",), view.first, view.last, max(2 * view.width, 1))["log10_cond"]
    # A measured step stands for the steps up to the next one that was to be measured.
    stops = band.last + (snapshot.config.every - 1)
    if stops.size > 1:
        stops[:-1] = np.minimum(stops[:-1], np.maximum(band.first[1:] - 1, band.last[:-1]))
    now = moment(view)
    deficient = now.rank_deficient()
    only_rank = deficient.any() and not (now.bounded_below() & ~deficient).any()
    return HeatMap(
        starts=band.first,
        stops=stops,
        values=band.high[:, : snapshot.config.depth],
        first=view.first,
        last=max(view.last, view.first),
        cursor=view.cursor,
        selected=view.layer,
        log=view.log,
        # At λ_min ≤ ρ it is only a lower bound; less a rounding error.
        ceiling=-float(np.log10(resolution(1.0, snapshot.config.examples))) - 1e-6,
        beyond="(rank: λmin = 0)" if only_rank else "(λmin ≤ ρ)",
        name=f"{'dense' if palette.name == 'mono' else 'yellow'} = ill-conditioned",
        message=why_empty(view, "log10_cond"),
    )
