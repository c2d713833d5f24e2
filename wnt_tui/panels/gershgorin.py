"""Panel 4: the Gershgorin proxy of the conditioning, by layer at the cursor."""

from __future__ import annotations

import numpy as np
from textual.strip import Strip

from engine.catalogue.numerals import significant
from wnt_tui.charts.lines import LineChart, Series, draw_lines
from wnt_tui.panels.base import Panel, kind_of, moment, why_empty
from wnt_tui.panels.overlay import MainLine
from wnt_tui.panels.words import layer_ranges
from wnt_tui.session.snapshot import PanelView
from wnt_tui.theme.themes import Palette


class GershgorinPanel(Panel):
    """Row sums, off-diagonal and diagonal extremes of the Gram matrices against the layer."""

    number = 4
    key = "4"
    title = "Gershgorin proxy"
    axis = "layer"
    metrics = (
        "gersh_row_sum", "gersh_max_offdiag", "gersh_max_abs_offdiag", "gersh_min_diag", "gersh_lower",
        "gersh_upper",
    )  # fmt: skip
    log_default = True
    about = (
        "Largest off-diagonal row sum, largest off-diagonal and smallest diagonal entry of each layer's "
        "Gram matrix at the cursor. The paper's claim (e): the first two turn at the layer where the "
        "conditioning does. Gershgorin's enclosure [min(G_ii − R_i), max(G_ii + R_i)] is proved, but says "
        "nothing about λ_min where its lower end is not positive."
    )

    def draw(self, view: PanelView, palette: Palette) -> list[Strip]:
        """Return the panel's strips."""
        depth = view.snapshot.config.depth
        x = np.arange(depth, dtype=np.float64)
        now = moment(view)
        lower = now.layer_values("gersh_lower", depth)
        with np.errstate(invalid="ignore"):
            vacuous, useful = lower <= 0, lower > 0
        notes = [(now.remark, "warn")] if now.remark else []
        if vacuous.any():
            where = "every layer" if vacuous.all() else layer_ranges(vacuous)
            notes.append((f"enclosure ≤ 0, vacuous: {where}", "warn"))
        series = [
            Series("min diag", x, now.layer_values("gersh_min_diag", depth), 2, "dotted", points=True),
            Series("max off-diag", x, now.layer_values("gersh_max_offdiag", depth), 1, "dashed", points=True),
            Series("row sum", x, now.layer_values("gersh_row_sum", depth), 0, points=True),
        ]
        if useful.any():
            series.insert(0, Series("enclosure ≥", x, np.where(useful, lower, np.nan), 3, "dashdot", points=True))
        chart = LineChart(
            series=tuple(series),
            first=0,
            last=depth - 1,
            log=view.log,
            cursor=view.layer,
            x_name="layer",
            notes=tuple(notes),
            message=why_empty(view, ("gersh_row_sum",)),
        )
        return draw_lines(chart, view.width, view.height, palette)

    def compared(self, view: PanelView) -> list[MainLine]:
        """Return row sum and largest off-diagonal entry at the cursor."""
        depth, now = view.snapshot.config.depth, moment(view)
        x = np.arange(depth, dtype=np.float64)
        return [
            MainLine(Series(label, x, now.layer_values(name, depth), points=True), kind_of(view, name), now.remark)
            for name, label in (("gersh_row_sum", "ΣR"), ("gersh_max_offdiag", "max off-diag"))
        ]

    def subtitle_parts(self, view: PanelView) -> list[str]:
        """Return the values at the cursor."""
        now, layer = moment(view), view.layer
        if not now.values:
            return []
        low, high = now.value("gersh_lower", layer), now.value("gersh_upper", layer)
        return [
            f"layer {layer}",
            f"ΣR {significant(now.value('gersh_row_sum', layer), 3)}",
            f"max {significant(now.value('gersh_max_offdiag', layer), 3)}",
            f"[{significant(low, 3)}, {significant(high, 3)}]",
            f"diag {significant(now.value('gersh_min_diag', layer), 3)}",
        ]
