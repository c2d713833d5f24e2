"""Catalogue entries with one number a step. Row k describes θ_k before its update; see each meaning."""

from __future__ import annotations

from engine.catalogue.metric import Ends, Metric, Uncertainty, with_ends
from engine.catalogue.refinements import BOUNDED, FLOAT32, KINKS, NOT_PL, UNBOUNDED

_TRAINING = (
    Metric(
        "loss", "f", "loss", "step", "exact", "free", "none", "Eq. 5", "(1/n) Σ_i ℓ_i(θ_k)",
        "Training loss, the mean over the n examples.",
        "`mse` is ½‖softmax(o)−y‖², `mse_logits` ½‖o−y‖²; torch's MSELoss is neither.", log=True,
    ),
    Metric(
        "accuracy", "acc", "1", "step", "exact", "free", "none", "", "share of examples with argmax o = label",
        "Training accuracy.",
        "The paper leaves out runs that end at or below 12%, and does not say of which accuracy: this is our reading.",
    ),
    Metric(
        "test_loss", "f_test", "loss", "step", "exact", "forward", "core", "", "mean ℓ over the test examples",
        "Loss on the test images, which are preprocessed with the training statistics.", log=True,
    ),
    Metric(
        "test_accuracy", "acc_test", "1", "step", "exact", "forward", "core", "",
        "share of test examples with argmax o = label", "Accuracy on the test images.",
    ),
    Metric(
        "lr", "η", "1", "step", "exact", "free", "none", "Eq. 2", "θ_{k+1} = θ_k − η∇f(θ_k)",
        "Learning rate of the update from this row to the next; of the last row, of the one that would follow.",
        "The lemmas presume η = 1/L; the predictions marked `descent` use the real η.",
    ),
    Metric(
        "grad_norm", "‖∇f‖", "1", "step", "exact", "free", "none", "", "√Σ_l ‖∂f/∂W_l‖²_F",
        "Norm of the gradient of the training loss.", log=True,
    ),
)  # fmt: skip

_QUOTIENT_BELOW = "a Rayleigh quotient, less rounding"
_QUOTIENT_ABOVE = "a Rayleigh quotient, and rounding"
_CERTIFICATE_BELOW = "σ less rounding, where the matrix less σI has a Cholesky factor, or another proved bound"
_CERTIFICATE_ABOVE = "τ and rounding, where τI less the matrix has a Cholesky factor, or another proved bound"

_OPTIMISATION = (
    Metric(
        "sample_grad_norm_max", "max_i‖∇ℓ_i‖", "1", "step", "exact", "free", "core", "B.1",
        "‖∇ℓ_i‖² = Σ_l ‖a_{l−1,i}‖²‖δ_{l,i}‖², with bias ‖a‖² + 1",
        "Largest per-example gradient norm, the local Lipschitz constant G of the loss.",
        "No per-example gradient is ever formed: norms factor over layers.", log=True,
    ),
    Metric(
        "pl", "μ", "1", "step", "exact", "free", "core", "Eq. 46", "‖∇f‖²/(2(f − f*))",
        "Local Polyak-Łojasiewicz constant: how much gradient there is for the loss that is left; empty where f ≤ f*.",
        "With local μ, Lemma 1's prediction is f − ‖g‖²/(2L) for any f*: it says no more than descent does.",
        log=True,
    ),
    Metric(
        "pl_samplewise", "μ_s", "1", "step", "exact", "free", "core", "Eq. 47", "E‖∇ℓ_i‖²/(2(E ℓ_i − f*))",
        "Eq. 47's sample-wise constant.",
        "The paper equates it with Eq. 46; it is another number and never smaller (Jensen).", log=True,
    ),
    Metric(
        "smoothness_hessian", "λ_max(∇²f)", "1", "step", "estimate", "products", "all", "Lemma 1",
        "largest eigenvalue of the Hessian (not the largest in modulus), a Ritz value of block Krylov",
        "Curvature in the steepest direction; the Hessian is too large for a certificate, so only a lower bound is "
        "certain.",
        "For ReLU the Hessian exists almost everywhere but bounds nothing across kinks.", log=True,
        uncertainty=Uncertainty("≥"), ends=Ends("the Ritz value θ less the rounding of products"),
    ),
    Metric(
        "smoothness_hessian_residual", "‖Hv−θv‖", "1", "step", "exact", "products", "all", "Lemma 1",
        "‖∇²f v − θ v‖ of the unit Ritz vector",
        "An eigenvalue of ∇²f lies within this distance of the Ritz value; it need not be the largest.", log=True,
    ),
    Metric(
        "unstable_directions", "#λ>2/η", "1", "step", "lower", "products", "all", "",
        "how many Ritz values of the Hessian exceed 2/η, less the rounding of products: 0, 1, 2 or 3",
        "At least so many eigenvalues of the Hessian exceed 2/η, the edge of stability; 0 says that none was found.",
        "Not in the paper, whose Lemma 1 presumes η = 1/L.", uncertainty=Uncertainty("≥"),
    ),
    Metric(
        "smoothness_ggn", "λ_max(GGN)", "1", "step", "estimate", "products", "all", "Lemma 3",
        "λ_max(JᵀH_ℓJ)/n; for mse the positive part, λ_max(JᵀS²J)/n with S = diag p − ppᵀ",
        "Largest eigenvalue of the Gauss–Newton matrix.",
        "Lemma 3's smoothness bound omits Σ∂L·∇²F, so it bounds this matrix and not the Hessian.", log=True,
        uncertainty=Uncertainty("≥"), ends=Ends(_QUOTIENT_BELOW, _CERTIFICATE_ABOVE, (FLOAT32,)),
    ),
    Metric(
        "smoothness_step", "L_step", "1", "step", "exact", "free", "core", "Lemma 1",
        "2(f_k − f_{k−1} + η‖g‖²)/(η²‖g‖²), g = ∇f(θ_{k−1})",
        "The smoothness that would have made the descent lemma exact on the step that led here; can be negative.",
        "Not in the paper.", log=True, uncertainty=Uncertainty("±", "smoothness_step_resolution"),
    ),
    Metric(
        "smoothness_step_resolution", "±L_step", "1", "step", "estimate", "free", "core", "Lemma 1",
        "2(ε_f + ε_θ)/(η²‖g‖²) + ε_g(2/η + |L_step|), at most |L_step| + 2 max(largest L_step so far, 2/η); ε_f from "
        "‖∂ℓ_i/∂h_l‖ and the rounding of each layer's outputs, ε_θ of θ − ηg, ε_g of g; six standard deviations",
        "What the rounding of the forward passes, of the update and of the gradient leaves uncertain in L_step; at or "
        "above |L_step| the step says nothing of the curvature.",
        "Not in the paper. At small loss the forward pass dominates by far. A ReLU's kink that is rounded across, at "
        "one row in hundreds, moves L_step by more.", log=True,
    ),
    Metric(
        "smoothness_secant", "L_sec", "1", "step", "lower", "free", "core", "Eq. 15",
        "‖g_k − g_{k−1}‖/‖θ_k − θ_{k−1}‖",
        "Change of the gradient over the last step: a lower bound on any Lipschitz constant of the gradient there.",
        "Not in the paper.", log=True, refined=(KINKS,),
    ),
    Metric(
        "smoothness_bound", "L_bound", "1", "step", "upper", "spectrum", "core", "Lemmas 4, 9",
        "mean_i(L_ℓ J_i² + G_{ℓ,i} H_i), the parameter-space recursion over layers",
        "A proved bound on the smoothness of the loss at θ; not defined for ReLU.",
        "The paper's Lemmas 4 and 9 compose in input space and cannot serve Lemmas 1, 2, 13.", log=True,
    ),
    Metric(
        "smoothness_segment", "L_seg", "1", "step", "upper", "spectrum", "core", "Lemmas 1, 4, 9",
        "mean_i(L_ℓ J_i² + G_{ℓ,i} H_i) over the ball of radius η‖g‖ around θ_{k−1}, g its gradient, "
        "G_{ℓ,i} = min(sup‖∂ℓ/∂o‖, ‖∂ℓ_i/∂o‖ + L_ℓ J_i η‖g‖)",
        "A proved bound on the smoothness of the loss along the whole last step: with it the descent lemma is a "
        "theorem; not defined for ReLU.",
        "Not in the paper, whose Lemma 1 presumes a global L that these losses do not have.", log=True,
    ),
    Metric(
        "lipschitz_bound", "G_bound", "1", "step", "upper", "spectrum", "core", "Lemmas 4, 9",
        "max_i G_{ℓ,i} J_i, J the Lipschitz constant of an output in the parameters",
        "A proved bound on every per-example gradient norm.", log=True,
    ),
)  # fmt: skip

_PREDICTIONS = (
    Metric(
        "predicted_lemma1", "f̂_L1", "loss", "step", "heuristic", "products", "all", "Lemma 1, Eq. 3",
        "f* + (1 − μ/L)(f − f*) = f − ‖g‖²/(2L), L = λ_max(∇²f), all of row k−1",
        "Loss that Lemma 1 promises for this row; it presumes η = 1/L and a global L. Empty where λ_max ≤ 0.",
        "Identical to the descent lemma for any f*: the local PL constant cancels.", log=True, refined=(KINKS,),
    ),
    Metric(
        "predicted_descent", "f̂_desc", "loss", "step", "heuristic", "free", "core", "Lemma 1",
        "f − η(1 − ηL/2)‖g‖², L = L_step of row k−1",
        "The same lemma at the real learning rate; L_step is no bound on the curvature of the step to come.",
        "Not in the paper.", log=True, vacuous="at or above the loss before, for η ≥ 2/L: no decrease is promised",
        refined=(KINKS,),
    ),
    Metric(
        "predicted_lemma10", "f̂_L10", "loss", "step", "heuristic", "products", "all", "Lemma 10, B.3",
        "f − ‖g‖²/(8L), L = λ_max(∇²f) of row k−1",
        "Lemma 10 (weakly PL) with the paper's estimate of the distance to the minimiser, ‖x − x*‖ ≈ 2(f − f*)/‖∇f‖; "
        "empty where λ_max ≤ 0.",
        "The paper draws it for cross-entropy. That it is four times looser than Lemma 1 is an artefact of μ = 1: with "
        "the same distance in Eq. 38 the local weak-PL constant is μ = 4, and Lemma 10 is Lemma 1. The paper's “weakly "
        "convex” means convex.",
        log=True, refined=(KINKS,),
    ),
    Metric(
        "ratio_lemma1", "f/f̂_L1", "1", "step", "heuristic", "products", "all", "Fig. 2a, 6c, 6d",
        "f_k / predicted_lemma1", "Actual over predicted loss: below 1 the network did better than Lemma 1. Empty "
        "where the prediction is at or below f*.",
        "The paper finds it too conservative early and good later; compare the null ratio.",
    ),
    Metric(
        "ratio_descent", "f/f̂_desc", "1", "step", "heuristic", "free", "core", "Lemma 1",
        "f_k / predicted_descent", "Actual over predicted loss of the descent lemma at the real learning rate. Empty "
        "where the prediction is at or below f*.", "Not in the paper, which has Lemma 1 there.",
    ),
    Metric(
        "ratio_lemma10", "f/f̂_L10", "1", "step", "heuristic", "products", "all", "Fig. 6a, 6b",
        "f_k / predicted_lemma10",
        "Actual over predicted loss of Lemma 10. Empty where the prediction is at or below f*.",
        "Looser than ratio_lemma1 only because μ = 1 is put into Lemma 10, see predicted_lemma10.",
    ),
    Metric(
        "ratio_null", "f/f_{k−1}", "1", "step", "exact", "free", "core", "",
        "f_k / f_{k−1}", "Predicting no change at all: a ratio near 1 late in training can be trivial.",
        "Not in the paper.",
    ),
    Metric(
        "decrease_ratio", "Δf/Δf̂", "1", "step", "heuristic", "free", "core", "",
        "(f_{k−1} − f_k)/(f_{k−1} − predicted_descent)",
        "Actual over predicted decrease: 1 when the prediction is exact, whatever the loss; empty where no change is "
        "predicted.", "Not in the paper.",
    ),
    Metric(
        "lemma13_bound", "f̂_L13", "loss", "step", "heuristic", "free", "core", "Lemma 13, Eq. 49",
        "f* + (f_0 − f*) Π_{i<k} (1 − 2ημ_i(1 − ηL_i/2)), L_i = max(μ_i, L_step of row i); factor 1 at i = 0",
        "Lemma 13 at the real η, multiplied up from step 0, with what was known before each step.",
        "The paper's form is Π(1 − μ_i/L), for η = 1/L. No L below the local μ can be a smoothness constant.",
        log=True, vacuous="at or above f_0: no decrease is promised", refined=(KINKS, NOT_PL),
    ),
    Metric(
        "distance_init", "‖θ−θ₀‖", "1", "step", "exact", "free", "core", "Eq. 4", "√Σ_l ‖W_l − W_l(0)‖²_F",
        "Distance of the parameters from their initialisation.", log=True,
    ),
    Metric(
        "radius_bound", "R_bound", "1", "step", "estimate", "free", "core", "Eq. 4",
        "η√(2L(f⁰ − f*))/(1 − √γ), γ = 1 − 2ημ(1 − ηL/2), μ = min, L = max so far",
        "How far Lemma 1 lets the parameters travel, L raised to μ where it is below it. Empty where η ≥ 2/L, so also "
        "where η ≥ 2/μ however small L is, and where no μ > 0 is known.",
        "Eq. 4 has a spurious 1/L on its left and presumes η = 1/L.", log=True, refined=(KINKS, NOT_PL),
    ),
)  # fmt: skip

_GENERALIZATION = (
    Metric(
        "loss_bound", "M", "loss", "step", "estimate", "free", "core", "Lemma 2",
        "1 for mse, else max ℓ_i over training and test examples",
        "Largest loss of one example, as Lemma 2 asks for it: a bound at or above M is vacuous.",
        "Lemma 2 asks for a bound over all data; only mse has one.", log=True, refined=BOUNDED,
    ),
    Metric(
        "stability_beta", "β", "loss", "step", "heuristic", "free", "core", "Eq. 6",
        "2√ε_A·√(2G²/μ) + (2G²/μ)/(n−1), ε_A = R − f*, G = max_i‖∇ℓ_i‖",
        "Pointwise stability of gradient descent, with the local constants; empty for n = 1.", log=True,
        refined=(NOT_PL,),
    ),
    Metric(
        "generalization_bound", "B_local", "loss", "step", "heuristic", "free", "core", "Lemma 2, Eq. 7",
        "√((M² + 12Mnβ)/(2nδ)) with local G and μ",
        "Bound on |test − train| risk from local constants; empty for n = 1.",
        "Fig. 4 and 7. With local μ it cannot fall below the floor: to say anything it needs R < δM/24 and n > 1/(2δ), "
        "and these do not suffice.", log=True, vacuous="at or above M", refined=(NOT_PL,),
    ),
    Metric(
        "generalization_bound_compositional", "B_comp", "loss", "step", "heuristic", "spectrum", "core",
        "Lemmas 2, 4, 9", "the same with G = lipschitz_bound",
        "The bound with a proved Lipschitz constant instead of the measured one.", log=True,
        vacuous="at or above M", refined=(NOT_PL,),
    ),
    Metric(
        "generalization_floor", "B_floor", "loss", "step", "exact", "free", "core", "Lemma 2",
        "generalization_bound at r = G/‖∇f‖ = 1, at least √(24M(R − f*)/δ)",
        "What the bound could be at best with local μ, whatever the network.",
        "Why Fig. 4 is vacuous: measured r is 16 to 71 and even r = 1 does not suffice.", log=True,
        vacuous="at or above M, where no local constant could make the bound say anything", refined=(UNBOUNDED,),
    ),
    Metric(
        "generalization_gap", "|R_test−R|", "loss", "step", "exact", "forward", "core", "Eq. 7",
        "|test_loss − loss|", "What the bound is to be held against.", log=True,
    ),
)  # fmt: skip

_KERNEL = (
    Metric(
        "ntk_lambda_min", "λ_min(K)", "1", "step", "estimate", "products", "all", "Eq. 11, Lemma 3",
        "smallest eigenvalue of K = JJᵀ (nk×nk); exactly 0 where the rank says so, Σ_l fan_out·min(n, fan_in) < nk",
        "Worst direction of the empirical neural tangent kernel of the outputs; shown “≤” where its low end is far "
        "below it.",
        "Lemma 3 makes it a PL constant; its Eq. 10 lacks a factor 2.", log=True, vacuous="at or below 0",
        uncertainty=Uncertainty("≤", residual="ntk_residual"),
        ends=Ends(_CERTIFICATE_BELOW, _QUOTIENT_ABOVE, (FLOAT32,)),
    ),
    Metric(
        "ntk_lambda_max", "λ_max(K)", "1", "step", "estimate", "products", "all", "Eq. 11, Lemma 3",
        "largest eigenvalue of K = JJᵀ",
        "Best direction of the empirical neural tangent kernel of the outputs.", log=True,
        uncertainty=Uncertainty("≥"),
        ends=Ends(_QUOTIENT_BELOW, _CERTIFICATE_ABOVE, (FLOAT32,)),
    ),
    Metric(
        "ntk_log10_cond", "log₁₀κ(K)", "1", "step", "estimate", "products", "all", "Eq. 11",
        "log₁₀(λ_max(K)/max(λ_min(K), ρ)), ρ the resolution of K",
        "Log-conditioning of the tangent kernel, beside that of G; shown “≥” where its high end is far above it.",
        "Lemma 11 is about G and not about the NTK.",
        uncertainty=Uncertainty("≥", quotient=("ntk_lambda_min", "ntk_lambda_max")),
        ends=Ends(
            "log₁₀(ntk_lambda_max_low/ntk_lambda_min_high)", "log₁₀(ntk_lambda_max_high/ntk_lambda_min_low), ∞ for 0",
            (FLOAT32,),
        ),
    ),
    Metric(
        "pntk_lambda_min", "λ_min(pNTK)", "1", "step", "upper", "spectrum", "all", "",
        "smallest eigenvalue of the n×n kernel with the one cotangent 1/√k",
        "Compressed kernel: λ_min(K) ≤ this.", log=True, uncertainty=Uncertainty("≤", "pntk_lambda_max", rounding=True),
        ends=Ends(_CERTIFICATE_BELOW, _QUOTIENT_ABOVE, (FLOAT32,)),
    ),
    Metric(
        "pntk_lambda_max", "λ_max(pNTK)", "1", "step", "lower", "spectrum", "all", "",
        "largest eigenvalue of the n×n kernel with the one cotangent 1/√k",
        "Compressed kernel: this ≤ λ_max(K).", log=True, uncertainty=Uncertainty("≥", "pntk_lambda_max", rounding=True),
        ends=Ends(_QUOTIENT_BELOW, _CERTIFICATE_ABOVE, (FLOAT32,)),
    ),
)  # fmt: skip

_COST = (
    Metric(
        "step_seconds", "t_step", "seconds", "step", "exact", "free", "none", "", "wall clock",
        "Forward pass, backward pass and update of this row's step; on a GPU by events in its queue.",
    ),
    Metric(
        "measure_seconds", "t_meas", "seconds", "step", "exact", "free", "core", "", "wall clock",
        "Everything measured beyond the step, the test set's forward pass left out.",
    ),
    Metric(
        "layers_seconds", "t_layers", "seconds", "step", "exact", "free", "core", "", "wall clock",
        "Of it: Gram matrices, their spectra and discs, weight norms. Rows without it, under --budget, have none.",
    ),
    Metric(
        "curvature_seconds", "t_hess", "seconds", "step", "exact", "free", "all", "", "wall clock",
        "Of it: products with the Hessian. Rows without it, under --budget, have no λ_max(∇²f).",
    ),
    Metric(
        "kernel_seconds", "t_ntk", "seconds", "step", "exact", "free", "all", "", "wall clock",
        "Of it: the tangent kernel, its compression, Gauss–Newton. Rows without it, under --budget, have none of them.",
    ),
)  # fmt: skip

STEP_METRICS: tuple[Metric, ...] = tuple(
    with_ends((*_TRAINING, *_OPTIMISATION, *_PREDICTIONS, *_GENERALIZATION, *_KERNEL, *_COST))
)
