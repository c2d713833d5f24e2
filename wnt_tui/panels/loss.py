"""Panel 1: training and test loss, and the loss that the descent lemma predicted."""

from __future__ import annotations

from textual.strip import Strip

from wnt_tui.charts.lines import LineChart, draw_lines
from wnt_tui.panels.base import Panel, at_cursor, diverged_note, step_series, why_empty
from wnt_tui.snapshot import PanelView
from wnt_tui.themes import Palette


class LossPanel(Panel):
    """Train, test and predicted loss against the step."""

    number = 1
    key = "1"
    title = "loss"
    metrics = ("loss", "test_loss", "predicted_descent", "accuracy", "test_accuracy")
    log_default = True
    about = (
        "Training loss, loss on the test images, and what the descent lemma at the real learning rate "
        "predicted for each step from the row before it. Where the dotted line hides behind the solid one, "
        "one step of theory describes one step of training."
    )

    def draw(self, view: PanelView, palette: Palette) -> list[Strip]:
        """Return the panel's strips."""
        chart = LineChart(
            series=(
                step_series(view, "predicted_descent", "predicted", 4, "dotted", optional=True),
                step_series(view, "test_loss", "test", 1, "dashed"),
                step_series(view, "loss", "train", 0),
            ),
            first=view.first,
            last=view.last,
            log=view.log,
            cursor=view.cursor,
            notes=diverged_note(view),
            message=why_empty(view, ("loss",)),
        )
        return draw_lines(chart, view.width, view.height, palette)

    def subtitle_parts(self, view: PanelView) -> list[str]:
        """Return the values at the cursor."""
        return [
            at_cursor(view, "loss", "train"),
            at_cursor(view, "test_loss", "test"),
            at_cursor(view, "predicted_descent", "pred"),
            at_cursor(view, "accuracy", "acc", 3),
        ]
