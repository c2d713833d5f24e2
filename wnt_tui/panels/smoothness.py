"""Panel 6: the local PL constant μ and five smoothness estimates L, beside 2/η."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.catalogue.numerals import short
from engine.theory.activation import ACTIVATIONS
from wnt_tui.charts.lines import Reference, Series
from wnt_tui.panels.overlay import MainLine
from wnt_tui.panels.pairing import metric_text
from wnt_tui.panels.panel import LinePanel, Number
from wnt_tui.panels.series import Line, step_series
from wnt_tui.panels.words import Note
from wnt_tui.session.snapshot import PanelView


class SmoothnessPanel(LinePanel):
    """μ and L against the step."""

    key = "6"
    title = "local PL μ and smoothness L"
    metrics = (
        "pl", "pl_samplewise", "smoothness_hessian", "smoothness_hessian_residual", "unstable_directions",
        "smoothness_ggn", "smoothness_step", "smoothness_step_resolution", "smoothness_secant", "smoothness_bound",
        "lr",
    )  # fmt: skip
    about = (
        "The Polyak-Łojasiewicz constant μ at the current point and the smoothness L in five versions, each its own "
        "metric. Gradient descent is promised a decrease while L stays below 2/η. A ReLU network is not smooth: its "
        "gradient jumps at kinks, so that every L is only an estimate. Where rounding of the loss exceeds L_step its "
        "line is interrupted: not even its sign is resolved there. The Hessian is too large for a certificate: "
        "its L is a lower bound, and at least so many directions are above 2/η as are said to be."
    )
    log_default = True
    lines = (
        Line("smoothness_bound", "bound", 5, "sparse", optional=True),
        Line("smoothness_secant", "secant", 4, "long"),
        Line("smoothness_step", "step", 3, "dotted", optional=True),
        Line("smoothness_ggn", "GGN", 2, "dashdot"),
        Line("smoothness_hessian", "Hessian", 1, "dashed"),
        Line("pl", "μ", 0),
    )

    numbers = (
        Number("pl", "μ", 3),
        Number("smoothness_hessian", "L", 3),
        Number("smoothness_ggn", "GGN", 3),
        Number("smoothness_step", "L_step", 3),
        Number("smoothness_bound", "bound", 3),
    )

    def applies(self, view: PanelView, name: str) -> bool:
        """The proved bound is about smooth activations."""
        return name != "smoothness_bound" or not ACTIVATIONS[view.snapshot.config.activation].piecewise_linear

    def series(self, view: PanelView) -> list[Series]:
        """The lines, and 2/η where the learning rate was changed inside the window."""
        series = super().series(view)
        if np.ptp(_rates(view)) and any(np.isfinite(line.y).any() for line in series):
            line = step_series(view, Line("lr", "2/η", 6))
            with np.errstate(all="ignore"):
                here = None if line.here is None else 2.0 / line.here
                series.insert(0, replace(line, y=2.0 / line.y, here=here))
        return series

    def references(self, view: PanelView) -> tuple[Reference, ...]:
        """2/η where it is one number."""
        rates = _rates(view)
        limit = 2.0 / float(rates[0])
        return () if np.ptp(rates) else (Reference(limit, f"2/η {short(limit)}", optional=True),)

    def notes(self, view: PanelView) -> list[Note]:
        """A remark on L where the activation has kinks, and the directions beyond the edge of stability."""
        activation = ACTIVATIONS[view.snapshot.config.activation]
        kinks = activation.piecewise_linear and np.isfinite(view.snapshot.column("smoothness_step")).any()
        return [
            (f"{activation.title} is not smooth: L is only an estimate" if kinks else "", "warn"),
            (_directions(view.snapshot.value("unstable_directions", view.cursor)), "text"),
        ]

    def compared(self, view: PanelView) -> Sequence[MainLine]:
        """μ and the Hessian's L, or that of the step where the Hessian's was never measured."""
        hessian = np.isfinite(view.snapshot.column("smoothness_hessian")).any()
        other = Line("smoothness_hessian", "L") if hessian else Line("smoothness_step", "L_step")
        return [MainLine(step_series(view, line), metric_text(view, line.metric)) for line in (Line("pl", "μ"), other)]

    def values(self, view: PanelView) -> list[str]:
        """The numbers, 2/η after L."""
        texts = super().values(view)
        return [*texts[:2], f"2/η {short(2.0 / view.snapshot.lr_at(view.cursor))}", *texts[2:]]


def _directions(count: float) -> str:
    """How many eigenvalues of the Hessian exceed 2/η: ``at least 2 directions above 2/η``."""
    if not math.isfinite(count):
        return ""
    return f"at least {count:.0f} direction{'s' * (count > 1)} above 2/η" if count else "no direction found above 2/η"


def _rates(view: PanelView) -> NDArray[np.float64]:
    """The learning rates used inside the window; the configured one where no row has any."""
    snapshot = view.snapshot
    begin, end = (int(place) for place in np.searchsorted(snapshot.step, (view.first, view.last + 1)))
    rates = snapshot.column("lr")[begin:end]
    rates = rates[np.isfinite(rates) & (rates > 0)]
    return rates if rates.size else np.array([snapshot.config.lr])
