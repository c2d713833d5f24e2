"""Panel 1: training and test loss, what the descent lemma predicts for a step and Lemma 13 for many."""

from __future__ import annotations

from textual.strip import Strip

from wnt_tui.charts.lines import LineChart, draw_lines
from wnt_tui.panels.base import Panel, at_cursor, diverged_note, step_series, why_empty
from wnt_tui.panels.overlay import MainLine
from wnt_tui.panels.pairing import (
    estimator_note,
    lemma13_series,
    lemma13_words,
    pairing_at_cursor,
    predicted_series,
)
from wnt_tui.session.snapshot import PanelView
from wnt_tui.theme.themes import Palette


class LossPanel(Panel):
    """Train, test and predicted loss against the step."""

    number = 1
    key = "1"
    title = "loss"
    metrics = ("loss", "test_loss", "predicted_descent", "lemma13_bound", "accuracy", "test_accuracy")
    log_default = True
    paired = True
    about = (
        "Training loss, loss on the test images, and what the descent lemma at the real learning rate "
        "predicted for each step from the row before it. Where the dotted line hides behind the solid one, "
        "one step of theory describes one step of training. “lemma 13” multiplies the lemma up over many steps: "
        "from the cursor on, or from step 0 where the cursor is at the end; “L13→30” is where it ends. e pairs "
        "both with another L than that of the step before; none of them is a theorem here."
    )

    def draw(self, view: PanelView, palette: Palette) -> list[Strip]:
        """Return the panel's strips."""
        chart = LineChart(
            series=(
                lemma13_series(view, 3, "dashdot"),
                predicted_series(view, "descent", "predicted", 4, "dotted"),
                step_series(view, "test_loss", "test", 1, "dashed"),
                step_series(view, "loss", "train", 0),
            ),
            first=view.first,
            last=view.last,
            log=view.log,
            cursor=view.cursor,
            notes=diverged_note(view) + estimator_note(view),
            message=why_empty(view, ("loss",)),
            legend_rows=3,
        )
        return draw_lines(chart, view.width, view.height, palette)

    def compared(self, view: PanelView) -> list[MainLine]:
        """Return training and test loss."""
        return [MainLine(step_series(view, "loss", "train", 0)), MainLine(step_series(view, "test_loss", "test", 1))]

    def subtitle_parts(self, view: PanelView) -> list[str]:
        """Return the values at the cursor."""
        return [
            at_cursor(view, "loss", "train"),
            at_cursor(view, "test_loss", "test"),
            lemma13_words(view),
            pairing_at_cursor(view, "descent", "predicted_descent", "pred"),
            at_cursor(view, "accuracy", "acc", 3),
        ]
