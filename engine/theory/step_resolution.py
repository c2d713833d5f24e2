"""The uncertainty that rounding leaves in L_step: of the forward passes, the update, and the numbers themselves.

Every rounding is taken as independent of the others and as likely up as down, so that they add up in squares; the
result is six standard deviations. None of it is a proved bound: a pre-activation that is rounded across the kink of a
ReLU, at one row in hundreds, moves L_step by more.

Arguments everywhere: ``signals``, ‖δ_{1,i}‖ … ‖δ_{L,i}‖, (L, n), δ_{l,i} = ∂ℓ_i/∂h_{l,i}; ``lr``, η; ``grad_norm``,
‖∇f‖; ``epsilon``, machine epsilon of the training precision, in which η and g are known.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.theory.number import EPSILON

_DEVIATIONS = 6.0
_ACTIVATION = 9.0
_SUMMATION = 1.0 / 8.0
"""The variance that a layer leaves in one entry of its output, in units of (u·rms)²: of activation and scales, and for
each term of its sums, which are made in blocks. Compared with float64 for 16 to 400 neurons."""


def loss_rounding(
    signals: ArrayLike, outputs: ArrayLike, fan_in: ArrayLike, fan_out: ArrayLike, loss: float, epsilon: float
) -> float:
    """The uncertainty that the rounding of a forward pass leaves in its mean loss.

    To first order ε_l, the rounding of layer l's outputs h_l, moves example i's loss by ⟨δ_{l,i}, ε_{l,i}⟩. To second
    order, which is all that counts once the residual is as small as the rounding of the logits o, it moves it by
    ½‖Δo_i‖², and what one logit takes from ε_l is of the size of ‖δ_l‖/‖δ_L‖. The mean of ½‖Δo_i‖² is the same at every
    row and falls out of differences; what is left is by how much a mean of nk squares varies.

    ``outputs`` are ‖u_{1,i}‖ … ‖u_{L−1,i}‖ of the features and ‖o_i‖ of the logits, (L, n). Where tanh saturates, h is
    larger than u, but its slope is as much smaller: |h|·φ̄'(h) ≤ |φ̄(h)|. ``fan_in`` and ``fan_out`` are (L,).

    Returns:
        The uncertainty of f, as far as it differs from row to row. Cost: O(nL).
    """
    delta, size = np.asarray(signals, dtype=np.float64), np.asarray(outputs, dtype=np.float64)
    n, terms, count = delta.shape[1], np.asarray(fan_in, dtype=np.float64), np.asarray(fan_out, dtype=np.float64)
    with np.errstate(all="ignore"):
        # The standard deviation of an entry of ε_l.
        entry = 0.5 * epsilon * size * np.sqrt((_ACTIVATION + _SUMMATION * terms) / count)[:, None]
        first = _length(delta * entry) / n
        share = delta / delta[-1]
        known = np.isfinite(share)
        share = np.where(known, share, np.max(share, axis=1, where=known, initial=0.0, keepdims=True))
        logits = _length(share * entry)
        second = 0.5 * float(count[-1]) * logits * logits / n
    varying = second * math.sqrt(2.0 / (n * float(count[-1])))
    return float(_DEVIATIONS * (first + varying) + 2.0 * EPSILON * abs(loss))


def update_rounding(
    gradients: ArrayLike, steepest: ArrayLike, weights: ArrayLike, sizes: ArrayLike, lr: float, epsilon: float
) -> float:
    """The uncertainty that the rounding ρ of θ − ηg leaves in f after the step, to first order ⟨∇f, ρ⟩.

    An entry of θ is rounded to a multiple of about eps·|θ|. Where the steps of a layer's entries are not larger than
    that, many are lost altogether: ρ = ηg there, and their shares add up instead of averaging out.

    Of each parameter array p, ``gradients`` are ‖∂f/∂θ_p‖ before the step, ``steepest`` the larger of it and of that
    after the step, which may be much larger where a run diverges, ``weights`` bounds on ‖θ_p‖_F, ``sizes`` its entries.

    Returns:
        The uncertainty of f after the step.
    """
    g, after, w, count = (np.asarray(v, dtype=np.float64) for v in (gradients, steepest, weights, sizes))
    with np.errstate(all="ignore"):
        grid, step = epsilon * w / np.sqrt(count), lr * g / np.sqrt(count)
        scattered = _length(after * grid) / math.sqrt(12.0)
        kept = np.where(grid > 0.0, step / grid, np.inf)
        lost = lr * float(np.sum(np.square(g) * (1.0 + kept * kept) ** -1.5))
    return _DEVIATIONS * scattered + lost


def slope_rounding(
    signals: ArrayLike, features: ArrayLike, weights: ArrayLike, p1: float, grad_norm: float, epsilon: float
) -> float:
    """The uncertainty, relative to ‖∇f‖, that the rounding of smooth φ̄' leaves in it; 0 where there is no gradient.

    1 − tanh² is rounded relative to 1: where tanh saturates, none of its digits are left, and a slope that is lost
    is missed in δ_l = φ̄'(h_l) ⊙ (W_{l+1}ᵀδ_{l+1}) by u·p₁‖W_{l+1}‖‖δ_{l+1}‖; GELU's are alike, ReLU's exact.
    ``features`` are ‖a_{0,i}‖ … ‖a_{L−1,i}‖, (L, n), ``weights`` bounds on ‖W_1‖_F … ‖W_L‖_F, ``p1`` is max|φ̄'|.

    Returns:
        The share.
    """
    delta, a = np.asarray(signals, dtype=np.float64), np.asarray(features, dtype=np.float64)
    norms = np.asarray(weights, dtype=np.float64)[:, None]
    with np.errstate(all="ignore"):
        missed = 0.5 * epsilon * p1 * norms[1:] * delta[1:] * a[:-1]
        return _length(missed) / delta.shape[1] / grad_norm if grad_norm > 0.0 else 0.0


def smoothness_step_resolution(
    rounding: float,
    slopes: float,
    *,
    lr: float,
    grad_norm: float,
    loss: float,
    smoothness: float,
    largest: float,
    epsilon: float,
) -> float:
    """The half-width of the uncertainty of L_step = 2(f_k − f_{k−1} + η‖g‖²)/(η²‖g‖²).

    Where rounding is all there is, L_step is a curvature that is not known at all: it is then taken to be at most twice
    the largest seen, or twice 2/η, from which on no descent would have led here.

    ``rounding`` is the uncertainty of f_k − f_{k−1}, ``slopes`` that of ‖∇f(θ_{k−1})‖ relative to it, ``loss`` the
    larger of both losses, ``smoothness`` L_step, ``largest`` the largest so far.

    Returns:
        The half-width; NaN if nothing moved.
    """
    squared = (lr * grad_norm) ** 2
    if not squared > 0.0:
        return math.nan
    # η² ‖g‖² again beside losses: the formula itself is computed in float64.
    summed = EPSILON * (abs(loss) + lr * grad_norm * grad_norm)
    scale = 2.0 * (epsilon + slopes) * (2.0 / lr + abs(smoothness))
    return min(2.0 * (rounding + summed) / squared + scale, abs(smoothness) + 2.0 * max(largest, 2.0 / lr))


def _length(values: NDArray[np.floating]) -> float:
    """√Σv², without overflow where v² has one."""
    most = float(np.max(np.abs(values), initial=0.0))
    return most * float(np.linalg.norm(values / most)) if 0.0 < most < math.inf else most
