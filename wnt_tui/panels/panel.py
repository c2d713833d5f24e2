"""A panel: its title and metrics, how it is drawn, the numbers in its border, and its help."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from rich.text import Text
from textual.strip import Strip

from engine.catalogue.explanation import Explanation, explain
from engine.config import RunConfig
from wnt_tui.charts.lines import LineChart, Reference, Series, draw_lines
from wnt_tui.charts.number_format import HEURISTIC
from wnt_tui.panels.moment import moment
from wnt_tui.panels.overlay import Axis, MainLine, compared_values, overlaid, sessions_of
from wnt_tui.panels.pairing import metric_series, metric_text
from wnt_tui.panels.series import Line
from wnt_tui.panels.words import Note, why_empty
from wnt_tui.session.snapshot import PanelView
from wnt_tui.theme.glyphs import UNICODE, Glyphs
from wnt_tui.theme.themes import Palette


class Number(NamedTuple):
    """A metric in a panel's border: its name in the catalogue, what stands before it, and significant digits."""

    metric: str
    symbol: str
    digits: int = 4


class Panel(ABC):
    """One panel of the dashboard: a pure object, no state.

    Attributes:
        key: The key that jumps to it, which is also its name.
        title: Its name in its border.
        metrics: Catalogue names of what it shows, the one it cannot do without first.
        inequalities: Names of the ledger's inequalities that it shows.
        about: How to read it, the opening of its help.
        axis: What its horizontal axis counts.
        log_default: Whether its axis starts out logarithmic.
        paired: Whether it shows predictions, which depend on the chosen estimator of L.
        compares: The lines of one session that matter most, to be drawn beside those of others.
        numbers: What stands in its border, the most important first.
    """

    key: ClassVar[str]
    title: ClassVar[str]
    metrics: ClassVar[tuple[str, ...]]
    inequalities: ClassVar[tuple[str, ...]] = ()
    about: ClassVar[str]
    axis: ClassVar[Axis] = "step"
    log_default: ClassVar[bool] = False
    paired: ClassVar[bool] = False
    compares: ClassVar[tuple[Line, ...]] = ()
    numbers: ClassVar[tuple[Number, ...]] = ()

    @abstractmethod
    def draw(self, view: PanelView, palette: Palette) -> list[Strip]:
        """The inside of the panel, for one session or several: ``view.height`` strips of ``view.width`` cells."""

    def applies(self, view: PanelView, name: str) -> bool:
        """Whether a metric makes sense in this run."""
        return True

    def compared(self, view: PanelView) -> Sequence[MainLine]:
        """The lines of one session that are compared, the most important first; at most two are drawn."""
        remark = moment(view).remark if self.axis == "layer" else ""
        return [MainLine(metric_series(view, line), metric_text(view, line.metric), remark) for line in self.compares]

    def values(self, view: PanelView) -> list[str]:
        """Short texts with the exact values at the cursor, the most important first."""
        if self.axis == "layer" and not moment(view).values:
            return []
        known = [number for number in self.numbers if self.applies(view, number.metric)]
        texts = [(symbol, metric_text(view, name, digits)) for name, symbol, digits in known]
        return [f"layer {view.layer}"] * (self.axis == "layer") + [f"{symbol} {text}" for symbol, text in texts if text]

    def values_compared(self, view: PanelView) -> list[str]:
        """Short texts with the values of all sessions at the cursor."""
        texts = compared_values([self.compared(one) for one in sessions_of(view)])
        return [f"layer {view.layer}"] * (self.axis == "layer") + texts

    def subtitle(self, view: PanelView, glyphs: Glyphs = UNICODE) -> str:
        """The line in the lower border: as many values as fit; empty before the first row."""
        if view.snapshot.rows == 0:
            return ""
        room = max(view.width - 4, 0)
        text = ""
        for part in self.values_compared(view) if view.others else self.values(view):
            # Neighbours that are heuristic share the word: "predicted 0.45, Lemma 13 0.39 heuristic".
            shares = part.endswith(HEURISTIC) and text.endswith(HEURISTIC)
            before = f"{text.removesuffix(HEURISTIC)}, " if shares else f"{text} · " * bool(text)
            longer = before + glyphs.text(part)
            if part and len(longer) <= room:
                text = longer
        return text

    def help(self, config: RunConfig | None = None) -> Text:
        """The panel's help in the theory's words; a run decides which statements are theorems."""
        marks = "≈ is an estimate, ≤, ≥ and [a, b] are certain, heuristic: assumptions are not checked."
        text = Text.assemble((f"{self.key} {self.title}", "bold"), f"\n\n{self.about}\n{marks}\n")
        for name in self.metrics + self.inequalities:
            text.append("\n").append_text(entry_help(explain(name, config)))
        return text


class LinePanel(Panel):
    """A panel that is a line chart; its metrics are declared, what depends on the run is added by methods.

    Attributes:
        lines: Its metrics; later ones are drawn over earlier ones.
        levels: Horizontal lines of every session.
    """

    lines: ClassVar[tuple[Line, ...]] = ()
    levels: ClassVar[tuple[Reference, ...]] = ()

    def series(self, view: PanelView) -> list[Series]:
        """The lines of one session."""
        return [metric_series(view, line) for line in self.lines if self.applies(view, line.metric)]

    def references(self, view: PanelView) -> tuple[Reference, ...]:
        """The horizontal lines of one session."""
        return self.levels

    def notes(self, view: PanelView) -> list[Note]:
        """Remarks on one session, after the legend; empty ones are left out."""
        return [(moment(view).remark, "warn")] if self.axis == "layer" else []

    def message(self, view: PanelView) -> str:
        """Why there is nothing to draw."""
        return why_empty(view, self.metrics[0])

    def draw(self, view: PanelView, palette: Palette) -> list[Strip]:
        """The chart of one session, or the main lines of several."""
        views = sessions_of(view)
        if view.others:
            series, notes = overlaid(views, [self.compared(one) for one in views], self.axis)
            references = self.levels
        else:
            series, notes, references = self.series(view), self.notes(view), self.references(view)
        deepest = max(one.snapshot.config.depth for one in views) - 1
        chart = LineChart(
            series=tuple(series),
            first=view.first if self.axis == "step" else 0,
            last=view.last if self.axis == "step" else deepest,
            log=view.log,
            cursor=view.cursor if self.axis == "step" else view.layer,
            x_name=self.axis,
            references=references,
            notes=tuple(note for note in notes if note[0]),
            message=self.message(view),
        )
        return draw_lines(chart, view.width, view.height, palette)


def entry_help(entry: Explanation) -> Text:
    """An explanation as a paragraph, which ends in a newline."""
    # An inequality has no symbol: its formula is what it is known by.
    text = Text.assemble((entry.symbol or entry.formula, "bold"), (f"  {entry.name}", "dim"), f"\n  {entry.meaning}\n")
    if entry.symbol and entry.formula:
        text.append(f"  = {entry.formula}\n", style="italic")
    for about, fact in entry.facts:
        text.append(f"  {about}: {fact}\n", style="dim")
    return text
