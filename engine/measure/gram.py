"""Feature Gram matrices G = A Aᵀ/width in float64, and what conditioning says of them.

In float32 a Gram matrix near n = width is meaningless (λ_min off by 2% to a thousandfold). float64 is slow on a
consumer card, at 1/64 of float32's rate: eight layers of 500 × 500 are 4 Gflop and so some 10 ms, no more than what is
left to the host. Argument shapes: A (n, width) in any precision; G (n, n) float64.
"""

from __future__ import annotations

import functools
import math
import operator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.measure.extremes import GramExtremes
from engine.theory.conditioning import at_least_zero, log10_condition, resolution

Array = NDArray[np.float64]

# Columns of A that are converted at once: their copy in float64 is all the memory that is needed beside G.
_COLUMNS = 2048


def feature_gram(a: Tensor) -> Tensor:
    """G^m = A_m A_mᵀ/width_m (Eq. 11, rescaled by the width as Eq. 12 needs), (n, n), symmetric to the bit."""
    if a.device.type == "cpu":
        return torch.from_numpy(host_gram(a.detach().numpy()))
    return device_gram(a)


def device_gram(a: Tensor) -> Tensor:
    """The same by torch, on any device; leading dimensions of A are layers. Cost: 2n²·width flops."""
    a64 = a.to(torch.float64)
    gram = (a64 @ a64.mT).tril_()
    return gram.add_(gram.tril(-1).mT).div_(a.shape[-1])


def host_gram(a: NDArray[np.floating]) -> Array:
    """The same on the host, by half the work: numpy takes the product of A with its own transpose for symmetric."""
    width = a.shape[1]
    starts = range(0, width, _COLUMNS)
    parts = (np.ascontiguousarray(a[:, first : first + _COLUMNS], dtype=np.float64) for first in starts)
    gram: Array = functools.reduce(operator.iadd, (part @ part.T for part in parts))
    gram /= width
    return gram


SPECTRUM = ("lambda_min", "lambda_min_low", "lambda_max", "lambda_max_residual", "lambda_resolution", "log10_cond")
"""What :func:`spectrum` gives, by catalogue name."""


def spectrum(gram: Array, width: int, follower: GramExtremes | None = None) -> dict[str, float]:
    """Extremes of a Gram matrix.

    Args:
        gram: G, (n, n).
        width: Width of the features it was made from: where n exceeds it, λ_min is exactly 0.
        follower: What knows the extremes of the row before; without it the dense solver is used.

    Returns:
        The metrics of :data:`SPECTRUM`; all NaN if G is not finite. Cost: see
        :meth:`engine.measure.extremes.GramExtremes.measure`.
    """
    n = len(gram)
    # Where the diagonal is finite, so is the rest (Cauchy–Schwarz).
    if not math.isfinite(float(gram.trace())):
        return dict.fromkeys(SPECTRUM, math.nan)
    found = (follower or GramExtremes()).measure(gram, singular=n > width)
    return {
        "lambda_min": at_least_zero(found.smallest),
        "lambda_min_low": found.smallest_lower,
        "lambda_max": found.largest,
        "lambda_max_residual": found.largest_residual,
        "lambda_resolution": float(resolution(found.largest, n)),
        "log10_cond": float(log10_condition(found.smallest, found.largest, n)),
    }
