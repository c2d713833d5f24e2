"""What a network makes of a metric's kind: its activation or its loss may break a theorem, or complete one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from engine.catalogue.metric import Kind, Metric
from engine.theory.activation import ACTIVATIONS
from engine.theory.loss_constants import LOSSES


class Network(Protocol):
    """What of a run decides kinds."""

    @property
    def activation(self) -> str:
        """Name of the activation."""

    @property
    def loss(self) -> str:
        """Name of the loss."""


@dataclass(frozen=True, slots=True)
class Refinement:
    """A kind that some metrics take in some networks.

    Attributes:
        metrics: Names of the metrics.
        when: Activations or losses: the networks it is about.
        kind: Their kind there.
        why: The reason, a clause.
    """

    metrics: frozenset[str]
    when: frozenset[str]
    kind: Kind
    why: str


_PREDICTIONS = frozenset({"predicted_lemma1", "predicted_descent", "predicted_lemma10", "lemma13_bound"})

_KINKED = {name: phi.title for name, phi in ACTIVATIONS.items() if phi.piecewise_linear}
_NOT_PL = {name: loss.title for name, loss in LOSSES.items() if not loss.pl}

REFINEMENTS: tuple[Refinement, ...] = (
    Refinement(
        _PREDICTIONS | {"radius_bound", "smoothness_secant"},
        frozenset(_KINKED),
        "heuristic",
        f"the gradient of a {'/'.join(_KINKED.values())} network jumps at kinks: no L is a Lipschitz constant of it",
    ),
    Refinement(
        frozenset(
            {"lemma13_bound", "stability_beta", "generalization_bound", "generalization_bound_compositional"}
            | {"radius_bound"}
        ),
        frozenset(_NOT_PL),
        "heuristic",
        f"{'/'.join(_NOT_PL.values()).lower()} is not a PL function: its infimum is not attained",
    ),
    *(
        Refinement(
            frozenset({"loss_bound"}), frozenset({name}), "exact", f"{loss.formula} is never above {loss.bound:g}"
        )
        for name, loss in LOSSES.items()
        if loss.bound is not None
    ),
    Refinement(
        frozenset({"generalization_floor"}),
        frozenset(name for name, loss in LOSSES.items() if loss.bound is None),
        "estimate",
        "M stands in it, the largest loss seen, and the loss has no largest value",
    ),
)
"""In order: the first that applies decides."""


def refinements(metric: Metric) -> tuple[Refinement, ...]:
    """What networks make of a metric's kind.

    Args:
        metric: The entry.

    Returns:
        The refinements that give it a kind other than its own, or another reason for the same.
    """
    return tuple(refinement for refinement in REFINEMENTS if metric.name in refinement.metrics)


def kind_in_run(metric: Metric, *, activation: str, loss: str) -> Kind:
    """The kind of a metric for one network: some theorems need smoothness or the PL property.

    Args:
        metric: The entry.
        activation: Its name.
        loss: Name of the loss.

    Returns:
        The metric's own kind, or what :data:`REFINEMENTS` makes of it for this network.
    """
    for refinement in refinements(metric):
        if refinement.when & {activation, loss}:
            return refinement.kind
    return metric.kind
