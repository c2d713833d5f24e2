"""Panel 6: the local PL constant μ and five smoothness estimates L, beside 2/η."""

from __future__ import annotations

import numpy as np
from textual.strip import Strip

from engine.catalogue.numerals import short
from wnt_tui.charts.lines import LineChart, Reference, Series, draw_lines
from wnt_tui.panels.base import Panel, at_cursor, bound_of, kind_of, step_series, why_empty
from wnt_tui.panels.overlay import MainLine
from wnt_tui.session.snapshot import PanelView
from wnt_tui.theme.themes import Palette


class SmoothnessPanel(Panel):
    """μ and L against the step."""

    number = 6
    key = "6"
    title = "local PL μ and smoothness L"
    metrics = (
        "pl", "pl_samplewise", "smoothness_hessian", "smoothness_hessian_residual", "smoothness_ggn",
        "smoothness_step", "smoothness_step_resolution", "smoothness_secant", "smoothness_bound", "lr",
    )  # fmt: skip
    log_default = True
    about = (
        "The Polyak-Łojasiewicz constant μ at the current point and the smoothness L in five versions, each"
        " its own metric. Gradient descent is promised a decrease while L stays below 2/η. For ReLU the "
        "loss has kinks, so no version of L is a smoothness constant in the theorem's sense: they are "
        "shown, not promised. Where rounding of the loss exceeds L_step its line is interrupted: not even its sign is "
        "resolved there. L ≥ says that the residual of the Hessian's eigenvalue is as large as the value."
    )

    def draw(self, view: PanelView, palette: Palette) -> list[Strip]:
        """Return the panel's strips."""
        series = [
            step_series(view, "smoothness_bound", "bound", 5, "sparse", optional=True),
            step_series(view, "smoothness_secant", "secant", 4, "long"),
            step_series(view, "smoothness_step", "step", 3, "dotted", optional=True),
            step_series(view, "smoothness_ggn", "GGN", 2, "dashdot"),
            step_series(view, "smoothness_hessian", "Hessian", 1, "dashed"),
            step_series(view, "pl", "μ", 0),
        ]
        series = [line for line in series if np.isfinite(line.y).any()]
        rates = _rates(view)
        references: tuple[Reference, ...] = ()
        if rates.size and rates.min() < rates.max():
            # The learning rate was changed inside the window: 2/η is a line of its own.
            line = step_series(view, "lr", "2/η", 6)
            with np.errstate(all="ignore"):
                here = None if line.here is None else 2.0 / line.here
                series.insert(0, Series("2/η", line.x, 2.0 / line.y, 6, here=here))
        elif rates.size and series:
            limit = 2.0 / float(rates[0])
            references = (Reference(limit, f"2/η {short(limit)}", optional=True),)
        relu = view.snapshot.config.activation == "relu"
        chart = LineChart(
            series=tuple(series),
            first=view.first,
            last=view.last,
            log=view.log,
            cursor=view.cursor,
            references=references,
            notes=(("no theorem for ReLU (kinks)", "warn"),) if relu and series else (),
            message=why_empty(view, ("pl", "smoothness_step")),
        )
        return draw_lines(chart, view.width, view.height, palette)

    def compared(self, view: PanelView) -> list[MainLine]:
        """Return μ and the Hessian's L, or L of the step where the Hessian's was not measured."""
        name, label = "smoothness_hessian", "L"
        if not np.isfinite(view.snapshot.column(name)).any():
            name, label = "smoothness_step", "L_step"
        bound = bound_of(view, name, view.snapshot.values_at(view.cursor))
        return [
            MainLine(step_series(view, "pl", "μ", 0), kind_of(view, "pl")),
            MainLine(step_series(view, name, label, 1), kind_of(view, name), bound=bound),
        ]

    def subtitle_parts(self, view: PanelView) -> list[str]:
        """Return the values at the cursor."""
        value = view.snapshot.value
        rate = view.snapshot.lr_at(view.cursor)
        parts = [at_cursor(view, "pl", "μ", 3)]
        if np.isfinite(value("smoothness_hessian", view.cursor)):
            parts.append(at_cursor(view, "smoothness_hessian", "L", 3))
        else:
            parts.append(at_cursor(view, "smoothness_step", "L_step", 3))
        parts.append(f"2/η {short(2.0 / rate)}")
        parts.append(at_cursor(view, "smoothness_ggn", "GGN", 3))
        if view.snapshot.config.activation == "relu":
            parts.append("no bound for ReLU")
        else:
            parts.append(at_cursor(view, "smoothness_bound", "L", 3))
        return parts


def _rates(view: PanelView) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return learning rates used inside the window; the configured one where no row tells."""
    snapshot = view.snapshot
    begin, end = (int(place) for place in np.searchsorted(snapshot.step, (view.first, view.last + 1)))
    rates = snapshot.column("lr")[begin:end]
    rates = rates[np.isfinite(rates) & (rates > 0)]
    return rates if rates.size else np.array([snapshot.config.lr])
