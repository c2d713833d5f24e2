"""For a screen that shows one panel: tabs for the others, and the numbers that matter most at the cursor."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from rich.style import Style
from rich.text import Text
from textual import events
from textual.message import Message
from textual.reactive import reactive

from engine.catalogue import metric
from wnt_tui.charts.number_format import value_text
from wnt_tui.panels import ALL_PANELS
from wnt_tui.session.snapshot import Snapshot
from wnt_tui.widgets.line import Line

STEP_FIGURES = ("loss", "test_loss", "pl", "smoothness_hessian", "generalization_bound", "ntk_log10_cond", "accuracy")
LAYER_FIGURES = ("log10_cond", "lambda_min")
_GAP = "   "
_REVERSED = Style(reverse=True)


class Tabs(Line):
    """The panels' keys, the selected one with its title. A click selects."""

    @dataclass
    class Picked(Message):
        """Somebody clicked on the label of a panel, whose place it is, from 0."""

        place: int

    selected: reactive[int] = reactive(0)

    def labels(self) -> list[str]:
        """A label a panel: all titles where they fit, else the selected one's only."""
        full = [f" {panel.key} {self.palette.glyphs.text(panel.title)} " for panel in ALL_PANELS]
        if sum(map(len, full)) <= self.content_size.width:
            return full
        return [full[place] if place == self.selected else f" {panel.key} " for place, panel in enumerate(ALL_PANELS)]

    def render(self) -> Text:
        """One line of labels."""
        styles = {True: self.palette.focus + _REVERSED, False: self.palette.label}
        return self.fitted(*((label, styles[place == self.selected]) for place, label in enumerate(self.labels())))

    def on_click(self, event: events.Click) -> None:
        """Select the panel under the mouse."""
        start = self.styles.padding.left
        for place, label in enumerate(self.labels()):
            if start <= event.x < start + len(label):
                self.post_message(self.Picked(place))
            start += len(label)


def figures(snapshot: Snapshot, step: int, layer: int) -> list[str]:
    """The numbers at a step and a layer that are there, the most important first."""

    def shown(names: tuple[str, ...], values: Mapping[str, float]) -> list[str]:
        return [_figure(snapshot, name, values) for name in names if not math.isnan(values.get(name, math.nan))]

    here = {name: float(column[layer]) for name, column in snapshot.layers.at(step).items() if layer < len(column)}
    of_step, of_layer = shown(STEP_FIGURES, snapshot.values_at(step)), shown(LAYER_FIGURES, here)
    if of_layer:
        of_layer[0] = f"layer {layer}: {of_layer[0]}"
    # Conditioning is what this program is about: it comes right after the losses.
    return of_step[:2] + of_layer + of_step[2:]


def _figure(snapshot: Snapshot, name: str, values: Mapping[str, float]) -> str:
    entry, config = metric(name), snapshot.config
    return f"{entry.symbol} {value_text(name, values, entry.kind_in(config), examples=config.examples)}"


class Numbers(Line):
    """One line of figures at the cursor, as many as fit."""

    # always_update: snapshots hold arrays, which do not compare to one truth.
    source: reactive[tuple[Snapshot, int, int] | None] = reactive(None, always_update=True)
    """Session, step and layer."""

    def render(self) -> Text:
        """The figures, or nothing before the first row."""
        if self.source is None or self.source[0].rows == 0:
            return self.fitted()
        shown: list[str] = []
        for text in map(self.palette.glyphs.text, figures(*self.source)):
            if len(_GAP.join([*shown, text])) <= self.content_size.width:
                shown.append(text)
        return self.fitted(self.styled(_GAP.join(shown), "text"))
