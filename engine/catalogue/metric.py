"""An entry of the catalogue: all that there is to say about one metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:  # at run time it would import numpy, which the command line's help does without
    from engine.theory.inequality import Setting

Scope = Literal["step", "layer", "initial"]
SCOPE_WORDS: dict[Scope, str] = {
    "step": "one number a step",
    "layer": "one number a step and layer",
    "initial": "one number a layer, at step 0",
}

Kind = Literal["exact", "upper", "lower", "estimate", "heuristic"]
KIND_WORDS: dict[Kind, str] = {
    "exact": "exact up to rounding",
    "upper": "a proved upper bound",
    "lower": "a proved lower bound",
    "estimate": "an estimate and no bound; its residual or resolution is stored where it has one",
    "heuristic": "heuristic: its assumptions are not checked or do not hold in general",
}

Cost = Literal["free", "gram", "spectrum", "products", "forward"]
COST_WORDS: dict[Cost, str] = {
    "free": "free: reads what the step has computed",
    "gram": "n×n products",
    "spectrum": "eigenvalues of n×n matrices or spectral norms",
    "products": "Hessian- or NTK-vector products",
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
    """The kind that a metric takes in networks with one of these activations or losses, and why, a clause."""

    networks: frozenset[str]
    kind: Kind
    why: str

    def applies(self, network: Setting) -> bool:
        """Whether it is about a network."""
        return not self.networks.isdisjoint({network.activation, network.loss})


Sign = Literal["≤", "≥", "±"]
"""A value that is not resolved is an upper end, a lower end, or known up to its error."""


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """The reason why a metric may be unresolved, see :mod:`engine.catalogue.certainty`.

    Attributes:
        sign: What is certain of it where it is not resolved.
        error: The metric that holds its residual or resolution; for a rounding the metric it is relative to.
        rounding: Whether the error is max(n, 16)·eps times ``error`` and not ``error`` itself.
        lower: A metric that is never above the quantity, if there is one.
        ends: Of a condition number, the ends of the spectrum: it is resolved where both are, and has no error.
    """

    sign: Sign
    error: str = ""
    rounding: bool = False
    lower: str = ""
    ends: tuple[str, ...] = ()

    @property
    def resolution(self) -> str:
        """The number that a value must exceed to be resolved, or the metrics that must be, in catalogue names."""
        return ", ".join(self.ends) or (f"max(n, 16)·eps·{self.error}" if self.rounding else self.error)


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
        uncertainty: What may leave it unresolved.
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

    def is_measured(self, measure: str) -> bool:
        """Whether a run with ``--measure MEASURE`` has it."""
        return includes(measure, self.measured_in)

    def kind_in(self, network: Setting) -> Kind:
        """The kind in a network: its activation or its loss may break a theorem, or complete one."""
        return next((refinement.kind for refinement in self.refined if refinement.applies(network)), self.kind)
