"""The generalization bound for PL risks (Lemma 2, Eq. 6, 7; Fig. 4, 7), and why it is vacuous.

    β = 2√ε_A·√(2G²/μ) + (2G²/μ)/(n−1),   ε_A = R − f*
    |R_D − R| ≤ √((M² + 12Mnβ)/(2nδ))      with probability 1 − δ

Lemma 2 asks for a global PL constant; here μ is the local one of Eq. 46, and G either max_i‖∇ℓ_i‖ (local)
or the proved Lipschitz constant (compositional). With the local μ = ‖∇f‖²/(2ε_A) and r = G/‖∇f‖, which is
at least 1 because the gradient of a mean is no longer than the longest,

    bound² = M²/(2nδ) + (24M ε_A/δ)(r + r²/(n−1)),

so nothing about the network can push it below its value at r = 1, the floor, which is at least √(24M ε_A/δ). A bound
below M therefore needs ε_A < δM/24 and n > 1/(2δ), and those do not suffice. Cross-entropy is not PL: heuristic there.

Arguments everywhere: ε_A the risk gap, G, μ, M the largest possible loss (an estimate for unbounded losses), n the
number of training examples, δ the failure probability.
"""

from __future__ import annotations

import numpy as np

from engine.theory.number import FloatOrArray, Numbers, defined


def stability_beta(risk_gap: FloatOrArray, lipschitz: Numbers, mu: Numbers, n: int) -> FloatOrArray:
    """β = 2√ε_A·√(2G²/μ) + (2G²/μ)/(n−1), pointwise stability (Eq. 6); NaN for n = 1, μ ≤ 0 or ε_A < 0."""
    if n < 2:
        return defined(risk_gap, np.full(np.shape(risk_gap), np.nan))
    gap, m = np.asarray(risk_gap, dtype=np.float64), np.asarray(mu, dtype=np.float64)
    with np.errstate(all="ignore"):
        spread = 2.0 * np.square(lipschitz) / m
        value = 2.0 * np.sqrt(gap) * np.sqrt(spread) + spread / (n - 1)
    return defined(risk_gap, value, (m > 0.0) & (gap >= 0.0))


def generalization_bound(beta: FloatOrArray, loss_bound: Numbers, n: int, delta: float) -> FloatOrArray:
    """√((M² + 12Mnβ)/(2nδ)), the bound on |R_D − R| (Lemma 2, Eq. 7); NaN where β is."""
    M = np.asarray(loss_bound, dtype=np.float64)
    with np.errstate(all="ignore"):
        value = np.sqrt((np.square(M) + 12.0 * M * n * np.asarray(beta)) / (2.0 * n * delta))
    return defined(beta, value)


def generalization_floor(risk_gap: FloatOrArray, loss_bound: Numbers, n: int, delta: float) -> FloatOrArray:
    """√(M²/(2nδ) + (24M ε_A/δ)(1 + 1/(n−1))), the bound at r = 1: no network does better; NaN for n = 1 or ε_A < 0."""
    gap, M = np.asarray(risk_gap, dtype=np.float64), np.asarray(loss_bound, dtype=np.float64)
    if n < 2:
        return defined(risk_gap, np.full(gap.shape, np.nan))
    with np.errstate(all="ignore"):
        value = np.sqrt(np.square(M) / (2.0 * n * delta) + 24.0 * M * gap / delta * (1.0 + 1.0 / (n - 1)))
    return defined(risk_gap, value, gap >= 0.0)


def risk_floor(risk_gap: FloatOrArray, loss_bound: Numbers, delta: float) -> FloatOrArray:
    """√(24M ε_A/δ), what remains of the floor however many examples there are; NaN for ε_A < 0."""
    with np.errstate(all="ignore"):
        value = np.sqrt(24.0 * np.multiply(loss_bound, risk_gap) / delta)
    return defined(risk_gap, value)
