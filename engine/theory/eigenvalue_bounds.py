"""Lower bounds on λ_min(G^m) during training from how far G, features or weights have moved (Eq. 13; Fig. 2b, 9).

With F = A/√width, G = FFᵀ, and Δ the change since initialisation:

    op           λ_min(G_0) − ‖ΔG‖₂                      Weyl
    fro          λ_min(G_0) − ‖ΔG‖_F
    features_op  max(0, σ_min(F_0) − ‖ΔF‖₂)²             Weyl for singular values, Eq. 13
    features     max(0, σ_min(F_0) − ‖ΔF‖_F)²
    weights      max(0, σ_min(F_0) − D_m/√width_m)²       D_m from the weights alone, see feature_distance

Always op ≥ fro and features_op ≥ features ≥ weights; the two families cross. Before Eq. 13 the paper asks that the
operators be invertible and σ_min(A)‖A − B‖ < 1: neither is needed. It takes A = G; "the right hand side can be expanded
in terms of the distance between weights" is the last bound. A bound at or below 0 says nothing: vacuous.

They are bounds where λ_min(G_0) is a certain low end and each norm a certain upper end, which for ‖Δ·‖₂ is never needed
above ‖Δ·‖_F. A value that products found is no upper end, nor is it with its residual added.
"""

from __future__ import annotations

import numpy as np

from engine.theory.number import FloatOrArray, Numbers, defined


def gram_bound(initial_lambda_min: FloatOrArray, change: Numbers) -> FloatOrArray:
    """λ_min(G_0) − ‖ΔG‖ in a norm that is at least the spectral one (Eq. 13 with A = G); negative when vacuous."""
    return defined(initial_lambda_min, np.subtract(initial_lambda_min, change))


def feature_bound(initial_lambda_min: FloatOrArray, change: Numbers) -> FloatOrArray:
    """max(0, σ_min(F_0) − ‖ΔF‖)², σ_min(F_0) = √λ_min(G_0), negative counting as 0 (Eq. 13 with A = F)."""
    # NaN passes through np.maximum.
    sigma = np.sqrt(np.maximum(initial_lambda_min, 0.0))
    return defined(initial_lambda_min, np.square(np.maximum(np.subtract(sigma, change), 0.0)))


def feature_distance(
    previous: float,
    *,
    p1: float,
    weight_norm: float,
    weight_distance: float,
    initial_features_fro: float,
    bias_shift: float = 0.0,
    stretch: float = 1.0,
) -> float:
    """D_l, a bound on ‖A_l(t) − A_l(0)‖_F from the weights; D_0 = 0.

    D_l = stretch·p₁(‖W_l(t)‖₂D_{l−1} + ‖W_l(t) − W_l(0)‖₂‖A_{l−1}(0)‖_F + √n‖Δb_l‖), because
    ΔH_l = W_l(t)ΔA_{l−1} + ΔW_l A_{l−1}(0) + Δb_l and φ̄ is p₁-Lipschitz entrywise. Renormalisation stretches
    distances by at most max_i 2√w/(‖u_i(0)‖ + ‖u_i(t)‖) (Dunkl–Williams).

    Args:
        previous: D_{l−1}.
        p1: Lipschitz constant of φ̄.
        weight_norm: ‖W_l(t)‖₂.
        weight_distance: ‖W_l(t) − W_l(0)‖₂.
        initial_features_fro: ‖A_{l−1}(0)‖_F over the n examples.
        bias_shift: √n‖Δb_l‖.
        stretch: The factor of the renormalisation.

    Returns:
        D_l; NaN if it is not finite.
    """
    moved = weight_norm * previous + weight_distance * initial_features_fro + bias_shift
    return defined(previous, stretch * p1 * moved)


def eq13_bounds(
    initial_lambda_min: FloatOrArray,
    *,
    gram_op: Numbers,
    gram_fro: Numbers,
    features_op: Numbers,
    features_fro: Numbers,
    weights: Numbers,
) -> dict[str, FloatOrArray]:
    """All five bounds by catalogue name, from λ_min(G_0), ‖ΔG‖₂, ‖ΔG‖_F, ‖ΔF‖₂, ‖ΔF‖_F and D_m/√width_m."""
    # ‖·‖₂ ≤ ‖·‖_F: where a spectral norm was found loosely, the Frobenius norm takes its place.
    return {
        "eq13_op": gram_bound(initial_lambda_min, np.minimum(gram_op, gram_fro)),
        "eq13_fro": gram_bound(initial_lambda_min, gram_fro),
        "eq13_features_op": feature_bound(initial_lambda_min, np.minimum(features_op, features_fro)),
        "eq13_features": feature_bound(initial_lambda_min, features_fro),
        "eq13_weights": feature_bound(initial_lambda_min, weights),
    }
