"""Where only one panel fits: tabs for the others, and the numbers that matter most at the cursor."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.style import Style
from rich.text import Text
from textual import events
from textual.message import Message
from textual.reactive import reactive

from engine.catalogue import kind_in_run, metric
from wnt_tui.charts.number_format import value_text
from wnt_tui.session.snapshot import Snapshot
from wnt_tui.widgets.line import Line

STEP_FIGURES = (
    "loss",
    "test_loss",
    "pl",
    "smoothness_hessian",
    "generalization_bound",
    "ntk_log10_cond",
    "accuracy",
)
LAYER_FIGURES = ("log10_cond", "lambda_min")
_GAP = 3
_REVERSED = Style(reverse=True)


class Tabs(Line):
    """The panels' numbers, the selected one with its title. A click selects."""

    class Picked(Message):
        """Somebody clicked on a panel's number.

        Args:
            index: The panel's place, from 0.
        """

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    titles: reactive[tuple[str, ...]] = reactive(())
    selected: reactive[int] = reactive(0)

    def labels(self) -> list[str]:
        """Return what is written for each panel: all titles where they fit, else the selected one's only."""
        full = [f" {place + 1} {self.palette.glyphs.text(title)} " for place, title in enumerate(self.titles)]
        if sum(map(len, full)) <= self.content_size.width:
            return full
        return [label if place == self.selected else f" {place + 1} " for place, label in enumerate(full)]

    def render(self) -> Text:
        """Return one line of labels."""
        return self.fitted(
            *(
                (label, self.palette.focus + _REVERSED if place == self.selected else self.palette.label)
                for place, label in enumerate(self.labels())
            )
        )

    def on_click(self, event: events.Click) -> None:
        """Select the panel under the mouse."""
        start = self.styles.padding.left
        for place, label in enumerate(self.labels()):
            if start <= event.x < start + len(label):
                self.post_message(self.Picked(place))
            start += len(label)


@dataclass(frozen=True, slots=True)
class Figures:
    """What the key numbers are taken from.

    Attributes:
        snapshot: The session.
        step: The cursor's step.
        layer: The selected layer.
    """

    snapshot: Snapshot
    step: int
    layer: int


def figures(source: Figures) -> list[str]:
    """Return the numbers at the cursor that are there, the most important first."""
    snapshot, layer = source.snapshot, source.layer
    values = snapshot.values_at(source.step)
    here = {
        name: float(column[layer]) for name, column in snapshot.layers.at(source.step).items() if layer < len(column)
    }
    texts = [_figure(snapshot, name, values) for name in STEP_FIGURES if _is_known(values, name)]
    in_layer = [_figure(snapshot, name, here) for name in LAYER_FIGURES if _is_known(here, name)]
    # Conditioning is what this program is about: it comes right after the losses.
    return texts[:2] + ([f"layer {layer}: {in_layer[0]}", *in_layer[1:]] if in_layer else []) + texts[2:]


def _is_known(values: Mapping[str, float], name: str) -> bool:
    return not math.isnan(values.get(name, math.nan))


class Numbers(Line):
    """One line of figures at the cursor, as many as fit."""

    # always_update: snapshots hold arrays, which do not compare to one truth.
    source: reactive[Figures | None] = reactive(None, always_update=True)

    def render(self) -> Text:
        """Return the figures, or nothing before the first row."""
        if self.source is None or self.source.snapshot.rows == 0:
            return self.fitted()
        shown: list[str] = []
        room = self.content_size.width
        for text in map(self.palette.glyphs.text, figures(self.source)):
            cost = len(text) + (_GAP if shown else 0)
            if cost <= room:
                room -= cost
                shown.append(text)
        return self.fitted(self.styled((" " * _GAP).join(shown), "text"))


def titles_of(panels: Sequence[object]) -> tuple[str, ...]:
    """Return the panels' titles, in their order."""
    return tuple(str(getattr(panel, "title", "")) for panel in panels)


def _figure(snapshot: Snapshot, name: str, values: Mapping[str, float]) -> str:
    entry, config = metric(name), snapshot.config
    kind = kind_in_run(entry, activation=config.activation, loss=config.loss)
    return f"{entry.symbol} {value_text(name, values, kind, examples=config.examples)}"
