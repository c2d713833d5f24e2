"""The generalization bound for PL risks (Lemma 2, Eq. 6, 7; Fig. 4, 7), and why it is vacuous.

    β = 2√ε_A·√(2G²/μ) + (2G²/μ)/(n−1),   ε_A = R − f*
    |R_D − R| ≤ √((M² + 12Mnβ)/(2nδ))      with probability 1 − δ

Lemma 2 asks for a global PL constant; here μ is the local one of Eq. 46, and G either max_i‖∇ℓ_i‖ (local)
or the proved Lipschitz constant (compositional). With the local μ = ‖∇f‖²/(2ε_A) and r = G/‖∇f‖, which is
at least 1 because the gradient of a mean is no longer than the longest,

    bound² = M²/(2nδ) + (24M ε_A/δ)(r + r²/(n−1)),

so nothing about the network can push it below its value at r = 1, the floor, which is at least √(24M
ε_A/δ). A bound below M therefore needs ε_A < δM/24 and n > 1/(2δ), and those do not suffice. Cross-entropy
is not PL: heuristic there.
"""

from __future__ import annotations

import numpy as np

from engine.theory.number import FloatOrArray, defined


def stability_beta(
    risk_gap: FloatOrArray, lipschitz: FloatOrArray | float, mu: FloatOrArray | float, n: int
) -> FloatOrArray:
    """β = 2√ε_A·√(2G²/μ) + (2G²/μ)/(n−1), pointwise stability of gradient descent (Eq. 6).

    Args:
        risk_gap: ε_A = R − f*.
        lipschitz: G.
        mu: μ.
        n: Number of training examples.

    Returns:
        β; NaN for n = 1, μ ≤ 0 or ε_A < 0.
    """
    if n < 2:
        return defined(risk_gap, np.full(np.shape(risk_gap), np.nan))
    gap, m = np.asarray(risk_gap, dtype=np.float64), np.asarray(mu, dtype=np.float64)
    with np.errstate(all="ignore"):
        spread = 2.0 * np.square(lipschitz) / m
        value = 2.0 * np.sqrt(gap) * np.sqrt(spread) + spread / (n - 1)
    return defined(risk_gap, value, (m > 0.0) & (gap >= 0.0))


def generalization_bound(beta: FloatOrArray, loss_bound: FloatOrArray | float, n: int, delta: float) -> FloatOrArray:
    """√((M² + 12Mnβ)/(2nδ)), the bound on |R_D − R| (Lemma 2, Eq. 7).

    Args:
        beta: β.
        loss_bound: M, the largest possible loss; an estimate for unbounded losses.
        n: Number of training examples.
        delta: Failure probability δ.

    Returns:
        The bound; NaN where β is.
    """
    M = np.asarray(loss_bound, dtype=np.float64)
    with np.errstate(all="ignore"):
        value = np.sqrt((np.square(M) + 12.0 * M * n * np.asarray(beta)) / (2.0 * n * delta))
    return defined(beta, value)


def generalization_floor(
    risk_gap: FloatOrArray, loss_bound: FloatOrArray | float, n: int, delta: float
) -> FloatOrArray:
    """√(M²/(2nδ) + (24M ε_A/δ)(1 + 1/(n−1))), the bound at r = G/‖∇f‖ = 1: no network does better.

    Args:
        risk_gap: ε_A = R − f*.
        loss_bound: M.
        n: Number of training examples.
        delta: δ.

    Returns:
        The floor; NaN for n = 1 or ε_A < 0.
    """
    gap, M = np.asarray(risk_gap, dtype=np.float64), np.asarray(loss_bound, dtype=np.float64)
    if n < 2:
        return defined(risk_gap, np.full(gap.shape, np.nan))
    with np.errstate(all="ignore"):
        value = np.sqrt(np.square(M) / (2.0 * n * delta) + 24.0 * M * gap / delta * (1.0 + 1.0 / (n - 1)))
    return defined(risk_gap, value, gap >= 0.0)


def risk_floor(risk_gap: FloatOrArray, loss_bound: FloatOrArray | float, delta: float) -> FloatOrArray:
    """√(24M ε_A/δ), what remains of the floor however many examples there are.

    Args:
        risk_gap: ε_A = R − f*.
        loss_bound: M.
        delta: δ.

    Returns:
        The number; NaN for ε_A < 0.
    """
    with np.errstate(all="ignore"):
        value = np.sqrt(24.0 * np.multiply(loss_bound, risk_gap) / delta)
    return defined(risk_gap, value)


def is_vacuous(bound: float, loss_bound: float) -> bool:
    """Whether the bound says no more than that a loss is at most M.

    Args:
        bound: The bound on |R_D − R|.
        loss_bound: M.

    Returns:
        True if bound ≥ M; False for NaN, which is not computed rather than vacuous.
    """
    return bool(bound >= loss_bound)


def largest_risk_gap(loss_bound: float, delta: float) -> float:
    """δM/24: at or above this ε_A the bound with local μ is vacuous, whatever the network.

    Args:
        loss_bound: M.
        delta: δ.

    Returns:
        The threshold.
    """
    return delta * loss_bound / 24.0


def fewest_examples(delta: float) -> float:
    """1/(2δ): with at most so many examples the bound is vacuous, whatever the network.

    Args:
        delta: δ.

    Returns:
        The threshold.
    """
    return 1.0 / (2.0 * delta)


def verdict(
    bound: float, floor: float, risk_gap: float, *, loss_bound: float, n: int, delta: float, loss: str = "mse"
) -> str:
    """What the numbers mean, in words.

    Args:
        bound: The bound with local constants.
        floor: Its floor.
        risk_gap: ε_A = R − f*.
        loss_bound: M.
        n: Number of training examples.
        delta: δ.
        loss: Name of the loss.

    Returns:
        One to four sentences; never empty.
    """
    if n < 2:
        return "Not defined for a single example: stability compares with n − 1 others."
    if not np.isfinite(bound):
        return "Not defined here: it needs a loss above f* and a gradient."
    said = []
    if is_vacuous(bound, loss_bound):
        said.append(f"Vacuous: the bound, {bound:.3g}, is not below M = {loss_bound:.3g}, the largest loss.")
        needs = []
        threshold = largest_risk_gap(loss_bound, delta)
        if risk_gap >= threshold:
            needs.append(f"a training loss within {threshold:.3g} of f* (δM/24; now {risk_gap:.3g})")
        if n <= fewest_examples(delta):
            needs.append(f"more than {fewest_examples(delta):.3g} examples (1/2δ; now {n})")
        if np.isfinite(floor) and is_vacuous(floor, loss_bound):
            said.append(f"With the local μ no network could push it below its floor, {floor:.3g}.")
        if needs:
            said.append(f"To say anything it would need {' and '.join(needs)}, and that would not suffice.")
        else:
            said.append("The largest per-example gradient is too long beside the gradient of the mean.")
    else:
        said.append(
            f"With probability {1.0 - delta:.4g} test and training risk differ by at most {bound:.3g}, "
            "if the local constants held globally."
        )
    if loss == "cross_entropy":
        said.append("Cross-entropy is not PL: heuristic.")
    elif loss == "mse_logits":
        said.append("M is an estimate: this loss has no largest value.")
    return " ".join(said)
