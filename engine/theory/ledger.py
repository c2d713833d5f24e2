"""The ledger: every inequality of the theory that a row of numbers must satisfy, each declared once.

The engine checks them at every measured row and records what is violated; the viewer shows where they stand at the
cursor; ``wnt-tui explain`` prints them. ``ledger_terms.py`` computes both sides and the slack of each.

Those about smoothness hold for tanh only: for ReLU, whose gradient jumps at kinks, their right sides are not defined.

Which are estimates: a Ritz value of K lies inside K's spectrum, and ‖ΔG‖₂, ‖ΔF‖₂ and ‖W‖₂ are found by products, so
that they may be those of another singular value. Where such a number stands on the side on which that can break the
inequality, failing says that the estimate missed; where it stands on the other side, the inequality is a theorem.
"""

from __future__ import annotations

from engine.theory import ledger_terms as terms
from engine.theory.inequality import Inequality, InequalityKind, Row, Term

__all__ = ["LEDGER", "LEDGER_GROUPS", "Inequality", "InequalityKind", "Row", "Term"]

_RESOLUTION = "the resolution ρ of λ_min and the rounding of float64"
_RITZ = (
    "the residual of the Ritz value, which estimates the eigenvalue from the wrong side, and the rounding of products "
    "with K"
)
_ROUNDING = "16·L·eps of the training precision, relative"


def _underestimated(norm: str) -> str:
    return f"{norm}, found by products, was underestimated, or " if norm else ""


_SPECTRUM = (
    Inequality(
        name="gershgorin_lower", group="Gershgorin", kind="theorem", equation="Section 5",
        left="min_i(G_ii − R_i)", right="λ_min(G)", metrics=("gersh_lower", "lambda_min"),
        meaning="Every eigenvalue lies in a disc of radius R_i around some G_ii; says nothing at or below 0.",
        violated="Gershgorin's theorem holds for every symmetric matrix: the discs or λ_min are computed wrongly.",
        widened=_RESOLUTION, terms=terms.gershgorin_lower,
    ),
    Inequality(
        name="gershgorin_upper", group="Gershgorin", kind="theorem", equation="Section 5",
        left="λ_max(G)", right="max_i(G_ii + R_i)", metrics=("lambda_max", "gersh_upper"),
        meaning="Every eigenvalue lies in a disc of radius R_i around some G_ii.",
        violated="Gershgorin's theorem holds for every symmetric matrix: the discs or λ_max are computed wrongly.",
        widened=_RESOLUTION, terms=terms.gershgorin_upper,
    ),
)  # fmt: skip


_RUNGS = {
    "eq13_op": "λ_min(G_0) − ‖ΔG‖₂",
    "eq13_features_op": "(σ_min(F_0) − ‖ΔF‖₂)₊²",
    "eq13_fro": "λ_min(G_0) − ‖ΔG‖_F",
    "eq13_features": "(σ_min(F_0) − ‖ΔF‖_F)₊²",
    "eq13_weights": "(σ_min(F_0) − D/√width)₊²",
}


def _rung(name: str, why: str, norm: str = "") -> Inequality:
    widened = "the resolution ρ of both λ_min and the rounding of float64"
    if name == "eq13_weights":
        widened += ", and the rounding of the activations"
    return Inequality(
        name=f"{name}_holds", group="Eq. 13", kind="estimate" if norm else "theorem", equation="Eq. 13",
        left=_RUNGS[name], right="λ_min(G_t)", metrics=(name, "lambda_min"),
        meaning=f"{why} Says nothing at or below 0.",
        violated=f"It holds for any two matrices: {_underestimated(norm)}the distance from initialisation or λ_min is "
        "computed wrongly.",
        widened=widened, terms=terms.rung(name),
    )  # fmt: skip


def _ordered(name: str, lower: str, upper: str, why: str, norm: str = "") -> Inequality:
    return Inequality(
        name=name, group="rungs", kind="estimate" if norm else "theorem", equation="Eq. 13",
        left=_RUNGS[lower], right=_RUNGS[upper], metrics=(lower, upper),
        meaning=f"{why} The rungs from G and those from F = A/√width cross.",
        violated=f"A norm that bounds another from above came out smaller: {_underestimated(norm)}one of the two is "
        "computed wrongly.",
        widened="the resolution ρ, the rounding of float64, and for the weights the rounding of the activations",
        terms=terms.ordered(lower, upper),
    )  # fmt: skip


_EQ13 = (
    _rung("eq13_op", "Weyl: λ_min moves by no more than ‖G_t − G_0‖₂.", "‖ΔG‖₂"),
    _rung("eq13_features_op", "Weyl for singular values of F = A/√width.", "‖ΔF‖₂"),
    _rung("eq13_fro", "Weyl, with a norm that is never smaller."),
    _rung("eq13_features", "Weyl for singular values, with a norm that is never smaller."),
    _rung("eq13_weights", "Weyl for singular values, with what the weights' distance allows F to move.", "‖W‖₂"),
    _ordered(
        "eq13_order_gram",
        "eq13_fro",
        "eq13_op",
        "‖ΔG‖₂ ≤ ‖ΔG‖_F; holds by construction since the smaller of both is taken for ‖ΔG‖₂.",
    ),
    _ordered("eq13_order_weights", "eq13_weights", "eq13_features", "‖ΔF‖_F ≤ D/√width.", "‖W‖₂"),
    _ordered(
        "eq13_order_features",
        "eq13_features",
        "eq13_features_op",
        "‖ΔF‖₂ ≤ ‖ΔF‖_F; holds by construction since the smaller of both is taken for ‖ΔF‖₂.",
    ),
)

_KERNEL = (
    Inequality(
        name="chain_gram", group="G, K", kind="theorem", equation="Eq. 11, Lemma 3",
        left="width·λ_min(G^{L−1})/n", right="λ_min(K)/n", metrics=("lambda_min", "ntk_lambda_min"),
        meaning="K is the sum of its layers' parts, all positive semidefinite; the last one is A_{L−1}A_{L−1}ᵀ ⊗ I_k.",
        violated="A sum of positive semidefinite matrices lies above each of them: K or G is computed wrongly.",
        widened="the resolution ρ, the certificate of λ_min(G) and the rounding of products with K",
        terms=terms.chain_gram,
    ),
    Inequality(
        name="chain_low", group="K, μ", kind="estimate", equation="Lemma 3, Eq. 9, 10",
        left="λ_min(K)/n", right="μ", metrics=("ntk_lambda_min", "pl"),
        meaning="For mse_logits with f* = 0, μ = rᵀKr/(n‖r‖²) is a Rayleigh quotient of K/n. Eq. 10 lacks a factor 2.",
        violated="A Rayleigh quotient lies above λ_min: μ is wrong, or the estimate of λ_min(K) missed its eigenvalue.",
        widened=f"{_RITZ} and of the gradient", terms=terms.chain_low,
    ),
    Inequality(
        name="chain_high", group="K, μ", kind="estimate", equation="Lemma 3",
        left="μ", right="λ_max(K)/n", metrics=("pl", "ntk_lambda_max"),
        meaning="For mse_logits with f* = 0, μ = rᵀKr/(n‖r‖²) is a Rayleigh quotient of K/n.",
        violated="A Rayleigh quotient lies below λ_max: μ is wrong, or the estimate of λ_max(K) missed its eigenvalue.",
        widened=f"{_RITZ} and of the gradient", terms=terms.chain_high,
    ),
    Inequality(
        name="interlacing_low", group="K, pNTK", kind="estimate", equation="Cauchy",
        left="λ_min(K)", right="λ_min(pNTK)", metrics=("ntk_lambda_min", "pntk_lambda_min"),
        meaning="The pNTK is a compression of K by an isometry: its spectrum lies within that of K.",
        violated="Interlacing holds for every compression: the pNTK is wrong, or λ_min(K) missed its eigenvalue.",
        widened=_RITZ, terms=terms.interlacing_low,
    ),
    Inequality(
        name="interlacing_middle", group="K, pNTK", kind="theorem", equation="",
        left="λ_min(pNTK)", right="λ_max(pNTK)", metrics=("pntk_lambda_min", "pntk_lambda_max"),
        meaning="The smallest eigenvalue is not above the largest.",
        violated="The spectrum of the pNTK is computed wrongly.",
        widened="the rounding of float64", terms=terms.interlacing_middle,
    ),
    Inequality(
        name="interlacing_high", group="K, pNTK", kind="estimate", equation="Cauchy",
        left="λ_max(pNTK)", right="λ_max(K)", metrics=("pntk_lambda_max", "ntk_lambda_max"),
        meaning="The pNTK is a compression of K by an isometry: its spectrum lies within that of K.",
        violated="Interlacing holds for every compression: the pNTK is wrong, or λ_max(K) missed its eigenvalue.",
        widened=_RITZ, terms=terms.interlacing_high,
    ),
)  # fmt: skip

_SMOOTHNESS = (
    Inequality(
        name="descent", group="descent", kind="estimate", equation="Lemma 1",
        left="f_k", right="f − η(1 − ηL_seg/2)‖g‖²", metrics=("loss", "smoothness_segment"),
        meaning=(
            "The descent lemma with an L that is proved over the whole step; f, g and η of the row before. It promises "
            "a decrease for η < 2/L_seg and only limits the rise otherwise, which counts as saying nothing. tanh only."
        ),
        violated=(
            f"L_seg bounds the curvature all along the step: {_underestimated('‖W‖₂')}the loss, its gradient or L_seg "
            "is computed wrongly."
        ),
        widened="the rounding of both losses, of both gradients and of what is promised", terms=terms.descent,
    ),
    Inequality(
        name="secant_segment", group="secant", kind="estimate", equation="Eq. 15",
        left="‖Δg‖/‖Δθ‖", right="L_seg", metrics=("smoothness_secant", "smoothness_segment"),
        meaning="The gradient changes along the step by no more than its Lipschitz constant there allows. tanh only.",
        violated=(
            f"L_seg bounds the curvature all along the step: {_underestimated('‖W‖₂')}the gradients or L_seg are "
            "computed wrongly."
        ),
        widened="the rounding of both gradients and of the parameters, over the length of the step",
        terms=terms.secant,
    ),
    Inequality(
        name="hessian_bound", group="Hessian", kind="estimate", equation="Lemmas 4, 9",
        left="λ_max(∇²f)", right="L_bound", metrics=("smoothness_hessian", "smoothness_bound"),
        meaning="The recursion over layers bounds the Hessian at θ. tanh only.",
        violated=(
            f"The bound is proved: {_underestimated('‖W‖₂')}Hessian products or the recursion are computed wrongly."
        ),
        widened=f"{_ROUNDING}; a Ritz value is at most λ_max", terms=terms.hessian,
    ),
)  # fmt: skip

_GRADIENTS = (
    Inequality(
        name="gradient_mean", group="gradients", kind="theorem", equation="",
        left="‖∇f‖", right="max_i‖∇ℓ_i‖", metrics=("grad_norm", "sample_grad_norm_max"),
        meaning="The mean of some vectors is no longer than the longest.",
        violated="It is the triangle inequality: the gradient or the per-example norms are computed wrongly.",
        widened=_ROUNDING, terms=terms.at_most("grad_norm", "sample_grad_norm_max"),
    ),
    Inequality(
        name="gradient_bound", group="gradients", kind="estimate", equation="Lemmas 4, 9",
        left="max_i‖∇ℓ_i‖", right="G_bound", metrics=("sample_grad_norm_max", "lipschitz_bound"),
        meaning="The recursion over layers bounds every per-example gradient at θ.",
        violated=(
            f"The bound is proved: {_underestimated('‖W‖₂')}the per-example norms or the recursion are computed "
            "wrongly."
        ),
        widened=_ROUNDING, terms=terms.at_most("sample_grad_norm_max", "lipschitz_bound"),
    ),
    Inequality(
        name="pl_jensen", group="μ, μ_s", kind="theorem", equation="Eq. 46, 47",
        left="μ", right="μ_s", metrics=("pl", "pl_samplewise"),
        meaning="Jensen: ‖E∇ℓ_i‖² ≤ E‖∇ℓ_i‖². The paper equates the two.",
        violated="It is Jensen's inequality: one of the two constants is computed wrongly.",
        widened=_ROUNDING, terms=terms.at_most("pl", "pl_samplewise"),
    ),
)  # fmt: skip

_CONSEQUENCES = (
    Inequality(
        name="risk_floor", group="floor", kind="theorem", equation="Lemma 2",
        left="√(24M(R − f*)/δ)", right="B_floor", metrics=("loss_bound", "loss", "generalization_floor"),
        meaning="What remains of the floor however many examples there are.",
        violated="It is algebra: the floor or M is computed wrongly.",
        widened=_ROUNDING, terms=terms.risk_floor,
    ),
    Inequality(
        name="bound_floor", group="floor", kind="theorem", equation="Lemma 2",
        left="B_floor", right="B_local", metrics=("generalization_floor", "generalization_bound"),
        meaning="With the local μ the bound grows with r = max_i‖∇ℓ_i‖/‖∇f‖ ≥ 1, and the floor is its value at 1.",
        violated="It is algebra: the bound, its floor or a gradient norm is computed wrongly.",
        widened=_ROUNDING, terms=terms.at_most("generalization_floor", "generalization_bound"),
    ),
    Inequality(
        name="gap_bound", group="gap", kind="assumption", equation="Lemma 2, Eq. 7",
        left="|R_test − R|", right="B_local", metrics=("generalization_gap", "generalization_bound"),
        meaning=(
            "Lemma 2 bounds the difference of the risks with probability 1 − δ, for a global PL constant and Lipschitz "
            "constant where the local ones stand; says nothing when the bound is at least M."
        ),
        violated="This network generalizes worse than Lemma 2 allows: its local constants are not global ones.",
        widened=_ROUNDING, terms=terms.gap,
    ),
    Inequality(
        name="radius", group="distance", kind="assumption", equation="Lemma 1, Eq. 4",
        left="‖θ_k − θ_0‖", right="R_bound", metrics=("distance_init", "radius_bound"),
        meaning="How far Lemma 1 lets θ travel, were the smallest μ and the largest L_step so far those of the region.",
        violated="This network travels farther than Lemma 1 allows: the constants along its path are not the region's.",
        widened=_ROUNDING, terms=terms.at_most("distance_init", "radius_bound"),
    ),
)  # fmt: skip

LEDGER: dict[str, Inequality] = {
    entry.name: entry for entry in (*_EQ13, *_SPECTRUM, *_KERNEL, *_SMOOTHNESS, *_GRADIENTS, *_CONSEQUENCES)
}
"""All inequalities by name, in the order in which they are shown."""

LEDGER_GROUPS: dict[str, tuple[Inequality, ...]] = {
    group: tuple(entry for entry in LEDGER.values() if entry.group == group)
    for group in dict.fromkeys(entry.group for entry in LEDGER.values())
}
"""The inequalities that are shown in one line, by its name."""
