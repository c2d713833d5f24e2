"""The ledger: every inequality of the theory that a row of numbers must satisfy, each declared once.

The engine checks them at every measured row and records what is violated; the viewer shows where they stand at the
cursor; ``wnt-tui explain`` prints them. An entry stands beside its terms: both sides, and by how much rounding may move
them. To add an inequality, write both in ``ledger_layers`` (what each layer's Gram matrix satisfies) or in
``ledger_network``.

Extremes of G and K stand in them as intervals, and norms that enter a proved bound as certain upper ends, so that
numbers found by iteration break no theorem.
"""

from __future__ import annotations

from engine.theory.inequality import Inequality
from engine.theory.ledger_layers import LAYERS
from engine.theory.ledger_network import NETWORK

LEDGER: dict[str, Inequality] = {entry.name: entry for entry in (*LAYERS, *NETWORK)}
"""All inequalities by name, in the order in which they are shown."""

LEDGER_GROUPS: dict[str, tuple[Inequality, ...]] = {
    group: tuple(entry for entry in LEDGER.values() if entry.group == group)
    for group in dict.fromkeys(entry.group for entry in LEDGER.values())
}
"""The inequalities that are shown in one line, by its name."""
