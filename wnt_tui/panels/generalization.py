"""Panel 8: the generalization bounds of Lemma 2, their floor, the gap, and whether they say anything."""

from __future__ import annotations

import math

import numpy as np
from textual.strip import Strip

from engine.catalogue.numerals import short, significant
from wnt_tui.charts.canvas import Canvas
from wnt_tui.charts.lines import LineChart, Reference, draw_lines
from wnt_tui.panels.base import Panel, at_cursor, kind_of, step_series, why_empty
from wnt_tui.panels.overlay import MainLine
from wnt_tui.session.snapshot import PanelView
from wnt_tui.theme.themes import Palette


class GeneralizationPanel(Panel):
    """Bounds on |test − train| risk against the step."""

    number = 8
    key = "8"
    title = "generalization bound, floor, gap"
    metrics = (
        "generalization_bound", "generalization_bound_compositional", "generalization_floor",
        "generalization_gap", "stability_beta", "loss_bound",
    )  # fmt: skip
    log_default = True
    about = (
        "Lemma 2's bound on |test − train| risk with local constants and with the compositional Lipschitz "
        "constant, the floor that no local constant can go below, the gap that was measured, and M, the "
        "largest possible loss. A bound at or above M is vacuous. With the local μ, bound² = M²/(2nδ) + "
        "(24MR/δ)(r + r²/(n−1)) with r = G/‖∇f‖ ≥ 1, so it cannot say anything unless R < δM/24 and n > "
        "1/(2δ), and these do not suffice."
    )

    def draw(self, view: PanelView, palette: Palette) -> list[Strip]:
        """Return the panel's strips."""
        verdict, role = vacuity(view)
        bounds = view.snapshot.column("generalization_bound")
        # The row stays where the cursor meets no bound: a chart that jumps under a moving cursor is hard to read.
        words = 1 if view.height >= 6 and np.isfinite(bounds).any() else 0
        most = largest_loss(view)
        chart = LineChart(
            series=(
                step_series(view, "generalization_bound_compositional", "comp.", 3, "dashdot", optional=True),
                step_series(view, "generalization_gap", "gap", 2, "dotted"),
                step_series(view, "generalization_floor", "floor", 1, "dashed"),
                step_series(view, "generalization_bound", "bound", 0),
            ),
            first=view.first,
            last=view.last,
            log=view.log,
            cursor=view.cursor,
            references=(Reference(most, f"M {short(most)}"),) if most > 0 else (),
            notes=(("heuristic: not PL", "warn"),) if view.snapshot.config.loss == "cross_entropy" else (),
            message=_why(view),
        )
        strips = draw_lines(chart, view.width, view.height - words, palette)
        if words:
            canvas = Canvas(view.width, 1, palette)
            canvas.put(0, 0, palette.glyphs.cut(verdict, view.width), getattr(palette, role))
            strips += canvas.to_strips()
        return strips

    def compared(self, view: PanelView) -> list[MainLine]:
        """Return the bound with local constants and the gap."""
        return [
            MainLine(step_series(view, name, label, 0), kind_of(view, name))
            for name, label in (("generalization_bound", "bound"), ("generalization_gap", "gap"))
        ]

    def subtitle_parts(self, view: PanelView) -> list[str]:
        """Return the values at the cursor."""
        return [
            at_cursor(view, "generalization_bound", "bound", 3),
            at_cursor(view, "generalization_floor", "floor", 3),
            at_cursor(view, "generalization_gap", "gap", 3),
            at_cursor(view, "generalization_bound_compositional", "comp.", 3),
        ]


def largest_loss(view: PanelView) -> float:
    """M of Lemma 2 at the cursor: the largest possible loss of one example, or the largest seen.

    Args:
        view: What is shown.

    Returns:
        M, or NaN where it is not known.
    """
    return view.snapshot.value("loss_bound", view.cursor)


def vacuity(view: PanelView) -> tuple[str, str]:
    """Whether the bound at the cursor says anything, and why not, in words.

    Args:
        view: What is shown.

    Returns:
        A sentence and the palette role to write it in; empty where the bound is not known.
    """
    config = view.snapshot.config
    bound = view.snapshot.value("generalization_bound", view.cursor)
    most = largest_loss(view)
    if math.isnan(bound) or math.isnan(most):
        return "", "dim"
    if bound < most:
        return f"says something: bound {significant(bound, 3)} < M {short(most)}", "good"
    risk = view.snapshot.value("loss", view.cursor) - config.f_star
    needed = config.delta * most / 24
    reason = f"R {significant(risk, 2)} must be < δM/24 = {significant(needed, 2)}"
    if config.examples <= 1 / (2 * config.delta):
        reason = f"n must be > 1/(2δ) = {1 / (2 * config.delta):g}"
    elif risk < needed:
        reason = "R < δM/24 holds, but G/‖∇f‖ is too large"
    return f"vacuous: {reason}", "warn"


def _why(view: PanelView) -> str:
    if view.snapshot.config.examples == 1:
        return "not defined for one example: Lemma 2 divides by n − 1"
    return why_empty(view, ("generalization_bound",))
