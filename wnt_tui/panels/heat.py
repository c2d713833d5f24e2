"""Panel 3: conditioning over layers and steps as a heat map."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from textual.strip import Strip

from engine.catalogue.numerals import MISSING, significant
from wnt_tui.charts.heatmap import HeatMap, draw_heatmap
from wnt_tui.charts.lines import Series
from wnt_tui.panels.base import Panel, kind_of, moment, resolution_limit, why_empty
from wnt_tui.panels.overlay import LETTERS, MainLine, sessions_of
from wnt_tui.panels.words import rank_deficient, rank_words, unresolved_layers
from wnt_tui.session.snapshot import PanelView
from wnt_tui.theme.themes import Palette


class HeatPanel(Panel):
    """log₁₀κ(G) for every layer and step."""

    number = 3
    key = "3"
    title = "log₁₀κ: layer × step"
    axis = "layer"
    metrics = ("log10_cond", "lambda_min", "lambda_max")
    about = (
        "log₁₀ of the condition number of every layer's Gram matrix at every step; the input is the bottom "
        "row, bright is badly conditioned. A cell that stands for several steps or layers shows the worst "
        "of them. Blank cells were not measured. “≥” marks what is only a lower bound: λmin is at or below what "
        "float64 can tell from zero, or, with more examples than neurons, exactly 0 because the rank is at most the "
        "width."
    )

    def draw(self, view: PanelView, palette: Palette) -> list[Strip]:
        """Return the panel's strips."""
        return draw_heatmap(_heat_map(view), view.width, view.height, palette)

    def draw_compared(self, view: PanelView, palette: Palette) -> list[Strip]:
        """Return the maps of all sessions, one below the other, in the same colours."""
        maps = [_heat_map(one) for one in sessions_of(view)]
        limit = min(chart.ceiling for chart in maps if chart.ceiling is not None)
        strips: list[Strip] = []
        for place, chart in enumerate(maps):
            beside = tuple(other.values for other in maps if other is not chart)
            marker = palette.glyphs.markers[place % len(palette.glyphs.markers)]
            named = replace(chart, label=f"{LETTERS[place]} {marker}", beside=beside, ceiling=limit)
            height = view.height * (place + 1) // len(maps) - len(strips)
            strips += draw_heatmap(named, view.width, height, palette)
        return strips

    def compared(self, view: PanelView) -> list[MainLine]:
        """Return the conditioning at the cursor, for its values."""
        depth, now = view.snapshot.config.depth, moment(view)
        values, unresolved = now.layer_values("log10_cond", depth), unresolved_layers(now, depth)
        line = Series("log₁₀κ", np.arange(depth, dtype=np.float64), values, bounds=unresolved)
        return [MainLine(line, kind_of(view, "log10_cond"))]

    def subtitle_parts(self, view: PanelView) -> list[str]:
        """Return the values at the cursor."""
        now = moment(view)
        if not now.values:
            return []
        values = now.layer_values("log10_cond", view.snapshot.config.depth)
        unresolved = unresolved_layers(now, view.snapshot.config.depth)

        def shown(layer: int, digits: int) -> str:
            if not 0 <= layer < values.size:
                return MISSING
            return ("≥ " if unresolved[layer] else "") + significant(float(values[layer]), digits)

        parts = [f"layer {view.layer}: {shown(view.layer, 4)}", rank_words(rank_deficient(view, now), view.layer)]
        if np.isfinite(values).any():
            best, worst = int(np.nanargmin(values)), int(np.nanargmax(values))
            parts.append(f"best {shown(best, 3)} at {best}")
            parts.append(f"worst {shown(worst, 3)} at {worst}")
        return parts


def _heat_map(view: PanelView) -> HeatMap:
    """Return one session's map."""
    snapshot = view.snapshot
    band = snapshot.layers.bands(("log10_cond",), view.first, view.last, max(2 * view.width, 1))["log10_cond"]
    # A measured step stands for the steps up to the next one that was to be measured.
    stops = band.last + (snapshot.config.every - 1)
    if stops.size > 1:
        stops[:-1] = np.minimum(stops[:-1], np.maximum(band.first[1:] - 1, band.last[:-1]))
    return HeatMap(
        starts=band.first,
        stops=stops,
        values=band.high[:, : snapshot.config.depth],
        first=view.first,
        last=max(view.last, view.first),
        cursor=view.cursor,
        selected=view.layer,
        log=view.log,
        ceiling=resolution_limit(snapshot.config.examples),
        beyond=_why_beyond(view),
        name="log₁₀κ, bright is worse",
        message=why_empty(view, ("log10_cond",)),
    )


def _why_beyond(view: PanelView) -> str:
    """Return why λ_min is too small to be told from 0: where all layers at the cursor agree, the rank."""
    now = moment(view)
    unresolved, deficient = unresolved_layers(now, view.snapshot.config.depth), rank_deficient(view, now)
    return "(rank: λmin = 0)" if deficient.any() and not (unresolved & ~deficient).any() else "(λmin ≤ ρ)"
