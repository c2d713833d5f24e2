"""What measuring hands on from row to row, as data: some numbers, and the vectors that iterations start from.

With it, the parameters and the pass at them, measuring goes on after a row as if it had never been interrupted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

Numbers = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Carried:
    """State of the measurements after a row.

    Attributes:
        trajectory: Of the transition to the next row, by name.
        before: The row's step metrics, by catalogue name.
        violations: Inequalities that count as violated, each with the steps since then in which it held.
        weight_norms: ‖W_1‖₂ … ‖W_L‖₂ from above, or None if the row was not measured.
        vectors: Warm starts, ``measurement.name``, each of shape (dimension,).
    """

    trajectory: Numbers
    before: Numbers
    violations: Mapping[str, tuple[int, ...]]
    weight_norms: tuple[float, ...] | None
    vectors: Mapping[str, Tensor]

    def part(self, measurement: str) -> dict[str, Tensor]:
        """The vectors of one measurement.

        Args:
            measurement: ``curvature``, ``kernel`` or ``layers``.

        Returns:
            Its vectors, by the names that it gave them.
        """
        prefix = f"{measurement}."
        return {name.removeprefix(prefix): v for name, v in self.vectors.items() if name.startswith(prefix)}
