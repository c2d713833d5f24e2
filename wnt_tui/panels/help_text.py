"""An explanation of the catalogue as a paragraph of a panel's help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from engine.catalogue.explanation import Explanation


def entry_help(entry: Explanation) -> Text:
    """An explanation as a paragraph, which ends in a newline."""
    # An inequality has no symbol: its formula is what it is known by.
    text = Text.assemble((entry.symbol or entry.formula, "bold"), (f"  {entry.name}", "dim"), f"\n  {entry.meaning}\n")
    if entry.symbol and entry.formula:
        text.append(f"  = {entry.formula}\n", style="italic")
    for about, fact in entry.facts:
        text.append(f"  {about}: {fact}\n", style="dim")
    return text
