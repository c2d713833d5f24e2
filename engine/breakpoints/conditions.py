"""What a breakpoint is: its condition, and what a run must have for it to be reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.breakpoints.errors import BreakpointError
from engine.catalogue import CATALOGUE, layer_range

Quantifier = Literal["any", "all"]
Relation = Literal["<", "<=", ">", ">=", "inside", "outside"]

STEP = "step"
"""The one name that is not in the catalogue: the row's step."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A metric, at a layer if it has one a layer.

    Attributes:
        name: Catalogue name, or ``step``.
        layer: The layer, a quantifier over layers, or None for a step metric.
        column: Where it stands in the text, from 1.
    """

    name: str
    layer: int | Quantifier | None
    column: int


Factor = float | Reference


@dataclass(frozen=True, slots=True)
class Expression:
    """A sum of products of numbers and metrics.

    Attributes:
        terms: Each a sign and its factors, a factor with whether it divides.
    """

    terms: tuple[tuple[float, tuple[tuple[bool, Factor], ...]], ...]

    @property
    def references(self) -> tuple[Reference, ...]:
        """The metrics in it."""
        return tuple(factor for _, factors in self.terms for _, factor in factors if isinstance(factor, Reference))

    @property
    def constant(self) -> float | None:
        """The number that it is, None where it is more than one number."""
        if len(self.terms) != 1 or len(self.terms[0][1]) != 1:
            return None
        sign, ((_, factor),) = self.terms[0]
        return None if isinstance(factor, Reference) else sign * factor


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sides and what is to hold between them.

    Attributes:
        left: What is looked at.
        relation: How it is compared.
        right: With what; of an interval its lower end.
        upper: Upper end of an interval, else None.
        quantifier: Whether one layer is enough; None where no layers are quantified over.
    """

    left: Expression
    relation: Relation
    right: Expression
    upper: Expression | None
    quantifier: Quantifier | None

    @property
    def references(self) -> tuple[Reference, ...]:
        """The metrics in it."""
        sides = (self.left, self.right, *([self.upper] if self.upper is not None else []))
        return tuple(reference for side in sides for reference in side.references)


@dataclass(frozen=True, slots=True)
class Diverging:
    """The loss is above the first row's, or not finite any more.

    At η ≤ 2/L the descent lemma promises that the loss never rises, so never above where it began. A loss may rise and
    come back: ``diverging for 5`` waits.
    """

    references: tuple[Reference, ...] = ()


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """A condition and for how many measured rows in a row it must hold.

    Attributes:
        text: Its canonical text, by which it is known.
        condition: The condition.
        rows: Rows, at least 1.
    """

    text: str
    condition: Comparison | Diverging
    rows: int = 1

    def check(self, *, depth: int, measure: str) -> None:
        """Refuse what can never be reached in a run.

        Args:
            depth: Number of weight matrices.
            measure: What is measured.

        Raises:
            BreakpointError: A layer that the metric does not have, or a metric that is not measured.
        """
        for reference in self.condition.references:
            if reference.name == STEP:
                continue
            entry = CATALOGUE[reference.name]
            if not entry.is_measured(measure):
                raise BreakpointError(
                    self.text,
                    reference.column,
                    f"{reference.name} is not measured with --measure {measure}",
                    f"It is measured with --measure {entry.measured_in}.",
                )
            layers = layer_range(reference.name, depth)
            if isinstance(reference.layer, int) and reference.layer not in layers:
                raise BreakpointError(
                    self.text,
                    reference.column,
                    f"{reference.name} has no layer {reference.layer} at --depth {depth}",
                    f"It has layers {layers[0]} to {layers[-1]}.",
                )
