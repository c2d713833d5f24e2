"""Predictions of the lemmas: the next loss, factor by factor that of many steps, and how far θ may travel.

All take numbers or arrays, and give NaN for what is not defined. f, μ and ‖g‖ belong to the row *before* the step, L to
the estimator named in each place; η is the learning rate that was really used, where the paper's lemmas presume
η = 1/L.

With the local μ of Eq. 46, Lemma 1's f* + (1 − μ/L)(f − f*) is f − ‖g‖²/(2L) whatever f* is: the local PL
constant cancels, so Lemma 1 says nothing beyond the descent lemma. All of it is heuristic here: L is
estimated along the path and not proved over a region, and ReLU networks have kinks.
"""

from __future__ import annotations

import numpy as np

from engine.theory.number import FloatOrArray, Numbers, defined


def lemma1(loss: FloatOrArray, grad_norm: Numbers, smoothness: Numbers) -> FloatOrArray:
    """Lemma 1, Eq. 3: f* + (1 − μ/L)(f − f*) = f − ‖g‖²/(2L), presuming η = 1/L; L > 0 is λ_max of the Hessian."""
    return _decreased(loss, grad_norm, 2.0, smoothness)


def lemma10(loss: FloatOrArray, grad_norm: Numbers, smoothness: Numbers) -> FloatOrArray:
    """Lemma 10, Eq. 40, as B.3 uses it: f − ‖g‖²/(8L); L > 0 is λ_max of the Hessian.

    Eq. 40 with μ = 1 (convex functions), ‖x − x*‖ ≈ 2(f − f*)/G and G = ‖∇f‖; four times looser than Lemma
    1. What Eq. 38 calls "weakly convex" means convex.

    Returns:
        Predicted loss.
    """
    return _decreased(loss, grad_norm, 8.0, smoothness)


@np.errstate(all="ignore")
def descent(loss: FloatOrArray, grad_norm: Numbers, lr: Numbers, smoothness: Numbers) -> FloatOrArray:
    """The descent lemma at the real learning rate: f − η(1 − ηL/2)‖g‖² (behind Lemma 1; not in the paper)."""
    # For η > 2/L it allows the loss to rise; that is shown and not clipped. L may be negative, as L_step can be.
    value = np.asarray(loss) - lr * (1.0 - np.multiply(lr, smoothness) / 2.0) * np.square(grad_norm)
    return defined(loss, value)


@np.errstate(all="ignore")
def ratio(loss: FloatOrArray, predicted: Numbers, f_star: float = 0.0) -> FloatOrArray:
    """Actual over predicted loss (Fig. 2a, 6): below 1 the network did better; NaN for a prediction at or below f*."""
    return defined(loss, np.divide(loss, predicted), np.asarray(predicted) > f_star)


@np.errstate(all="ignore")
def decrease_ratio(previous_loss: FloatOrArray, loss: Numbers, predicted: Numbers) -> FloatOrArray:
    """(f_{k−1} − f_k)/(f_{k−1} − predicted): 1 when exact, whatever the size of the loss (not in the paper)."""
    return defined(previous_loss, np.divide(np.subtract(previous_loss, loss), np.subtract(previous_loss, predicted)))


@np.errstate(all="ignore")
def smoothness_step(previous_loss: FloatOrArray, loss: Numbers, lr: Numbers, grad_norm: Numbers) -> FloatOrArray:
    """L_step = 2(f_k − f_{k−1} + η‖g‖²)/(η²‖g‖²), which makes the descent lemma exact on the step made.

    Equally, the mean curvature along the step, weighted towards its start: 2∫(1−t) gᵀ∇²f(θ−tηg)g dt/‖g‖².
    It can be negative, and is at most the largest eigenvalue of the Hessian on the step.

    Returns:
        L_step; NaN if nothing moved.
    """
    squared = np.square(grad_norm)
    value = 2.0 * (np.subtract(loss, previous_loss) + lr * squared) / (np.square(lr) * squared)
    return defined(previous_loss, value)


@np.errstate(all="ignore")
def smoothness_secant(gradient_change: FloatOrArray, distance: Numbers) -> FloatOrArray:
    """‖g_k − g_{k−1}‖/‖θ_k − θ_{k−1}‖ (Eq. 15): at most any Lipschitz constant of the gradient on the step."""
    return defined(gradient_change, np.divide(gradient_change, distance))


@np.errstate(all="ignore")
def lemma13_factor(mu: FloatOrArray, lr: Numbers, smoothness: Numbers) -> FloatOrArray:
    """One factor of Lemma 13, Eq. 49, at the real η: 1 − 2ημ(1 − ηL/2) with L = max(L, μ), and 1 where L is not known.

    Lemma 13 needs an upper bound on curvature. A function that is L-smooth and never below f* has
    ‖∇f‖² ≤ 2L(f − f*), so no L below the local μ can be one: a smaller estimate, negative ones included,
    is raised to μ. The factor is then at least (1 − ημ)² ≥ 0, and never predicts a loss below f*. It
    exceeds 1 for η > 2/L: the lemma then allows a rise, which is shown.

    Returns:
        The factor; NaN where μ or η is. L_i must be known before the step i → i+1.
    """
    L = np.maximum(smoothness, mu)
    value = 1.0 - 2.0 * np.multiply(lr, mu) * (1.0 - np.multiply(lr, L) / 2.0)
    known = np.where(np.isfinite(np.multiply(lr, mu)), 1.0, np.nan)
    return defined(mu, np.where(np.isnan(np.asarray(smoothness, dtype=np.float64)), known, value))


@np.errstate(all="ignore")
def lemma13_paper_factor(mu: FloatOrArray, smoothness: Numbers) -> FloatOrArray:
    """One factor of Lemma 13 as printed, for η = 1/L: 1 − μ/L; NaN for L < μ, which contradicts its hypothesis."""
    L = np.asarray(smoothness, dtype=np.float64)
    return defined(mu, 1.0 - mu / L, (np.asarray(mu) <= L) & (L > 0.0))


@np.errstate(all="ignore")
def radius_bound(initial_gap: FloatOrArray, mu: Numbers, smoothness: Numbers, lr: Numbers) -> FloatOrArray:
    """Lemma 1's radius (Eq. 4) at the real η: η√(2L(f⁰ − f*))/(1 − √γ), γ = 1 − 2ημ(1 − ηL/2).

    From ‖θ_k − θ_0‖ ≤ η Σ‖g_i‖ ≤ η Σ√(2L(f_i − f*)) ≤ η√(2L(f⁰ − f*)) Σ γ^{i/2}. Eq. 4 has a spurious 1/L
    on its left and presumes η = 1/L. As in :func:`lemma13_factor`, an L below μ is raised to μ.

    Returns:
        The radius; NaN for η ≥ 2/L, where γ ≥ 1 and the sum does not converge, and for μ ≤ 0.
    """
    L = np.maximum(smoothness, mu)
    shrink = 2.0 * np.multiply(lr, mu) * (1.0 - np.multiply(lr, L) / 2.0)
    # 1 − √γ = (1 − γ)/(1 + √γ) keeps its digits when γ is near 1, as it always is here.
    root = 1.0 + np.sqrt(np.maximum(1.0 - shrink, 0.0))
    value = np.multiply(lr, np.sqrt(2.0 * L * initial_gap)) * root / shrink
    return defined(initial_gap, value, (np.asarray(mu) > 0.0) & (shrink > 0.0))


@np.errstate(all="ignore")
def _decreased(loss: FloatOrArray, grad_norm: Numbers, factor: float, smoothness: Numbers) -> FloatOrArray:
    L = np.asarray(smoothness, dtype=np.float64)
    return defined(loss, np.asarray(loss) - np.square(grad_norm) / (factor * L), L > 0.0)
