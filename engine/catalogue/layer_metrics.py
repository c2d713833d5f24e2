"""Catalogue entries with one number a layer: row m holds G^m (0 ≤ m ≤ L−1) and W_m (1 ≤ m ≤ L)."""

from __future__ import annotations

from engine.catalogue.metric import Ends, Metric, Uncertainty, with_ends

_SPECTRUM = (
    Metric(
        "lambda_min", "λ_min(G)", "1", "layer", "estimate", "spectrum", "core", "Eq. 11",
        "smallest eigenvalue of G^m = A_m A_mᵀ/width_m, in float64; exactly 0 when n > width_m",
        "How nearly some combination of examples vanishes at this layer; shown “≤” where its low end is far below it.",
        "Fig. 1c: rises fast in the first layers, then stalls.", log=True,
        uncertainty=Uncertainty("≤", "lambda_resolution"),
        ends=Ends("σ less rounding, where G − σI has a Cholesky factor", "a Rayleigh quotient of G, and rounding"),
    ),
    Metric(
        "lambda_max", "λ_max(G)", "1", "layer", "estimate", "spectrum", "core", "Eq. 11",
        "largest eigenvalue of G^m, in float64",
        "How much the examples share one direction at this layer.",
        "Fig. 1d: mirrors λ_min.", log=True,
        uncertainty=Uncertainty("≥", "lambda_resolution", residual="lambda_max_residual", bound="gersh_upper"),
        ends=Ends(
            "a Rayleigh quotient of G, less rounding",
            "τ and rounding, where τI − G has a Cholesky factor, or another proved bound",
        ),
    ),
    Metric(
        "lambda_resolution", "ρ", "1", "layer", "exact", "spectrum", "core", "", "max(n, 16)·eps·λ_max(G)",
        "The smallest eigenvalue that float64 can tell from zero.", log=True,
    ),
    Metric(
        "log10_cond", "log₁₀κ(G)", "1", "layer", "estimate", "spectrum", "core", "Fig. 1a, 1b, 2c, 2d, 5, 8",
        "log₁₀(λ_max/max(λ_min, ρ))",
        "Log-conditioning of the feature Gram matrix; shown “≥” where its high end is far above it, as where λ_min is "
        "at or below ρ.",
        "The paper's Eq. 52 uses κ(F) = √κ(G), and natural logarithms.",
        uncertainty=Uncertainty("≥", quotient=("lambda_min", "lambda_max")),
        ends=Ends("log₁₀(lambda_max_low/lambda_min_high)", "log₁₀(lambda_max_high/lambda_min_low), ∞ for 0"),
    ),
)  # fmt: skip

_GERSHGORIN = (
    Metric(
        "gersh_row_sum", "max_i R_i", "1", "layer", "exact", "gram", "core", "Fig. 3a", "max_i Σ_{j≠i}|G_ij|",
        "Largest off-diagonal row sum, the paper's cheap proxy for conditioning.",
        "Fig. 3: it turns at the layer where the conditioning does.", log=True,
    ),
    Metric(
        "gersh_min_diag", "min G_ii", "1", "layer", "exact", "gram", "core", "Fig. 3b", "min_i G_ii",
        "Smallest diagonal entry; 1 with renormalisation.",
    ),
    Metric(
        "gersh_max_offdiag", "max G_ij", "1", "layer", "exact", "gram", "core", "Fig. 3b", "max_{i≠j} G_ij",
        "Largest off-diagonal entry.",
    ),
    Metric(
        "gersh_max_abs_offdiag", "max|G_ij|", "1", "layer", "exact", "gram", "core", "Fig. 3b", "max_{i≠j} |G_ij|",
        "Largest off-diagonal entry in modulus.",
    ),
    Metric(
        "gersh_lower", "Gersh↓", "1", "layer", "lower", "gram", "core", "Section 5", "min_i (G_ii − R_i)",
        "Lower end of Gershgorin's enclosure: at most λ_min.", vacuous="at or below 0",
    ),
    Metric(
        "gersh_upper", "Gersh↑", "1", "layer", "upper", "gram", "core", "Section 5", "max_i (G_ii + R_i)",
        "Upper end of Gershgorin's enclosure: at least λ_max.", log=True,
    ),
)  # fmt: skip

_EQ13_PAPER = "Fig. 2b and 9 draw Eq. 13 against λ_min; its condition of invertibility is not needed (Weyl)."

_EQ13 = (
    Metric(
        "eq13_op", "Eq13 op", "1", "layer", "lower", "spectrum", "core", "Eq. 13",
        "λ_min(G_0) − ‖G_t − G_0‖₂", "Lower bound on λ_min from how far G has moved; ‖·‖₂ is a proved "
        "upper end, no larger than ‖·‖_F.",
        _EQ13_PAPER, log=True, vacuous="at or below 0",
    ),
    Metric(
        "eq13_fro", "Eq13 fro", "1", "layer", "lower", "gram", "core", "Eq. 13",
        "λ_min(G_0) − ‖G_t − G_0‖_F", "The same in Frobenius norm, never larger.", _EQ13_PAPER, log=True,
        vacuous="at or below 0",
    ),
    Metric(
        "eq13_features_op", "Eq13 ‖ΔF‖₂", "1", "layer", "lower", "spectrum", "core", "Eq. 13",
        "max(0, σ_min(F_0) − ‖F_t − F_0‖₂)², F = A/√width",
        "Lower bound on λ_min from how far the features have moved; ‖·‖₂ as for eq13_op.",
        _EQ13_PAPER, log=True, vacuous="at 0",
    ),
    Metric(
        "eq13_features", "Eq13 ‖ΔF‖_F", "1", "layer", "lower", "gram", "core", "Eq. 13",
        "max(0, σ_min(F_0) − ‖F_t − F_0‖_F)²", "The same in Frobenius norm, never larger.", _EQ13_PAPER, log=True,
        vacuous="at 0",
    ),
    Metric(
        "eq13_weights", "Eq13 ‖ΔW‖", "1", "layer", "lower", "spectrum", "core", "Eq. 13, [22]",
        "max(0, σ_min(F_0) − D_m/√width_m)², D_l = p₁(‖W_l‖₂D_{l−1} + ‖ΔW_l‖₂‖A_{l−1}(0)‖_F), "
        "D_0 = 0; with bias √n‖Δb_l‖ inside, times max_i 2√w/(‖u_i(0)‖ + ‖u_i‖) where rows are renormalised",
        "Lower bound on λ_min from the distance of the weights alone, the weakest; each ‖·‖₂ is a proved upper end.",
        _EQ13_PAPER, log=True, vacuous="at 0",
    ),
)  # fmt: skip

_WEIGHTS = (
    Metric(
        "weight_norm", "‖W‖₂", "1", "layer", "estimate", "spectrum", "core", "Eq. 30", "σ_max(W_m)",
        "Spectral norm of the weights that lead into this layer.", log=True,
        uncertainty=Uncertainty("≥"), ends=Ends(high="what proved bounds read for σ_max(W_m)"),
    ),
    Metric(
        "weight_distance", "‖ΔW‖₂", "1", "layer", "estimate", "spectrum", "core", "Eq. 13", "σ_max(W_m − W_m(0))",
        "Spectral norm of the distance of these weights from their initialisation.", log=True,
        uncertainty=Uncertainty("≥"),
        ends=Ends(high="what proved bounds read for σ_max(W_m − W_m(0)), at most its Frobenius norm"),
    ),
    Metric(
        "ntk_trace_share", "tr K_m/tr K", "1", "layer", "estimate", "products", "all", "Eq. 11",
        "Σ_{i,c} ‖a_{m−1,i}‖²‖b_{m,ic}‖² as a share of its sum over layers; from 64 examples on Hutchinson's estimate "
        "from one cotangent with random signs, a percent or so off",
        "How much of the tangent kernel this layer's weights contribute.",
    ),
)  # fmt: skip

_INFINITE = (
    Metric(
        "infinite_lambda_min", "λ_min(Σ^m)", "1", "initial", "exact", "spectrum", "core", "Lemma 11, Eq. 12",
        "smallest eigenvalue of Σ^{m+1} = σ̂(Σ^m), Σ⁰ the cosines of the data",
        "What λ_min(G) would be at infinite width on the same data.",
        "Eq. 12 needs G/width, unit-norm features and infinite width.", log=True,
        uncertainty=Uncertainty("≤", "infinite_lambda_max", rounding=True),
    ),
    Metric(
        "infinite_lambda_max", "λ_max(Σ^m)", "1", "initial", "exact", "spectrum", "core", "Lemma 11, Eq. 12",
        "largest eigenvalue of Σ^m", "What λ_max(G) would be at infinite width on the same data.", log=True,
    ),
    Metric(
        "lemma12_lambda_min", "Lemma 12", "1", "initial", "lower", "spectrum", "core", "Lemma 12",
        "δ_{m+1} = 1 − σ̂(1 − δ_m), δ_0 = λ_min(G⁰)",
        "Lower line for λ_min at infinite width, from the input's λ_min alone.",
        "The paper's “infinite width network line” of Fig. 1c.", log=True, vacuous="at 0",
    ),
    Metric(
        "definition6_lambda_max", "Def. 6", "1", "initial", "upper", "spectrum", "core", "Definition 6, Eq. 44",
        "1 + (n − 1)ρ_m, ρ_0 = max_{i≠j}|cos(x_i, x_j)|, ρ_{m+1} = M_δ at δ = 1 − ρ_m",
        "Upper line for λ_max at infinite width, by Gershgorin and the maximal distortion.", log=True,
        vacuous="at n, the trace",
    ),
    Metric(
        "infinite_ntk_lambda_min", "λ_min(Θ^m)", "1", "initial", "exact", "spectrum", "all", "Eq. 11",
        "smallest eigenvalue of Θ^{m+1} = width·σ̂(Σ^m) + Θ^m ⊙ σ̂'(Σ^m), Θ⁰ = dΣ⁰; with biases 1 more in each",
        "What λ_min of the tangent kernel up to W_{m+1} would be in a very wide network; row L−1 compares with K.",
        "Lemma 11 and Eq. 12 are about G, not about the NTK as the paper writes.", log=True,
        uncertainty=Uncertainty("≤", "infinite_ntk_lambda_max", rounding=True),
    ),
    Metric(
        "infinite_ntk_lambda_max", "λ_max(Θ^m)", "1", "initial", "exact", "spectrum", "all", "Eq. 11",
        "largest eigenvalue of Θ^m",
        "What λ_max of the tangent kernel up to W_{m+1} would be in a very wide network; row L−1 compares with K.",
        log=True,
    ),
)  # fmt: skip

LAYER_METRICS: tuple[Metric, ...] = tuple(with_ends((*_SPECTRUM, *_GERSHGORIN, *_EQ13, *_WEIGHTS, *_INFINITE)))

_OF_WEIGHTS = frozenset(entry.name for entry in with_ends(_WEIGHTS))


def layer_range(name: str, depth: int) -> range:
    """The layers of a layer metric: 1 … L for what belongs to weights, 0 … L − 1 for what belongs to Gram matrices."""
    return range(1, depth + 1) if name in _OF_WEIGHTS else range(depth)
