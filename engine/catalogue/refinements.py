"""Properties of activations, losses and precisions that break theorems, or complete them: they refine kinds."""

from __future__ import annotations

from engine.catalogue.metric import Refinement
from engine.theory.activation import ACTIVATIONS
from engine.theory.loss_constants import LOSSES

_KINKED = {name: phi.title for name, phi in ACTIVATIONS.items() if phi.piecewise_linear}
_NOT_PL = {name: loss.title for name, loss in LOSSES.items() if not loss.pl}

KINKS = Refinement(
    frozenset(_KINKED),
    "heuristic",
    f"the gradient of a {'/'.join(_KINKED.values())} network jumps at kinks: no L is a Lipschitz constant of it",
)
NOT_PL = Refinement(
    frozenset(_NOT_PL),
    "heuristic",
    f"{'/'.join(_NOT_PL.values()).lower()} is not a PL function: its infimum is not attained",
)
BOUNDED = tuple(
    Refinement(frozenset({name}), "exact", f"{loss.formula} is never above {loss.bound:g}")
    for name, loss in LOSSES.items()
    if loss.bound is not None
)
UNBOUNDED = Refinement(
    frozenset(name for name, loss in LOSSES.items() if loss.bound is None),
    "estimate",
    "M stands in it, the largest loss seen, and the loss has no largest value",
)
FLOAT32 = Refinement(
    frozenset({"float32"}),
    "probabilistic",
    "the matrix is formed from float32 signals, whose rounding is bounded with high probability",
)
