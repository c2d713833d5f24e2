"""Proved bounds on the loss's Lipschitz and smoothness constants at θ, from spectral norms and row norms."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.measure.layers import feature_norms
from engine.measure.sample_gradients import squared_row_norms
from engine.network import Network
from engine.theory.losses import LOSSES
from engine.theory.recursion import lipschitz_bound, output_constants, smoothness_bound
from engine.training_pass import TrainingPass


def network_bounds(
    network: Network, current: TrainingPass, weight_norms: NDArray[np.float64], loss: str
) -> dict[str, float]:
    """``lipschitz_bound`` and ``smoothness_bound`` of a row (Lemmas 4 and 9 in parameter space).

    Args:
        network: The network at the row's parameters.
        current: Its pass.
        weight_norms: ‖W_l‖₂ from above, at index l of an array of shape (depth + 1,).
        loss: Name of the loss.

    Returns:
        Both bounds; ``smoothness_bound`` is NaN for ReLU, where it is not defined. Cost: O(n·neurons).
    """
    run = current.run
    constants = output_constants(
        [float(norm) for norm in weight_norms[1:]],
        [squared_row_norms(a).sqrt().cpu().numpy() for a in run.inputs],
        network.activation,
        activation_norms=[feature_norms(run, m) for m in range(1, network.depth)] if network.renormalize else None,
        bias=network.biases is not None,
    )
    gradient_norms = squared_row_norms(current.rows.gradient).sqrt().cpu().numpy()
    return {
        "lipschitz_bound": lipschitz_bound(constants, gradient_norms),
        "smoothness_bound": smoothness_bound(constants, gradient_norms, LOSSES[loss].smoothness),
    }
