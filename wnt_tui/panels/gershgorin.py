"""Panel 4: the Gershgorin proxy of the conditioning, by layer at the cursor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.catalogue.numerals import significant
from wnt_tui.charts.lines import Series
from wnt_tui.panels.moment import moment
from wnt_tui.panels.pairing import metric_series
from wnt_tui.panels.panel import LinePanel, Number
from wnt_tui.panels.series import Line
from wnt_tui.panels.words import Note, layer_ranges
from wnt_tui.session.snapshot import PanelView


class GershgorinPanel(LinePanel):
    """Row sums, off-diagonal and diagonal extremes of the Gram matrices against the layer."""

    key = "4"
    title = "Gershgorin proxy"
    axis = "layer"
    metrics = (
        "gersh_row_sum", "gersh_max_offdiag", "gersh_max_abs_offdiag", "gersh_min_diag", "gersh_lower",
        "gersh_upper",
    )  # fmt: skip
    about = (
        "Largest off-diagonal row sum, largest off-diagonal and smallest diagonal entry of each layer's Gram matrix "
        "at the cursor. The paper's claim (e): the first two turn at the layer where the conditioning does. "
        "Gershgorin's enclosure [min(G_ii − R_i), max(G_ii + R_i)] is proved, but vacuous where its lower end is at "
        "or below 0: there it says nothing about λ_min."
    )
    log_default = True
    lines = (
        Line("gersh_min_diag", "min diag", 2, "dotted"),
        Line("gersh_max_offdiag", "max off-diag", 1, "dashed"),
        Line("gersh_row_sum", "row sum", 0),
    )
    compares = (Line("gersh_row_sum", "ΣR"), Line("gersh_max_offdiag", "max off-diag"))
    numbers = (
        Number("gersh_row_sum", "ΣR", 3),
        Number("gersh_max_offdiag", "max", 3),
        Number("gersh_min_diag", "diag", 3),
    )

    def series(self, view: PanelView) -> list[Series]:
        """The lines, and the enclosure's lower end where it is positive."""
        enclosure = metric_series(view, Line("gersh_lower", "enclosure ≥", 3, "dashdot"))
        useful = np.where(enclosure.y > 0, enclosure.y, np.nan)
        above = [replace(enclosure, y=useful)] if np.isfinite(useful).any() else []
        return above + super().series(view)

    def notes(self, view: PanelView) -> list[Note]:
        """The step, and where the enclosure is vacuous."""
        with np.errstate(invalid="ignore"):
            vacuous = moment(view).by_layer("gersh_lower") <= 0
        where = "every layer" if vacuous.all() else layer_ranges(vacuous)
        return [*super().notes(view), (where and f"Gershgorin says nothing: lower end ≤ 0, {where}", "warn")]

    def values(self, view: PanelView) -> list[str]:
        """The numbers and the enclosure."""
        now = moment(view)
        ends = (significant(now.value(f"gersh_{end}", view.layer), 3) for end in ("lower", "upper"))
        parts = super().values(view)
        return [*parts[:3], f"[{', '.join(ends)}]", *parts[3:]] if parts else []
