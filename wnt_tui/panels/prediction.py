"""Panel 7: actual over predicted loss, beside what predicting no change would score."""

from __future__ import annotations

from engine.theory.loss_constants import LOSSES
from wnt_tui.charts.lines import Reference
from wnt_tui.panels.pairing import estimator_note
from wnt_tui.panels.panel import LinePanel, Number
from wnt_tui.panels.series import Line
from wnt_tui.panels.words import Note, why_empty
from wnt_tui.session.snapshot import PanelView


class PredictionPanel(LinePanel):
    """Loss-prediction ratios against the step."""

    key = "7"
    title = "loss-prediction ratio"
    metrics = (
        "ratio_descent", "ratio_lemma1", "ratio_lemma10", "ratio_null", "decrease_ratio", "predicted_lemma1",
        "predicted_descent", "predicted_lemma10", "lemma13_bound",
    )  # fmt: skip
    about = (
        "Actual loss over the loss predicted one step before. 1 is a perfect prediction, below 1 the network did "
        "better than promised. “no change” predicts the loss before: a ratio near 1 late in training can be trivial, "
        "so compare with it. The decrease ratio in the border is 1 only if the step itself was predicted. Lemma 1 "
        "presumes η = 1/L; “descent” is the same lemma at the real η. The run stored the pairings that the legend "
        "names; e derives them all with one L: the Hessian's, Gauss-Newton's, that of the step or the secant before, "
        "or the bound, each of the row before."
    )
    paired = True
    levels = (Reference(1.0, "exact"),)
    lines = (
        Line("ratio_null", "no change", 6, "dotted"),
        Line("ratio_lemma10", "lemma 10", 3, "dashdot"),
        Line("ratio_lemma1", "lemma 1", 1, "dashed"),
        Line("ratio_descent", "descent", 0),
    )
    compares = (Line("ratio_descent", "descent"), Line("ratio_lemma1", "lemma 1"))
    numbers = (
        Number("ratio_descent", "descent"),
        Number("decrease_ratio", "decrease ratio", 3),
        Number("ratio_null", "no change"),
        Number("ratio_lemma1", "lemma 1"),
        Number("ratio_lemma10", "lemma 10"),
    )

    def applies(self, view: PanelView, name: str) -> bool:
        """Lemma 10 is about losses that are not PL."""
        return name != "ratio_lemma10" or not LOSSES[view.snapshot.config.loss].pl

    def notes(self, view: PanelView) -> list[Note]:
        """The L that was chosen."""
        return estimator_note(view)

    def message(self, view: PanelView) -> str:
        """Why there is no ratio."""
        if view.snapshot.rows and view.snapshot.last_step < 1 and view.snapshot.config.measure != "none":
            return "the first prediction is for step 1"
        return why_empty(view, "ratio_descent")
