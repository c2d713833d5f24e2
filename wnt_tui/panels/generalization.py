"""Panel 8: the generalization bounds of Lemma 2, their floor, the gap, and whether they say anything."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from textual.strip import Strip

from engine.catalogue.numerals import short, significant
from engine.theory.loss_constants import LOSSES
from wnt_tui.charts.canvas import Canvas
from wnt_tui.charts.lines import Reference
from wnt_tui.panels.panel import LinePanel, Number
from wnt_tui.panels.series import Line
from wnt_tui.panels.words import Note, why_empty
from wnt_tui.session.snapshot import PanelView
from wnt_tui.theme.themes import Palette


class GeneralizationPanel(LinePanel):
    """Bounds on |test − train| risk against the step."""

    key = "8"
    title = "generalization bound, floor, gap"
    metrics = (
        "generalization_bound", "generalization_bound_compositional", "generalization_floor",
        "generalization_gap", "stability_beta", "loss_bound",
    )  # fmt: skip
    about = (
        "Lemma 2's bound on |test − train| risk with local constants and with proved ones, the floor that no local "
        "constant can go below, the gap that was measured, and M, the largest possible loss. A bound at or above M "
        "is vacuous: it says nothing. With the local μ, bound² = M²/(2nδ) + (24MR/δ)(r + r²/(n−1)) with R = loss − "
        "f* and r = G/‖∇f‖ ≥ 1: vacuous unless R < δM/24 and n > 1/(2δ), and these do not suffice."
    )
    log_default = True
    lines = (
        Line("generalization_bound_compositional", "proved constants", 3, "dashdot", optional=True),
        Line("generalization_gap", "gap", 2, "dotted"),
        Line("generalization_floor", "floor", 1, "dashed"),
        Line("generalization_bound", "bound", 0),
    )
    compares = (Line("generalization_bound", "bound"), Line("generalization_gap", "gap"))
    numbers = (
        Number("generalization_bound", "bound", 3),
        Number("generalization_floor", "floor", 3),
        Number("generalization_gap", "gap", 3),
        Number("generalization_bound_compositional", "proved constants", 3),
    )

    def references(self, view: PanelView) -> tuple[Reference, ...]:
        """M, the largest possible loss of one example, or the largest seen."""
        most = view.snapshot.value("loss_bound", view.cursor)
        return (Reference(most, f"M {short(most)}"),) if most > 0 else ()

    def notes(self, view: PanelView) -> list[Note]:
        """Why the bounds are no theorem."""
        return [("" if LOSSES[view.snapshot.config.loss].pl else "heuristic: not PL", "warn")]

    def message(self, view: PanelView) -> str:
        """Why there is no bound."""
        if view.snapshot.config.examples == 1:
            return "not defined for one example: Lemma 2 divides by n − 1"
        return why_empty(view, "generalization_bound")

    def draw(self, view: PanelView, palette: Palette) -> list[Strip]:
        """The chart, and below it whether the bound at the cursor says anything."""
        bounds = view.snapshot.column("generalization_bound")
        # The row stays where the cursor meets no bound: a chart that jumps under a moving cursor is hard to read.
        if view.others or view.height < 6 or not np.isfinite(bounds).any():
            return super().draw(view, palette)
        words, role = _verdict(view)
        canvas = Canvas(view.width, 1, palette)
        canvas.put(0, 0, palette.glyphs.cut(words, view.width), getattr(palette, role))
        return super().draw(replace(view, height=view.height - 1), palette) + canvas.to_strips()


def _verdict(view: PanelView) -> Note:
    """Whether the bound at the cursor says anything, and why not; empty where the bound is not known."""
    config = view.snapshot.config
    bound, most, loss = (view.snapshot.value(n, view.cursor) for n in ("generalization_bound", "loss_bound", "loss"))
    if math.isnan(bound) or math.isnan(most):
        return "", "dim"
    if bound < most:
        return f"The bound says something: {significant(bound, 3)} < M = {short(most)}", "good"
    risk, needed, fewest = loss - config.f_star, config.delta * most / 24, 1 / (2 * config.delta)
    reason = f"loss {significant(risk, 2)}, needs < {significant(needed, 2)}"
    if config.examples <= fewest:
        reason = f"{config.examples} examples, needs > {fewest:g}"
    elif risk < needed:
        reason = "G/‖∇f‖ is too large"
    return f"The bound says nothing: {reason}", "warn"
