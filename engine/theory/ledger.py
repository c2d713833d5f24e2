"""The ledger: every inequality of the theory that a row of numbers must satisfy, each declared once.

The engine checks them at every measured row and records what is violated; the viewer shows where they stand at the
cursor; ``wnt-tui explain`` prints them. An entry stands beside its terms: both sides, and by how much rounding may move
them. To add an inequality, write both in ``ledger_layers`` (what each layer's Gram matrix satisfies) or in
``ledger_network``.

Which are estimates: a Ritz value of K lies inside K's spectrum, and ‖ΔG‖₂, ‖ΔF‖₂ and ‖W‖₂ are found by products, so
that they may be those of another singular value. Where such a number stands on the side on which that can break the
inequality, failing says that the estimate missed; where it stands on the other side, the inequality is a theorem.
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
