"""Where only one panel fits: tabs for the others, and the numbers that matter most at the cursor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.style import Style
from rich.text import Text
from textual import events
from textual.message import Message
from textual.reactive import reactive

from engine.catalogue import metric
from wnt_tui.charts.number import marked
from wnt_tui.snapshot import Snapshot
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
    snapshot = source.snapshot
    layers = snapshot.layers.at(source.step)
    texts: list[str] = []
    for name in STEP_FIGURES:
        value = snapshot.value(name, source.step)
        if value == value:
            texts.append(_figure(name, value))
    in_layer: list[str] = []
    for name in LAYER_FIGURES:
        values = layers.get(name)
        if values is not None and source.layer < len(values) and values[source.layer] == values[source.layer]:
            figure = _figure(name, float(values[source.layer]))
            if name == "log10_cond" and _unresolved(layers, source.layer):
                symbol = metric(name).symbol
                figure = f"{symbol} ≥{figure.removeprefix(symbol)}"
            in_layer.append(figure)
    # Conditioning is what this program is about: it comes right after the losses.
    return texts[:2] + ([f"layer {source.layer}: {in_layer[0]}", *in_layer[1:]] if in_layer else []) + texts[2:]


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


def _unresolved(layers: Mapping[str, NDArray[np.float64]], layer: int) -> bool:
    """Return whether λ_min is at or below the resolution, so that κ is only a lower bound."""
    smallest, resolution = layers.get("lambda_min"), layers.get("lambda_resolution")
    return smallest is not None and resolution is not None and bool(smallest[layer] <= resolution[layer])


def titles_of(panels: Sequence[object]) -> tuple[str, ...]:
    """Return the panels' titles, in their order."""
    return tuple(str(getattr(panel, "title", "")) for panel in panels)


def _figure(name: str, value: float) -> str:
    entry = metric(name)
    return marked(entry.symbol, value, entry.kind, 3)
