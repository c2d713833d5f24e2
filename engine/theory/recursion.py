"""Lipschitz and smoothness constants of each example's output in the *parameters*, layer by layer.

The paper's Lemmas 4 and 9 compose layers as functions of their input; Lemmas 1, 2 and 13 are about
functions of the parameters, which those constants cannot serve. This recursion is the parameter-space
counterpart. For one example, h_l = W_l a_{l−1}, with J ≥ ‖∂h_l/∂θ‖₂ and H ≥ the norm of its second
derivative:

    J = ‖x‖, H = 0 at h_1, and from each layer to the next, with s = ‖W‖₂,
    c = q₁J,  b = s(q₂J² + q₁H),  J ← √(‖a‖² + (s q₁J)²),  H ← (b + √(b² + 4c²))/2      (old J in c and b)

because dh = dW a + W da, d²h = 2 dW da + W d²a, and 2αβc + β²b ≤ H(α² + β²). q₁, q₂ bound the first two
derivatives of h ↦ a: p₁ and p₂, or with renormalisation a = νu, ν = √w/‖u‖: q₁ = νp₁, q₂ = νp₂ +
(2/√3)(√w/‖u‖²)p₁² (2/√3 is the norm of the second derivative of u/‖u‖ on the unit sphere). A bias adds 1
to ‖a‖².

Over a ball of radius r around θ: s → s + r, ‖a_l‖ → ‖a_l‖ + p₁J_l r with J_l the value over the ball (and,
under renormalisation, ‖u_l‖ → ‖u_l‖ − p₁J_l r, not defined if that is not positive). s + r alone is no bound.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from engine.theory.activation import NormalizedActivation
from engine.theory.loss_constants import LossConstants
from engine.theory.number import Array


@dataclass(frozen=True, slots=True)
class OutputConstants:
    """Constants of θ ↦ o_i(θ) at θ or over a ball, one a training example, each of shape (n,).

    Attributes:
        lipschitz: J_i ≥ ‖∂o_i/∂θ‖₂.
        smoothness: H_i, a bound on the norm of the second derivative; NaN where p₂ is not defined.
    """

    lipschitz: Array
    smoothness: Array


def output_constants(
    weight_norms: Sequence[float],
    feature_norms: Sequence[ArrayLike],
    activation: NormalizedActivation,
    *,
    activation_norms: Sequence[ArrayLike] | None = None,
    bias: bool = False,
    radius: float = 0.0,
) -> OutputConstants:
    """Run the recursion for all examples at once.

    Args:
        weight_norms: ‖W_1‖₂ … ‖W_L‖₂, or upper bounds on them.
        feature_norms: ‖a_{0,i}‖ … ‖a_{L−1,i}‖, L arrays of shape (n,); a_0 = x.
        activation: φ̄'s constants.
        activation_norms: ‖u_{1,i}‖ … ‖u_{L−1,i}‖, L − 1 arrays of shape (n,), when the network renormalises
            (then ``feature_norms`` from 1 on are √width); None when it does not.
        bias: Whether layers have biases.
        radius: r ≥ 0, the Euclidean radius in parameters over which the constants are to hold; 0 for θ alone.

    Returns:
        The constants; NaN where renormalisation cannot be bounded over the ball. Cost O(Ln).
    """
    extra = 1.0 if bias else 0.0
    p1 = activation.p1
    p2 = math.nan if activation.p2 is None else activation.p2
    with np.errstate(all="ignore"):
        J = np.sqrt(np.square(np.asarray(feature_norms[0], dtype=np.float64)) + extra)
        H = np.zeros_like(J)
        for index in range(1, len(weight_norms)):
            s = weight_norms[index] + radius
            a = np.asarray(feature_norms[index], dtype=np.float64)
            if activation_norms is None:
                q1, q2 = np.full_like(J, p1), np.full_like(J, p2)
                a = a + p1 * J * radius
            else:
                u = np.asarray(activation_norms[index - 1], dtype=np.float64) - p1 * J * radius
                u = np.where(u > 0.0, u, np.nan)
                # ‖a‖ = √w is what renormalisation makes it, here and over the ball.
                q1 = a / u * p1
                q2 = a / u * p2 + 2.0 / math.sqrt(3.0) * a / np.square(u) * p1**2
            c = q1 * J
            b = s * (q2 * np.square(J) + q1 * H)
            J = np.sqrt(np.square(a) + extra + np.square(s * c))
            H = (b + np.sqrt(np.square(b) + 4.0 * np.square(c))) / 2.0
    if activation.p2 is None:
        H = np.full_like(H, np.nan)
    return OutputConstants(J, H)


def lipschitz_bound(constants: OutputConstants, loss_gradient_norms: ArrayLike) -> float:
    """max_i G_{ℓ,i} J_i, a proved bound on every ‖∇ℓ_i(θ)‖, from G_{ℓ,i} = ‖∂ℓ_i/∂o‖ at θ, (n,)."""
    value = float(np.max(np.asarray(loss_gradient_norms, dtype=np.float64) * constants.lipschitz))
    return value if math.isfinite(value) else math.nan


def smoothness_bound(constants: OutputConstants, loss_gradient_norms: ArrayLike, loss_smoothness: float) -> float:
    """mean_i (L_ℓ J_i² + G_{ℓ,i} H_i), a proved bound on ‖∇²f(θ)‖₂ (Lemma 4's chain rule, in parameters).

    Lemma 3's bound on smoothness, L·λ_max(K), omits the second term, Σ∂ℓ·∇²F: it bounds the Gauss–Newton matrix only.

    Returns:
        The bound, with G as before and L_ℓ a bound on the norm of ℓ's Hessian in the outputs; NaN at kinks.
    """
    G = np.asarray(loss_gradient_norms, dtype=np.float64)
    value = float(np.mean(loss_smoothness * np.square(constants.lipschitz) + G * constants.smoothness))
    return value if math.isfinite(value) else math.nan


def smoothness_over_ball(
    constants: OutputConstants, loss_gradient_norms: ArrayLike, loss: LossConstants, radius: float
) -> float:
    """A bound on ‖∇²f‖₂ at every point of a ball around θ: the L that makes the descent lemma a theorem on a step.

    A step θ − ηg lies with all its points in the ball of radius r = η‖g‖. There, for every example,
    ‖∇²(ℓ∘o)‖ ≤ L_ℓJ² + ‖∂ℓ/∂o‖H with J and H over the ball, and because ∂ℓ/∂o is L_ℓ-Lipschitz in o and o is
    J-Lipschitz in the parameters,

        ‖∂ℓ/∂o‖ ≤ min(sup‖∂ℓ/∂o‖, ‖∂ℓ/∂o(θ)‖ + L_ℓ J r).

    The supremum is 8√2/27 for mse and √2 for cross-entropy; mse_logits has none. Taylor's formula along the segment
    then gives f(θ − ηg) ≤ f − η‖g‖² + (L/2)η²‖g‖² = f − η(1 − ηL/2)‖g‖² for every η.

    Returns:
        The bound from constants over this ball and ‖∂ℓ_i/∂o‖ at θ, (n,); NaN at kinks, and where renormalisation
        cannot be bounded over the ball.
    """
    over_ball = np.asarray(loss_gradient_norms, dtype=np.float64) + loss.smoothness * constants.lipschitz * radius
    if loss.gradient_bound is not None:
        over_ball = np.minimum(over_ball, loss.gradient_bound)
    return smoothness_bound(constants, over_ball, loss.smoothness)


def layer_constants(M: ArrayLike, p1: float, p2: float) -> tuple[float, float]:
    """Lemma 9 corrected: constants of x ↦ Mφ(x) in its *input*, G_f = σ_max(M)p₁, L_f = max_j‖M_{:j}‖₂·p₂.

    No metric reads it: the paper's L may be the composition of its Lemmas 4 and 9. The paper's L_f = max|M_ij|·p₂
    bounds each output coordinate alone (and its Eq. 35 is ≤); moving along one input j changes all outputs together:
    the second derivative Σ_j M_{:j}φ''(x_j)v_j² is convex in v_j², so largest at a coordinate vector. Definition 3's
    first maximum, of Σ|λ_i|, is wrong.

    Returns:
        G_f and L_f of M, (outputs, inputs).
    """
    matrix = np.asarray(M, dtype=np.float64)
    return float(np.linalg.norm(matrix, 2)) * p1, float(np.max(np.linalg.norm(matrix, axis=0))) * p2
