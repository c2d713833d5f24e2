"""A panel's help: each quantity and inequality in the words of ``engine.catalogue.explanation``."""

from __future__ import annotations

from rich.text import Text

from engine.catalogue.explanation import Explanation, explain
from engine.config import RunConfig


def panel_help(title: str, about: str, names: tuple[str, ...], config: RunConfig | None) -> Text:
    """Help for a panel, a paragraph an entry: how to read it, then its metrics and inequalities by name."""
    text = Text()
    text.append(title, style="bold")
    text.append(f"\n\n{about}\n")
    for name in names:
        text.append("\n")
        text.append_text(entry_help(explain(name, config)))
    return text


def entry_help(entry: Explanation) -> Text:
    """An explanation as a paragraph, which ends in a newline."""
    text = Text()
    # An inequality has no symbol: its formula is what it is known by.
    text.append(entry.symbol or entry.formula, style="bold")
    text.append(f"  {entry.name}", style="dim")
    text.append(f"\n  {entry.meaning}\n")
    if entry.symbol and entry.formula:
        text.append(f"  = {entry.formula}\n", style="italic")
    for about, fact in entry.facts:
        text.append(f"  {about}: {fact}\n", style="dim")
    return text
