"""Inequalities between the numbers of the whole network: its tangent kernel K, smoothness, gradients, generalization.

Extremes of K are intervals, which the rounding of forming it widens. Whatever else the training precision touches is
widened by the rounding of a pass (``Row.rounding``).
Those about smoothness hold for smooth activations only: their right sides are not defined where the gradient jumps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from engine.theory import generalization, predictions
from engine.theory.inequality import Inequality, Row, Term, exactly
from engine.theory.loss_constants import LOSSES

_FORMING = 1e-12
_FORMING_UNITS = 8.0
"""Relative to λ_max(K), what is uncertain between numbers from the same pass that are rounded otherwise, in float64 and
in units of the training precision's eps."""

_BOTH = "both intervals and the rounding of forming the kernels"
_ROUNDING = "16·L·eps of the training precision, relative"


def _forming(row: Row) -> float:
    return max(_FORMING, _FORMING_UNITS * row.epsilon) * abs(row.value("ntk_lambda_max"))


def _chain_gram(row: Row) -> Iterator[Term]:
    """K lies above its output layer's part, width·G^{L−1} ⊗ I_k, whatever the loss."""
    last, n = row.config.depth - 1, row.config.examples
    gram = row.layer_side("lambda_min", last).times(row.config.width / n)
    slack = (row.config.width * row.layer("lambda_resolution", last) + _forming(row)) / n
    yield Term(None, gram, row.side("ntk_lambda_min").times(1.0 / n), slack, vacuous=gram.value <= 0.0)


def _at_most_in_the_kernel(left: str, right: str) -> Callable[[Row], Iterator[Term]]:
    """One extreme of K or of its compression is at most another."""

    def terms(row: Row) -> Iterator[Term]:
        yield Term(None, row.side(left), row.side(right), _forming(row))

    return terms


def _pl_slack(row: Row) -> float:
    """The gradient of the mean is rounded relative to the examples', which cancel in it."""
    mean, longest = row.value("grad_norm"), row.value("sample_grad_norm_max")
    pl = row.rounding * row.value("pl") * (1.0 + longest / mean) if mean > 0.0 else math.nan
    return _forming(row) / row.config.examples + pl


def _is_chain(row: Row) -> bool:
    return LOSSES[row.config.loss].quadratic and not row.config.f_star


def _chain_low(row: Row) -> Iterator[Term]:
    """μ is at least λ_min(K)/n (Lemma 3; its Eq. 10 lacks a factor 2: ½‖∇h‖² ≥ λ_* μ(h − h_*))."""
    if _is_chain(row):
        yield Term(None, row.side("ntk_lambda_min").times(1.0 / row.config.examples), row.side("pl"), _pl_slack(row))


def _chain_high(row: Row) -> Iterator[Term]:
    if _is_chain(row):
        yield Term(None, row.side("pl"), row.side("ntk_lambda_max").times(1.0 / row.config.examples), _pl_slack(row))


_KERNEL = (
    Inequality(
        name="chain_gram", group="G against K", kind="theorem", equation="Eq. 11, Lemma 3",
        left="width·λ_min(G^{L−1})/n", right="λ_min(K)/n", metrics=("lambda_min", "ntk_lambda_min"),
        meaning="K is the sum of its layers' parts, all positive semidefinite; the last one is A_{L−1}A_{L−1}ᵀ ⊗ I_k.",
        violated="A sum of positive semidefinite matrices lies above each of them: K or G is computed wrongly.",
        widened="both intervals, the resolution ρ of λ_min(G) and the rounding of forming K",
        terms=_chain_gram,
    ),
    Inequality(
        name="chain_low", group="K against μ", kind="theorem", equation="Lemma 3, Eq. 9, 10",
        left="λ_min(K)/n", right="μ", metrics=("ntk_lambda_min", "pl"),
        meaning="For mse_logits with f* = 0, μ = rᵀKr/(n‖r‖²) is a Rayleigh quotient of K/n. Eq. 10 lacks a factor 2.",
        violated="A Rayleigh quotient lies above λ_min: μ or K is computed wrongly.",
        widened="the interval of λ_min(K), the rounding of forming K and that of the gradient", terms=_chain_low,
    ),
    Inequality(
        name="chain_high", group="K against μ", kind="theorem", equation="Lemma 3",
        left="μ", right="λ_max(K)/n", metrics=("pl", "ntk_lambda_max"),
        meaning="For mse_logits with f* = 0, μ = rᵀKr/(n‖r‖²) is a Rayleigh quotient of K/n.",
        violated="A Rayleigh quotient lies below λ_max: μ or K is computed wrongly.",
        widened="the interval of λ_max(K), the rounding of forming K and that of the gradient", terms=_chain_high,
    ),
    Inequality(
        name="interlacing_low", group="K against pNTK", kind="theorem", equation="Cauchy",
        left="λ_min(K)", right="λ_min(pNTK)", metrics=("ntk_lambda_min", "pntk_lambda_min"),
        meaning="The pNTK is a compression of K by an isometry: its spectrum lies within that of K.",
        violated="Interlacing holds for every compression: K or the pNTK is computed wrongly.",
        widened=_BOTH, terms=_at_most_in_the_kernel("ntk_lambda_min", "pntk_lambda_min"),
    ),
    Inequality(
        name="interlacing_middle", group="K against pNTK", kind="theorem", equation="",
        left="λ_min(pNTK)", right="λ_max(pNTK)", metrics=("pntk_lambda_min", "pntk_lambda_max"),
        meaning="The smallest eigenvalue is not above the largest.",
        violated="The spectrum of the pNTK is computed wrongly.",
        widened=_BOTH,
        terms=_at_most_in_the_kernel("pntk_lambda_min", "pntk_lambda_max"),
    ),
    Inequality(
        name="interlacing_high", group="K against pNTK", kind="theorem", equation="Cauchy",
        left="λ_max(pNTK)", right="λ_max(K)", metrics=("pntk_lambda_max", "ntk_lambda_max"),
        meaning="The pNTK is a compression of K by an isometry: its spectrum lies within that of K.",
        violated="Interlacing holds for every compression: K or the pNTK is computed wrongly.",
        widened=_BOTH, terms=_at_most_in_the_kernel("pntk_lambda_max", "ntk_lambda_max"),
    ),
)  # fmt: skip


def _descent(row: Row) -> Iterator[Term]:
    """The loss is at most what the descent lemma promises with L_seg, see ``recursion.smoothness_over_ball``."""
    f, g, eta = row.previous("loss"), row.previous("grad_norm"), row.previous("lr")
    L = row.value("smoothness_segment")
    promised = predictions.descent(f, g, eta, L)
    sample = max(row.value("sample_grad_norm_max"), row.previous("sample_grad_norm_max"))
    # Rounding moves a loss as a step of rounding·‖W‖ would, and the gradient by rounding·G; what is promised may be
    # the difference of two far larger numbers.
    moved = sample * row.weight_norm + eta * g * (sample + (2.0 + eta * L) * g)
    slack = row.rounding * (f + row.value("loss") + moved)
    yield Term(None, row.side("loss"), exactly(promised), slack, vacuous=eta * L >= 2.0)


def _secant(row: Row) -> Iterator[Term]:
    L, distance = row.value("smoothness_segment"), row.previous("lr") * row.previous("grad_norm")
    moved = row.value("sample_grad_norm_max") + row.previous("sample_grad_norm_max") + L * row.weight_norm
    slack = row.rounding * moved / distance if distance > 0.0 else math.nan
    yield Term(None, row.side("smoothness_secant"), exactly(L), slack)


def _hessian(row: Row) -> Iterator[Term]:
    # Of λ_max only the Ritz value is known, which is at most λ_max: it is what is compared.
    bound = row.side("smoothness_bound")
    yield Term(None, exactly(row.side("smoothness_hessian").low), bound, row.rounding * abs(bound.value))


_SMOOTHNESS = (
    Inequality(
        name="descent", group="descent", kind="theorem", equation="Lemma 1",
        left="f_k", right="f − η(1 − ηL_seg/2)‖g‖²", metrics=("loss", "smoothness_segment"),
        meaning="The descent lemma with an L that is proved over the whole step; f, g and η of the row before. It "
        "promises a decrease for η < 2/L_seg and only limits the rise otherwise, which counts as saying "
        "nothing. Smooth φ only.",
        violated="L_seg bounds the curvature all along the step: the loss, its gradient or L_seg is "
        "computed wrongly.",
        widened="the rounding of both losses, of both gradients and of what is promised", terms=_descent,
    ),
    Inequality(
        name="secant_segment", group="secant", kind="theorem", equation="Eq. 15",
        left="‖Δg‖/‖Δθ‖", right="L_seg", metrics=("smoothness_secant", "smoothness_segment"),
        meaning="The gradient changes along the step by no more than its Lipschitz constant there allows. Smooth φ.",
        violated="L_seg bounds the curvature all along the step: the gradients or L_seg are "
        "computed wrongly.",
        widened="the rounding of both gradients and of the parameters, over the length of the step",
        terms=_secant,
    ),
    Inequality(
        name="hessian_bound", group="Hessian", kind="theorem", equation="Lemmas 4, 9",
        left="θ(∇²f)", right="L_bound", metrics=("smoothness_hessian", "smoothness_bound"),
        meaning="The recursion over layers bounds the Hessian at θ, and with it every Ritz value. Smooth φ only.",
        violated="The bound is proved: Hessian products or the recursion are computed wrongly.",
        widened=_ROUNDING, terms=_hessian,
    ),
)  # fmt: skip


def _at_most(left: str, right: str) -> Callable[[Row], Iterator[Term]]:
    """One step metric is at most another, up to the rounding of a pass."""

    def terms(row: Row) -> Iterator[Term]:
        low, high = row.value(left), row.value(right)
        yield Term(None, exactly(low), exactly(high), row.rounding * (abs(low) + abs(high)))

    return terms


_GRADIENTS = (
    Inequality(
        name="gradient_mean", group="gradients", kind="theorem", equation="",
        left="‖∇f‖", right="max_i‖∇ℓ_i‖", metrics=("grad_norm", "sample_grad_norm_max"),
        meaning="The mean of some vectors is no longer than the longest.",
        violated="It is the triangle inequality: the gradient or the per-example norms are computed wrongly.",
        widened=_ROUNDING, terms=_at_most("grad_norm", "sample_grad_norm_max"),
    ),
    Inequality(
        name="gradient_bound", group="gradients", kind="theorem", equation="Lemmas 4, 9",
        left="max_i‖∇ℓ_i‖", right="G_bound", metrics=("sample_grad_norm_max", "lipschitz_bound"),
        meaning="The recursion over layers bounds every per-example gradient at θ.",
        violated="The bound is proved: the per-example norms or the recursion are computed wrongly.",
        widened=_ROUNDING, terms=_at_most("sample_grad_norm_max", "lipschitz_bound"),
    ),
    Inequality(
        name="pl_jensen", group="per-sample μ", kind="theorem", equation="Eq. 46, 47",
        left="μ", right="μ_s", metrics=("pl", "pl_samplewise"),
        meaning="Jensen: ‖E∇ℓ_i‖² ≤ E‖∇ℓ_i‖². The paper equates the two.",
        violated="It is Jensen's inequality: one of the two constants is computed wrongly.",
        widened=_ROUNDING, terms=_at_most("pl", "pl_samplewise"),
    ),
)  # fmt: skip


def _risk_floor(row: Row) -> Iterator[Term]:
    least = generalization.risk_floor(row.value("loss") - row.config.f_star, row.value("loss_bound"), row.config.delta)
    floor = row.value("generalization_floor")
    yield Term(None, exactly(least), exactly(floor), row.rounding * abs(floor))


def _gap(row: Row) -> Iterator[Term]:
    bound = row.value("generalization_bound")
    vacuous = bound >= row.value("loss_bound")
    slack = row.rounding * abs(bound)
    yield Term(None, row.side("generalization_gap"), exactly(bound), slack, vacuous=vacuous)


_CONSEQUENCES = (
    Inequality(
        name="risk_floor", group="floor", kind="theorem", equation="Lemma 2",
        left="√(24M(R − f*)/δ)", right="B_floor", metrics=("loss_bound", "loss", "generalization_floor"),
        meaning="What remains of the floor however many examples there are.",
        violated="It is algebra: the floor or M is computed wrongly.",
        widened=_ROUNDING, terms=_risk_floor,
    ),
    Inequality(
        name="bound_floor", group="floor", kind="theorem", equation="Lemma 2",
        left="B_floor", right="B_local", metrics=("generalization_floor", "generalization_bound"),
        meaning="With the local μ the bound grows with r = max_i‖∇ℓ_i‖/‖∇f‖ ≥ 1, and the floor is its value at 1.",
        violated="It is algebra: the bound, its floor or a gradient norm is computed wrongly.",
        widened=_ROUNDING, terms=_at_most("generalization_floor", "generalization_bound"),
    ),
    Inequality(
        name="gap_bound", group="gap", kind="assumption", equation="Lemma 2, Eq. 7",
        left="|R_test − R|", right="B_local", metrics=("generalization_gap", "generalization_bound"),
        meaning="Lemma 2 bounds the difference of the risks with probability 1 − δ, for a global PL constant and "
        "Lipschitz constant where the local ones stand; vacuous when the bound is at least M.",
        violated="This network generalizes worse than Lemma 2 allows: its local constants are not global ones.",
        widened=_ROUNDING, terms=_gap,
    ),
    Inequality(
        name="radius", group="distance", kind="assumption", equation="Lemma 1, Eq. 4",
        left="‖θ_k − θ_0‖", right="R_bound", metrics=("distance_init", "radius_bound"),
        meaning="How far Lemma 1 lets θ travel, were the smallest μ and the largest L_step so far those of the region.",
        violated="This network travels farther than Lemma 1 allows: the constants along its path are not the region's.",
        widened=_ROUNDING, terms=_at_most("distance_init", "radius_bound"),
    ),
)  # fmt: skip

NETWORK = (*_KERNEL, *_SMOOTHNESS, *_GRADIENTS, *_CONSEQUENCES)
