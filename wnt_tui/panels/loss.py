"""Panel 1: training and test loss, what the descent lemma predicts for a step and Lemma 13 for many."""

from __future__ import annotations

from wnt_tui.charts.lines import Series
from wnt_tui.panels.pairing import estimator_note, lemma13_series, lemma13_text
from wnt_tui.panels.panel import LinePanel, Number
from wnt_tui.panels.series import Line
from wnt_tui.panels.words import Note
from wnt_tui.session.snapshot import PanelView


class LossPanel(LinePanel):
    """Train, test and predicted loss against the step."""

    key = "1"
    title = "loss"
    metrics = ("loss", "test_loss", "predicted_descent", "lemma13_bound", "accuracy", "test_accuracy")
    about = (
        "Training loss, loss on the test images, and what the descent lemma at the real learning rate predicted for "
        "each step from the row before it. Where the dotted line hides behind the solid one, one step of theory "
        "describes one step of training. “lemma 13” multiplies the lemma up over many steps: from the cursor on, or "
        "from step 0 where the cursor is at the end. e pairs both with another L than that of the step before; none "
        "of them is a theorem here."
    )
    log_default = True
    paired = True
    lines = (
        Line("predicted_descent", "predicted", 4, "dotted", optional=True),
        Line("test_loss", "test", 1, "dashed"),
        Line("loss", "train", 0),
    )
    compares = (Line("loss", "train"), Line("test_loss", "test"))
    numbers = (
        Number("loss", "train"),
        Number("test_loss", "test"),
        Number("predicted_descent", "predicted"),
        Number("accuracy", "accuracy", 3),
    )

    def series(self, view: PanelView) -> list[Series]:
        """The lines, above that of Lemma 13."""
        lemma13 = Line("lemma13_bound", "lemma 13", 3, "dashdot", optional=True)
        return [lemma13_series(view, lemma13), *super().series(view)]

    def notes(self, view: PanelView) -> list[Note]:
        """Divergence, and the L that was chosen."""
        steps = [event.step for event in view.snapshot.events if event.kind == "diverged"]
        inside = [(f"diverged at step {step}", "bad") for step in steps if view.first <= step <= view.last]
        return inside[:1] + estimator_note(view)

    def values(self, view: PanelView) -> list[str]:
        """The numbers, Lemma 13 after the losses."""
        train, *others = super().values(view)
        return [train, *others[:1], lemma13_text(view), *others[1:]]
