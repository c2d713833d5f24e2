"""A panel's help, generated from the catalogue: each quantity, its equation, and how it may be read."""

from __future__ import annotations

from rich.text import Text

from engine.catalogue import Kind, Metric, kind_in_run, metric
from engine.config import RunConfig

KIND_MEANING: dict[Kind, str] = {
    "exact": "exact up to rounding",
    "upper": "a proved upper bound",
    "lower": "a proved lower bound",
    "estimate": "an estimate that converges; its residual or resolution is stored",
    "heuristic": "heuristic: its assumptions are not checked or do not hold in general",
}


def panel_help(title: str, about: str, metrics: tuple[str, ...], config: RunConfig | None) -> Text:
    """Help for a panel.

    Args:
        title: The panel's title.
        about: How to read it.
        metrics: Catalogue names of what it shows.
        config: The run, or None for the general case.

    Returns:
        Styled text, paragraphs a metric.
    """
    text = Text()
    text.append(title, style="bold")
    text.append("\n")
    if about:
        text.append(f"\n{about}\n")
    for name in metrics:
        text.append("\n")
        text.append_text(metric_help(metric(name), config))
    return text


def metric_help(entry: Metric, config: RunConfig | None = None) -> Text:
    """What the catalogue says about a metric.

    Args:
        entry: The catalogue entry.
        config: The run, or None for the general case.

    Returns:
        Styled text that ends in a newline.
    """
    kind = entry.kind
    if config is not None:
        kind = kind_in_run(entry, activation=config.activation, loss=config.loss)
    text = Text()
    text.append(entry.symbol, style="bold")
    text.append(f"  {entry.name}", style="dim")
    text.append(f"\n  {entry.meaning}\n")
    if entry.formula:
        text.append(f"  = {entry.formula}\n", style="italic")
    origin = f"{entry.equation} · " if entry.equation else ""
    unit = "" if entry.unit == "1" else f" · unit: {entry.unit}"
    text.append(f"  {origin}{KIND_MEANING[kind]}{unit} · --measure {entry.measured_in}\n", style="dim")
    if entry.paper:
        text.append(f"  Paper: {entry.paper}\n", style="dim")
    if not entry.computed:
        text.append("  Not computed yet.\n", style="dim")
    return text
