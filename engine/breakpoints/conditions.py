"""Breakpoints as data: a condition of comparisons between expressions, and for how many rows it must hold.

Every part spells itself: ``str`` gives the canonical text, by which a breakpoint is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.catalogue import CATALOGUE, layer_range
from engine.errors import ConfigError

Quantifier = Literal["any", "all"]
Relation = Literal["<", "<=", ">", ">=", "inside", "outside"]
Symbol = Literal["+", "-", "*", "/"]

STEP = "step"
"""The one name that is not in the catalogue: the row's step."""


class BreakpointError(ConfigError):
    """A breakpoint cannot be read, or can never be reached in its run: the column, from 1, and what is wrong there."""

    def __init__(self, text: str, column: int, reason: str, hint: str = "") -> None:
        super().__init__(f"Breakpoint {text!r}, column {column}: {reason}.", hint)
        self.text = text
        self.column = column
        self.reason = reason
        self.excerpt = f"{text}\n{' ' * (column - 1)}^"


@dataclass(frozen=True, slots=True)
class Number:
    """A number, as it was spelled."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Reference:
    """A metric or ``step``; at a layer, or over layers, if it has a value a layer. Columns count from 1."""

    name: str
    layer: int | Quantifier | None
    column: int

    def __str__(self) -> str:
        return self.name if self.layer is None else f"{self.name}[{self.layer}]"


@dataclass(frozen=True, slots=True)
class Operation:
    """Two expressions and the sign between them; a sign before a single one leaves ``left`` out."""

    symbol: Symbol
    left: Expression | None
    right: Expression

    def __str__(self) -> str:
        if self.left is None:
            return f"{self.symbol}{self.right}"
        space = " " if self.symbol in "+-" else ""
        return f"{self.left}{space}{self.symbol}{space}{self.right}"


Expression = Number | Reference | Operation


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sides and what is to hold between them; of an interval ``right`` is the lower end and ``upper`` the other."""

    left: Expression
    relation: Relation
    right: Expression
    upper: Expression | None = None

    def __str__(self) -> str:
        if self.upper is None:
            return f"{self.left} {self.relation} {self.right}"
        # "2." before ".." would read as 2 and ".5".
        return f"{self.left} {self.relation} {str(self.right).removesuffix('.')}..{self.upper}"

    @property
    def references(self) -> tuple[Reference, ...]:
        """The metrics in it, from left to right."""
        return references(self.left) + references(self.right) + references(self.upper)

    @property
    def quantifier(self) -> Quantifier | None:
        """Whether one layer is enough; None where no layers are quantified over."""
        return next((found.layer for found in self.references if isinstance(found.layer, str)), None)


def references(side: Expression | None) -> tuple[Reference, ...]:
    """The metrics in an expression, from left to right."""
    if isinstance(side, Operation):
        return references(side.left) + references(side.right)
    return (side,) if isinstance(side, Reference) else ()


@dataclass(frozen=True, slots=True)
class Diverging:
    """The loss is above the first row's, or not finite any more.

    At η ≤ 2/L the descent lemma promises that the loss never rises, so never above where it began. A loss may rise and
    come back: ``diverging for 5`` waits.
    """

    references: tuple[Reference, ...] = ()

    def __str__(self) -> str:
        return "diverging"


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """A condition and for how many measured rows in a row it must hold, at least 1."""

    condition: Comparison | Diverging
    rows: int = 1

    @property
    def text(self) -> str:
        """Its canonical text."""
        return f"{self.condition}" + (f" for {self.rows}" if self.rows > 1 else "")

    def check(self, *, depth: int, measure: str) -> None:
        """Raise BreakpointError for a layer that a metric lacks at a depth, and for what a set does not measure."""
        for found in self.condition.references:
            if found.name == STEP:
                continue
            entry, layers = CATALOGUE[found.name], layer_range(found.name, depth)
            if not entry.is_measured(measure):
                reason = f"{found.name} is not measured with --measure {measure}"
                hint = f"It is measured with --measure {entry.measured_in}."
            elif isinstance(found.layer, int) and found.layer not in layers:
                reason = f"{found.name} has no layer {found.layer} at --depth {depth}"
                hint = f"It has layers {layers[0]} to {layers[-1]}."
            else:
                continue
            raise BreakpointError(self.text, found.column, reason, hint)
