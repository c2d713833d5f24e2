"""An entry of the catalogue: all that there is to say about one metric."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast, get_args

if TYPE_CHECKING:  # at run time it would import numpy, which the command line's help does without
    from engine.theory.inequality import Setting

Scope = Literal["step", "layer", "initial"]
SCOPE_WORDS: dict[Scope, str] = {
    "step": "one number a step",
    "layer": "one number a step and layer",
    "initial": "one number a layer, at step 0",
}

Kind = Literal["exact", "upper", "lower", "probabilistic", "estimate", "heuristic"]
KIND_WORDS: dict[Kind, str] = {
    "exact": "exact up to rounding",
    "upper": "a proved upper bound",
    "lower": "a proved lower bound",
    "probabilistic": "a bound that is certain but for rounding, which is bounded with high probability",
    "estimate": "an estimate and no bound; the ends of its interval or its resolution are stored where it has them",
    "heuristic": "heuristic: its assumptions are not checked or do not hold in general",
}

Cost = Literal["free", "gram", "spectrum", "products", "forward"]
COST_WORDS: dict[Cost, str] = {
    "free": "free: reads what the step has computed",
    "gram": "n×n products",
    "spectrum": "eigenvalues of n×n matrices or spectral norms",
    "products": "products with the Hessian, or the tangent kernel",
    "forward": "another forward pass",
}
"""Beyond the training step."""

MeasureSet = Literal["none", "core", "all"]
"""Measurement sets, each containing the one before."""


def includes(measure: str, other: MeasureSet) -> bool:
    """Whether a measurement set contains another, or is it."""
    sets: tuple[str, ...] = get_args(MeasureSet)
    return sets.index(measure) >= sets.index(other)


@dataclass(frozen=True, slots=True)
class Refinement:
    """The kind that a metric takes in runs with one of these activations, losses or precisions, and why, a clause."""

    networks: frozenset[str]
    kind: Kind
    why: str

    def applies(self, network: Setting) -> bool:
        """Whether it is about a run."""
        return not self.networks.isdisjoint({network.activation, network.loss, network.dtype})


Sign = Literal["≤", "≥", "±"]
"""A value without stored ends is an upper end, a lower end, or known up to its error."""


@dataclass(frozen=True, slots=True)
class Ends:
    """The ends of a metric's interval, the columns ``NAME_low`` and ``NAME_high``: how each is found.

    Attributes:
        low: How the low end is found; empty where there is no such column.
        high: Likewise the high end.
        refined: What some runs make of the kind of both, which are bounds otherwise.
    """

    low: str = ""
    high: str = ""
    refined: tuple[Refinement, ...] = ()


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """What is known of a metric where its interval has no ends stored, see :mod:`engine.catalogue.certainty`.

    Attributes:
        sign: What its value is by itself.
        error: The metric that holds its resolution by rounding; for a rounding the metric it is relative to. Empty
            where only the side of the sign is known.
        rounding: Whether the error is max(n, 16)·eps times ``error`` and not ``error`` itself.
        residual: A metric of earlier versions: where it is positive, only the side of the sign is known, and
        bound: a metric that bounds the quantity on the other side.
        quotient: Of the decimal logarithm of a condition number the ends of the spectrum, the smaller first.
    """

    sign: Sign
    error: str = ""
    rounding: bool = False
    residual: str = ""
    bound: str = ""
    quotient: tuple[str, ...] = ()

    @property
    def resolution(self) -> str:
        """The resolution in catalogue names, empty where there is none."""
        return f"max(n, 16)·eps·{self.error}" if self.rounding else self.error


@dataclass(frozen=True, slots=True)
class Metric:
    """One entry of the catalogue.

    Attributes:
        name: Column name in sessions and exports.
        symbol: As written in the theory.
        unit: ``loss``, ``seconds``, ``1`` …
        scope: See :data:`SCOPE_WORDS`.
        kind: See :data:`KIND_WORDS`; the kind in general, refined for a run by :meth:`kind_in`.
        cost: See :data:`COST_WORDS`.
        measured_in: The smallest measurement set that contains it.
        equation: Where it comes from: equation or lemma of the paper, or another reference.
        formula: What is computed.
        meaning: One line for people.
        paper: What the paper says about it, and where this program differs; may be empty.
        log: Whether it is naturally read on a logarithmic axis.
        vacuous: Where its value says nothing, as in "at or below 0"; empty if it always says something.
        refined: What some networks make of its kind; the first that applies decides.
        uncertainty: What its value is without ends, where it may be unresolved.
        ends: The ends of its interval, if they are stored.
        end_of: Of an end the metric whose end it is.
        retired: Whether only earlier versions recorded it.
    """

    name: str
    symbol: str
    unit: str
    scope: Scope
    kind: Kind
    cost: Cost
    measured_in: MeasureSet
    equation: str
    formula: str
    meaning: str
    paper: str = ""
    log: bool = False
    vacuous: str = ""
    refined: tuple[Refinement, ...] = ()
    uncertainty: Uncertainty | None = None
    ends: Ends | None = None
    end_of: str = ""
    retired: bool = False

    def is_measured(self, measure: str) -> bool:
        """Whether a run with ``--measure MEASURE`` has it."""
        return includes(measure, self.measured_in)

    def kind_in(self, network: Setting) -> Kind:
        """The kind in a network: its activation or its loss may break a theorem, or complete one."""
        return next((refinement.kind for refinement in self.refined if refinement.applies(network)), self.kind)


def with_ends(entries: Iterable[Metric]) -> Iterator[Metric]:
    """Yield entries, each followed by the ends of its interval as entries of their own."""
    for entry in entries:
        yield entry
        if entry.ends is None:
            continue
        for side, kind, arrow, found, than in (
            ("low", "lower", "↓", entry.ends.low, "smaller"), ("high", "upper", "↑", entry.ends.high, "larger")
        ):  # fmt: skip
            if found:
                yield Metric(
                    f"{entry.name}_{side}", f"{entry.symbol}{arrow}", entry.unit, entry.scope, cast("Kind", kind),
                    entry.cost, entry.measured_in, entry.equation, found,
                    f"{side.capitalize()} end of {entry.name}: the exact value is no {than}.",
                    log=entry.log, refined=entry.ends.refined, end_of=entry.name,
                )  # fmt: skip
