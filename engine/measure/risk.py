"""The generalization bound of a row, with local and with proved constants (Lemma 2)."""

from __future__ import annotations

import math

from engine.config import RunConfig
from engine.model.training_pass import TestPass, TrainingPass
from engine.theory.generalization import generalization_bound, generalization_floor, stability_beta
from engine.theory.loss_constants import LOSSES
from engine.theory.polyak_lojasiewicz import pl_constant


def risk_bounds(
    config: RunConfig, current: TrainingPass, test: TestPass | None, sample_norm: float, lipschitz: float
) -> dict[str, float]:
    """The bound on |R_test − R|, its floor, and what goes into it.

    M is 1 for ``mse`` and otherwise the largest loss of an example, over training and test set: an estimate.

    Args:
        config: For n, f*, δ and the loss.
        current: The pass of the row.
        test: The test set at the row, or None.
        sample_norm: max_i‖∇ℓ_i‖, the local Lipschitz constant.
        lipschitz: ``lipschitz_bound``, the compositional one.

    Returns:
        Step metrics; all but ``loss_bound`` NaN for n = 1.
    """
    n, delta = current.run.logits.shape[0], config.delta
    bound = LOSSES[config.loss].bound
    if bound is None:
        bound = max(current.largest, test.largest if test is not None else -math.inf)
    gap = current.loss - config.f_star
    mu = pl_constant(current.loss, current.grad_norm, config.f_star)
    beta = stability_beta(gap, sample_norm, mu, n)
    compositional = stability_beta(gap, lipschitz, mu, n)
    return {
        "loss_bound": bound,
        "stability_beta": beta,
        "generalization_bound": generalization_bound(beta, bound, n, delta),
        "generalization_bound_compositional": generalization_bound(compositional, bound, n, delta),
        "generalization_floor": generalization_floor(gap, bound, n, delta),
    }
