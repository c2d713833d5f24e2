"""Panel 7: actual over predicted loss, beside what predicting no change would score."""

from __future__ import annotations

from textual.strip import Strip

from wnt_tui.charts.lines import LineChart, Reference, draw_lines
from wnt_tui.panels.base import Panel, at_cursor, step_series, why_empty
from wnt_tui.panels.overlay import MainLine
from wnt_tui.panels.pairing import estimator_note, pairing_at_cursor, ratio_series
from wnt_tui.session.snapshot import PanelView
from wnt_tui.theme.themes import Palette


class PredictionPanel(Panel):
    """Loss-prediction ratios against the step."""

    number = 7
    key = "7"
    title = "loss-prediction ratio"
    paired = True
    references = (Reference(1.0, "exact"),)
    metrics = (
        "ratio_lemma1", "ratio_descent", "ratio_lemma10", "ratio_null", "decrease_ratio", "predicted_lemma1",
        "predicted_descent", "predicted_lemma10", "lemma13_bound",
    )  # fmt: skip
    about = (
        "Actual loss over the loss predicted one step before. 1 is a perfect prediction, below 1 the "
        "network did better than promised. “null” predicts no change at all: a ratio near 1 late in "
        "training can be trivial, so compare with it. The decrease ratio in the border is 1 only if the "
        "step itself was predicted. Lemma 1 presumes η = 1/L; “descent” is the same lemma at the real η."
        " The run stored the pairings that the legend names; e derives them all with one L: the Hessian's, "
        "Gauss-Newton's, that of the step or the secant before, or the bound, each of the row before."
    )

    def draw(self, view: PanelView, palette: Palette) -> list[Strip]:
        """Return the panel's strips."""
        series = [step_series(view, "ratio_null", "null", 6, "dotted")]
        if view.snapshot.config.loss == "cross_entropy":
            series.append(ratio_series(view, "lemma10", "lemma 10", 3, "dashdot"))
        series.append(ratio_series(view, "lemma1", "lemma 1", 1, "dashed"))
        series.append(ratio_series(view, "descent", "descent", 0))
        chart = LineChart(
            series=tuple(series),
            first=view.first,
            last=view.last,
            log=view.log,
            cursor=view.cursor,
            references=self.references,
            notes=estimator_note(view),
            message=_why(view),
        )
        return draw_lines(chart, view.width, view.height, palette)

    def compared(self, view: PanelView) -> list[MainLine]:
        """Return the ratios of the descent lemma and of Lemma 1."""
        return [
            MainLine(ratio_series(view, "descent", "descent", 0), "heuristic"),
            MainLine(ratio_series(view, "lemma1", "lemma 1", 1), "heuristic"),
        ]

    def subtitle_parts(self, view: PanelView) -> list[str]:
        """Return the values at the cursor."""
        parts = [
            pairing_at_cursor(view, "descent", "ratio_descent", "descent"),
            at_cursor(view, "ratio_null", "null"),
            pairing_at_cursor(view, "descent", "decrease_ratio", "Δ", 3),
            pairing_at_cursor(view, "lemma1", "ratio_lemma1", "lemma 1"),
        ]
        if view.snapshot.config.loss == "cross_entropy":
            parts.append(pairing_at_cursor(view, "lemma10", "ratio_lemma10", "lemma 10"))
        return parts


def _why(view: PanelView) -> str:
    if view.snapshot.rows and view.snapshot.last_step < 1 and view.snapshot.config.measure != "none":
        return "the first prediction is for step 1"
    return why_empty(view, ("ratio_descent",))
