"""What the lemmas say of the next loss, of many steps together, and of how far θ may travel.

All take numbers or arrays. f, μ, ‖g‖ belong to the row *before* the step, L to the estimator named in each
place; η is the learning rate that was really used, where the paper's lemmas presume η = 1/L. NaN means
"not defined".

With the local μ of Eq. 46, Lemma 1's f* + (1 − μ/L)(f − f*) is f − ‖g‖²/(2L) whatever f* is: the local PL
constant cancels, so Lemma 1 says nothing beyond the descent lemma. All of it is heuristic here: L is
estimated along the path and not proved over a region, and ReLU networks have kinks.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.theory.number import FloatOrArray, defined

Array = NDArray[np.float64]


def lemma1(loss: FloatOrArray, grad_norm: FloatOrArray, smoothness: FloatOrArray | float) -> FloatOrArray:
    """Lemma 1, Eq. 3: f* + (1 − μ/L)(f − f*) = f − ‖g‖²/(2L), presuming η = 1/L.

    Args:
        loss: f of the row before.
        grad_norm: ‖∇f‖ of the row before.
        smoothness: L, λ_max of the Hessian of the row before.

    Returns:
        Predicted loss; NaN for L ≤ 0.
    """
    L = np.asarray(smoothness, dtype=np.float64)
    with np.errstate(all="ignore"):
        value = np.asarray(loss) - np.square(grad_norm) / (2.0 * L)
    return defined(loss, value, L > 0.0)


def descent(
    loss: FloatOrArray, grad_norm: FloatOrArray, lr: FloatOrArray | float, smoothness: FloatOrArray | float
) -> FloatOrArray:
    """The descent lemma at the real learning rate: f − η(1 − ηL/2)‖g‖² (behind Lemma 1; not in the paper).

    For η > 2/L it allows the loss to rise; that is shown and not clipped. L may be negative, as L_step can
    be.

    Args:
        loss: f of the row before.
        grad_norm: ‖∇f‖ of the row before.
        lr: η of the step.
        smoothness: L; L_step of the row before, that is of the step before.

    Returns:
        Predicted loss.
    """
    with np.errstate(all="ignore"):
        value = np.asarray(loss) - lr * (1.0 - np.multiply(lr, smoothness) / 2.0) * np.square(grad_norm)
    return defined(loss, value)


def lemma10(loss: FloatOrArray, grad_norm: FloatOrArray, smoothness: FloatOrArray | float) -> FloatOrArray:
    """Lemma 10, Eq. 40, as B.3 uses it: f − ‖g‖²/(8L).

    Eq. 40 with μ = 1 (convex functions), ‖x − x*‖ ≈ 2(f − f*)/G and G = ‖∇f‖; four times looser than Lemma
    1. What Eq. 38 calls "weakly convex" means convex.

    Args:
        loss: f of the row before.
        grad_norm: ‖∇f‖ of the row before.
        smoothness: L, λ_max of the Hessian of the row before.

    Returns:
        Predicted loss; NaN for L ≤ 0.
    """
    L = np.asarray(smoothness, dtype=np.float64)
    with np.errstate(all="ignore"):
        value = np.asarray(loss) - np.square(grad_norm) / (8.0 * L)
    return defined(loss, value, L > 0.0)


def null(loss: FloatOrArray) -> FloatOrArray:
    """No change at all, f_{k−1}: the prediction that the others are to be compared with.

    Args:
        loss: f of the row before.

    Returns:
        The same.
    """
    return defined(loss, loss)


def ratio(loss: FloatOrArray, predicted: FloatOrArray | float, f_star: float = 0.0) -> FloatOrArray:
    """Actual over predicted loss (Fig. 2a, 6): below 1 the network did better than predicted.

    Args:
        loss: f_k.
        predicted: The prediction of f_k.
        f_star: Infimum of f.

    Returns:
        The ratio; NaN where the prediction is at or below f*, which no loss can be.
    """
    with np.errstate(all="ignore"):
        value = np.divide(loss, predicted)
    return defined(loss, value, np.asarray(predicted) > f_star)


def decrease_ratio(
    previous_loss: FloatOrArray, loss: FloatOrArray | float, predicted: FloatOrArray | float
) -> FloatOrArray:
    """(f_{k−1} − f_k)/(f_{k−1} − predicted): 1 when exact, whatever the size of the loss (not in the paper).

    Args:
        previous_loss: f_{k−1}.
        loss: f_k.
        predicted: The prediction of f_k, from :func:`descent`.

    Returns:
        The ratio; NaN where no change was predicted.
    """
    with np.errstate(all="ignore"):
        value = np.divide(np.subtract(previous_loss, loss), np.subtract(previous_loss, predicted))
    return defined(previous_loss, value)


def smoothness_step(
    previous_loss: FloatOrArray,
    loss: FloatOrArray | float,
    lr: FloatOrArray | float,
    grad_norm: FloatOrArray | float,
) -> FloatOrArray:
    """L_step = 2(f_k − f_{k−1} + η‖g‖²)/(η²‖g‖²), which makes the descent lemma exact on the step made.

    Equally, the mean curvature along the step, weighted towards its start: 2∫(1−t) gᵀ∇²f(θ−tηg)g dt/‖g‖².
    It can be negative, and is at most the largest eigenvalue of the Hessian on the step.

    Args:
        previous_loss: f_{k−1}.
        loss: f_k.
        lr: η of the step.
        grad_norm: ‖∇f(θ_{k−1})‖.

    Returns:
        L_step; NaN if nothing moved.
    """
    with np.errstate(all="ignore"):
        squared = np.square(grad_norm)
        value = 2.0 * (np.subtract(loss, previous_loss) + lr * squared) / (np.square(lr) * squared)
    return defined(previous_loss, value)


def smoothness_secant(gradient_change: FloatOrArray, distance: FloatOrArray | float) -> FloatOrArray:
    """‖g_k − g_{k−1}‖/‖θ_k − θ_{k−1}‖ (Eq. 15): at most any Lipschitz constant of the gradient on the step.

    Args:
        gradient_change: ‖g_k − g_{k−1}‖.
        distance: ‖θ_k − θ_{k−1}‖.

    Returns:
        The quotient; NaN if nothing moved.
    """
    with np.errstate(all="ignore"):
        value = np.divide(gradient_change, distance)
    return defined(gradient_change, value)


def local_pl(loss: Array, grad_norm: Array, f_star: float = 0.0) -> Array:
    """μ_i of every row, Eq. 46, as :func:`engine.theory.polyak_lojasiewicz.pl_constant`.

    Args:
        loss: f of each row.
        grad_norm: ‖∇f‖ of each row.
        f_star: Infimum of f.

    Returns:
        Same shape, NaN where f ≤ f*.
    """
    with np.errstate(all="ignore"):
        return np.where(loss > f_star, np.square(grad_norm) / (2.0 * (loss - f_star)), np.nan)


def lemma13_factor(mu: FloatOrArray, lr: FloatOrArray | float, smoothness: FloatOrArray | float) -> FloatOrArray:
    """One factor of Lemma 13 at the real η: 1 − 2ημ(1 − ηL/2) with L = max(L, μ), and 1 where L is not known.

    Lemma 13 needs an upper bound on curvature. A function that is L-smooth and never below f* has
    ‖∇f‖² ≤ 2L(f − f*), so no L below the local μ can be one: a smaller estimate, negative ones included,
    is raised to μ. The factor is then at least (1 − ημ)² ≥ 0, and never predicts a loss below f*. It
    exceeds 1 for η > 2/L: the lemma then allows a rise, which is shown. Without any L nothing is promised:
    the factor is 1.

    Args:
        mu: μ_i, Eq. 46.
        lr: η_i of the step that leaves row i.
        smoothness: L_i, known before that step; NaN if it is not known.

    Returns:
        The factor; NaN where μ or η is.
    """
    L = np.maximum(smoothness, mu)
    with np.errstate(all="ignore"):
        value = 1.0 - 2.0 * np.multiply(lr, mu) * (1.0 - np.multiply(lr, L) / 2.0)
        known = np.where(np.isfinite(np.multiply(lr, mu)), 1.0, np.nan)
    return defined(mu, np.where(np.isnan(np.asarray(smoothness, dtype=np.float64)), known, value))


def lemma13(
    loss: ArrayLike,
    grad_norm: ArrayLike,
    lr: ArrayLike,
    f_star: float = 0.0,
    *,
    start: int = 0,
    smoothness: ArrayLike | None = None,
    first_smoothness: float = math.nan,
) -> Array:
    """Lemma 13, Eq. 49, at the real η: f* + (f_s − f*) Π_{i=s}^{k−1} (1 − 2η_iμ_i(1 − η_iL_i/2)).

    Which L_i: the L_step of row i, that is of the step i−1 → i, so that every factor is known before its
    step, as in ``predicted_descent``. The L_step of the step itself would be no prediction: with μ local
    the factor is exactly (f_{i+1} − f*)/(f_i − f*), whatever the sign of L_step, and the product
    telescopes to the loss. The first step of a run has no step before it; nothing is promised for it
    (factor 1) unless ``first_smoothness`` says more. It does not use the Hessian there, so that the line
    means the same in every measurement set.

    μ_i and L_i follow from losses, gradient norms and learning rates, which every row has, measured or
    not. The paper's form is :func:`lemma13_paper`.

    Args:
        loss: f_0 … f_K, shape (K + 1,).
        grad_norm: ‖∇f_0‖ … ‖∇f_K‖, same shape.
        lr: η_0 … η_K, same shape; η_K is not used.
        f_star: Infimum of f.
        start: s, the row that the product starts from, at least 0.
        smoothness: L_0 … L_K, same shape, NaN where it is not known; None for the L_step of each row.
        first_smoothness: L for the first step of the run, if it is known; where ``smoothness`` is None.

    Returns:
        Shape (K + 1,): f_s at s, NaN before s, where an input is missing and from then on.
    """
    f, g, eta = (np.asarray(values, dtype=np.float64) for values in (loss, grad_norm, lr))
    if smoothness is None:
        L = np.full_like(f, first_smoothness)
        L[1:] = smoothness_step(f[:-1], f[1:], eta[:-1], g[:-1])
    else:
        L = np.asarray(smoothness, dtype=np.float64)
    return _product(f, lemma13_factor(local_pl(f, g, f_star), eta, L), f_star, start)


def lemma13_paper(
    loss: ArrayLike, mu: ArrayLike, smoothness: ArrayLike, f_star: float = 0.0, *, start: int = 0
) -> Array:
    """Lemma 13, Eq. 49, as printed: f* + (f_s − f*) Π_{i=s}^{k−1} (1 − μ_i/L_i), for η = 1/L.

    Args:
        loss: f_0 … f_K, shape (K + 1,).
        mu: μ_0 … μ_K, Eq. 46, same shape.
        smoothness: L, one number or one a row.
        f_star: Infimum of f.
        start: s, the row that the product starts from, at least 0.

    Returns:
        Shape (K + 1,): f_s at s, NaN before s, and from the first row on where an input is missing or L <
        μ, which contradicts the lemma's hypothesis.
    """
    f, m = np.asarray(loss, dtype=np.float64), np.asarray(mu, dtype=np.float64)
    L = np.broadcast_to(np.asarray(smoothness, dtype=np.float64), f.shape)
    with np.errstate(all="ignore"):
        valid = (m <= L) & (L > 0.0)
        factors = np.where(valid, 1.0 - m / L, np.nan)
    return _product(f, factors, f_star, start)


def radius_bound(
    initial_gap: FloatOrArray,
    mu: FloatOrArray | float,
    smoothness: FloatOrArray | float,
    lr: FloatOrArray | float,
) -> FloatOrArray:
    """Lemma 1's radius (Eq. 4) at the real η: η√(2L(f⁰ − f*))/(1 − √γ), γ = 1 − 2ημ(1 − ηL/2).

    From ‖θ_k − θ_0‖ ≤ η Σ‖g_i‖ ≤ η Σ√(2L(f_i − f*)) ≤ η√(2L(f⁰ − f*)) Σ γ^{i/2}. Eq. 4 has a spurious 1/L
    on its left and presumes η = 1/L. As in :func:`lemma13_factor`, an L below μ is raised to μ.

    Args:
        initial_gap: f⁰ − f*.
        mu: μ, the smallest so far.
        smoothness: L, the largest so far.
        lr: η.

    Returns:
        The radius; NaN for η ≥ 2/L, where γ ≥ 1 and the sum does not converge, and for μ ≤ 0.
    """
    L = np.maximum(smoothness, mu)
    with np.errstate(all="ignore"):
        shrink = 2.0 * np.multiply(lr, mu) * (1.0 - np.multiply(lr, L) / 2.0)
        # 1 − √γ = (1 − γ)/(1 + √γ) keeps its digits when γ is near 1, as it always is here.
        root = 1.0 + np.sqrt(np.maximum(1.0 - shrink, 0.0))
        value = np.multiply(lr, np.sqrt(2.0 * L * initial_gap)) * root / shrink
    return defined(initial_gap, value, (np.asarray(mu) > 0.0) & (shrink > 0.0))


def _product(loss: Array, factors: Array, f_star: float, start: int) -> Array:
    line = np.full_like(loss, np.nan)
    if start < len(loss):
        line[start] = loss[start]
        with np.errstate(all="ignore"):
            line[start + 1 :] = f_star + (loss[start] - f_star) * np.cumprod(factors[start:-1])
    return np.where(np.isfinite(line), line, np.nan)
