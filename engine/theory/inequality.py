"""An inequality of the ledger: what it claims, of which numbers of a row, and by how much it may miss.

A *theorem* needs nothing that this program does not know to hold: where it is violated, the program is wrong. An
*assumption* carries hypotheses that nobody has checked (a PL constant that is only local, a probability): where it is
violated, something has been found out about the network.

Extremes of spectra are known as intervals. An inequality is violated where it fails for all numbers in the intervals of
its sides, it holds where it holds for all of them, and it is undecided otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.theory.conditioning import resolution

InequalityKind = Literal["theorem", "assumption"]
Truth = Literal["holds", "violated", "undecided"]


class Setting(Protocol):
    """The part of a run's configuration that the inequalities and the catalogue read."""

    @property
    def width(self) -> int:
        """Neurons in every hidden layer."""

    @property
    def depth(self) -> int:
        """L, the number of weight matrices."""

    @property
    def examples(self) -> int:
        """Training examples n."""

    @property
    def activation(self) -> str:
        """Name of the activation."""

    @property
    def loss(self) -> str:
        """Name of the loss."""

    @property
    def f_star(self) -> float:
        """f*, the infimum of the loss."""

    @property
    def delta(self) -> float:
        """δ, the failure probability of the generalization bound."""

    @property
    def dtype(self) -> str:
        """Name of the training precision."""


class Side(NamedTuple):
    """One side of an inequality: its best value and the ends of the interval in which it lies."""

    value: float
    low: float
    high: float

    def times(self, factor: float) -> Side:
        """It times a factor that is not negative."""
        return Side(self.value * factor, self.low * factor, self.high * factor)


def exactly(value: float) -> Side:
    """A side without uncertainty."""
    return Side(value, value, value)


@dataclass(frozen=True)
class Row:
    """One row as a session stores it, and the row before.

    Attributes:
        config: The run's setting.
        values: Step metrics of the row by catalogue name, with the ends of intervals: see
            :func:`engine.catalogue.certainty.with_ends`. What has none is exact.
        layers: Layer metrics of the row by catalogue name, each of shape (depth + 1,), likewise.
        before: Step metrics of the row one step earlier, its lr being that of the update between them; empty if
            there is none.
    """

    config: Setting
    values: Mapping[str, float]
    layers: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    before: Mapping[str, float] = field(default_factory=dict)

    def value(self, name: str) -> float:
        """A step metric of the row, NaN if it was not computed."""
        return float(self.values.get(name, math.nan))

    def previous(self, name: str) -> float:
        """A step metric of the row before, NaN if it was not computed."""
        return float(self.before.get(name, math.nan))

    def layer(self, name: str, m: int) -> float:
        """A layer metric, NaN if it was not computed."""
        return self.layer_side(name, m).value

    def side(self, name: str) -> Side:
        """A step metric of the row with its interval."""
        return _side(self.value(name), self.value(f"{name}_low"), self.value(f"{name}_high"))

    def layer_side(self, name: str, m: int) -> Side:
        """A layer metric with its interval."""
        sides = self._sides.get(name)
        if sides is None:
            missing = np.full(self.config.depth + 1, np.nan)
            columns = (self.layers.get(each, missing).tolist() for each in (name, f"{name}_low", f"{name}_high"))
            sides = self._sides[name] = list(map(_side, *columns))
        return sides[m] if 0 <= m < len(sides) else exactly(math.nan)

    @cached_property
    def _sides(self) -> dict[str, list[Side]]:
        """Layer metrics as plain numbers, which are read several hundred times."""
        return {}

    @cached_property
    def epsilon(self) -> float:
        """Machine epsilon of the training precision."""
        return float(np.finfo(self.config.dtype).eps)

    @cached_property
    def rounding(self) -> float:
        """16·L·eps, the relative error that the training precision may leave in a pass through all layers.

        A layer's rounding errors are of the order of eps, the layers' errors add up, and 16 is room for what a norm
        makes of them: 1.7e-5 for nine layers in float32, 3e-14 in float64.
        """
        return 16.0 * self.config.depth * self.epsilon

    @cached_property
    def spectral_rounding(self) -> float:
        """ρ/λ_max, relative to which an eigenvalue of G is uncertain."""
        return resolution(1.0, self.config.examples)

    @property
    def weight_norm(self) -> float:
        """√Σ_l ‖W_l‖₂²: how far rounding of the weights, or of products with them, moves θ per unit of eps."""
        norms = self.layers.get("weight_norm")
        return math.hypot(*(float(norm) for norm in norms[1:])) if norms is not None else math.nan


class Term(NamedTuple):
    """One inequality with its numbers: ``left ≤ right + slack``.

    Attributes:
        layer: The layer it is about, or None.
        left: The smaller side.
        right: The greater side.
        slack: What rounding allows ``left`` to exceed ``right`` by, beyond what their intervals say.
        vacuous: Whether it holds but says nothing.
    """

    layer: int | None
    left: Side
    right: Side
    slack: float
    vacuous: bool = False

    @property
    def known(self) -> bool:
        """Whether all of it was computed."""
        return all(map(math.isfinite, (self.left.value, self.right.value, self.slack)))

    @property
    def truth(self) -> Truth:
        """Whether the inequality holds within its slack for all of both intervals, for nothing in them, or neither."""
        if self.excess > 0.0:
            return "violated"
        return "holds" if self.left.high <= self.right.low + self.slack else "undecided"

    @property
    def excess(self) -> float:
        """By how much ``left`` certainly exceeds ``right`` beyond the slack; negative where it may not."""
        return self.left.low - (self.right.high + self.slack)


@dataclass(frozen=True, slots=True)
class Inequality:
    """One entry of the ledger.

    Attributes:
        name: What ``explain`` and events call it.
        group: The line of panel 9 it is shown in.
        kind: See :data:`InequalityKind`.
        equation: Where it comes from.
        left: Symbol of the smaller side.
        right: Symbol of the greater side.
        metrics: Catalogue names of what it compares.
        meaning: What it says, and when it says nothing.
        violated: What it means that it fails, a sentence.
        widened: What the slack is made of.
        terms: Its numbers at a row, one term a layer or one; none where the run is outside the claim.
    """

    name: str
    group: str
    kind: InequalityKind
    equation: str
    left: str
    right: str
    metrics: tuple[str, ...]
    meaning: str
    violated: str
    widened: str
    terms: Callable[[Row], Iterable[Term]]

    @property
    def formula(self) -> str:
        """The inequality in symbols."""
        return f"{self.left} ≤ {self.right}"

    def at(self, row: Row) -> tuple[Term, ...]:
        """Its terms at a row, without those whose numbers were not all computed."""
        return tuple(term for term in self.terms(row) if term.known)


def _side(value: float, low: float, high: float) -> Side:
    return Side(value, value if math.isnan(low) else low, value if math.isnan(high) else high)
