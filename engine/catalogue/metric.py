"""What an entry of the catalogue says about a metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Scope = Literal["step", "layer", "initial"]
"""``step``: one number a step. ``layer``: one a step and layer. ``initial``: one a layer, fixed at step 0."""

Kind = Literal["exact", "upper", "lower", "estimate", "heuristic"]
"""How a number is to be read.

``exact``: the quantity itself up to rounding. ``upper`` / ``lower``: a proved bound on it. ``estimate``: an
approximation and no bound, whose residual or resolution is stored where it has one. ``heuristic``: a formula whose
assumptions are not checked or do not hold in general.
"""

Cost = Literal["free", "gram", "spectrum", "products", "forward"]
"""What a metric costs beyond the training step.

``free``: reads what the step has computed. ``gram``: symmetric n×n products. ``spectrum``: eigenvalues of n×n
matrices or spectral norms. ``products``: Hessian- or NTK-vector products. ``forward``: another forward pass.
"""

MeasuredIn = Literal["none", "core", "all"]
"""The smallest measurement set that contains the metric (each contains the one before)."""

_SETS: tuple[str, ...] = get_args(MeasuredIn)


@dataclass(frozen=True, slots=True)
class Metric:
    """One entry of the catalogue.

    Attributes:
        name: Column name in sessions and exports.
        symbol: As written in the theory.
        unit: ``loss``, ``seconds``, ``1`` …
        scope: See :data:`Scope`.
        kind: See :data:`Kind`; the kind in general, refined for a run by :func:`engine.catalogue.kind_in_run`.
        cost: See :data:`Cost`.
        measured_in: The smallest measurement set that contains it.
        equation: Where it comes from: equation or lemma of the paper, or another reference.
        formula: What is computed.
        meaning: One line for people.
        paper: What the paper says about it, and where this program differs; may be empty.
        log: Whether it is naturally read on a logarithmic axis.
        computed: False while the entry is announced but no code computes it yet.
        vacuous: Where its value says nothing, as in "at or below 0"; empty if it always says something.
    """

    name: str
    symbol: str
    unit: str
    scope: Scope
    kind: Kind
    cost: Cost
    measured_in: MeasuredIn
    equation: str
    formula: str
    meaning: str
    paper: str = ""
    log: bool = False
    computed: bool = True
    vacuous: str = ""

    def is_measured(self, measure: str) -> bool:
        """Whether a run with ``--measure MEASURE`` has it."""
        return _SETS.index(measure) >= _SETS.index(self.measured_in)
