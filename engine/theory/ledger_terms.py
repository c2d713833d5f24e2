"""The numbers of the ledger's inequalities at a row: both sides, and by how much rounding may move them.

``ledger.py`` says what each of them claims. Eigenvalues of G are widened by the resolution, and on the side on which it
matters by the certificate of λ_min; Ritz values of K, on the side on which they may miss, by their residuals; whatever
the training precision touches by the rounding of a pass (``Row.rounding``). On its other side a Ritz value is a bound
and needs no residual. Every function here gives a term a layer, or one; terms whose numbers were not computed are left
out by ``Inequality.at``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from engine.theory import generalization, predictions
from engine.theory.inequality import Row, Term

Terms = Callable[[Row], Iterator[Term]]

_KERNEL_ROUNDING = 1e-12
_PRODUCT_ROUNDING = 8.0
"""Relative to λ_max(K), what products with K leave uncertain in a Rayleigh quotient: in float64, and in units of the
training precision's eps, in which they may be made."""


def _layers(row: Row) -> range:
    """The layers that have a Gram matrix."""
    return range(row.config.depth)


def gershgorin_lower(row: Row) -> Iterator[Term]:
    """Every layer's discs begin at or below λ_min."""
    for m in _layers(row):
        low = row.layer("gersh_lower", m)
        slack = row.layer("lambda_resolution", m) + row.spectral_rounding * abs(low)
        yield Term(m, low, row.layer("lambda_min", m), slack, vacuous=low <= 0.0)


def gershgorin_upper(row: Row) -> Iterator[Term]:
    """Every layer's discs end at or above λ_max."""
    for m in _layers(row):
        high = row.layer("gersh_upper", m)
        slack = row.layer("lambda_resolution", m) + row.spectral_rounding * abs(high)
        yield Term(m, row.layer("lambda_max", m), high, slack)


def _feature_rounding(row: Row, m: int) -> float:
    """By how much rounding of the activations can move F in Frobenius norm: the weights' rung does not see it."""
    return row.rounding * math.sqrt(row.config.examples * max(row.layer("lambda_max", m), 0.0))


def rung(name: str) -> Terms:
    """λ_min is at least the rung. λ_min(G_0), which the rung starts from, has a resolution of its own."""

    def terms(row: Row) -> Iterator[Term]:
        for m in _layers(row):
            rung = row.layer(name, m)
            slack = 4.0 * (row.layer("lambda_resolution", m) + row.spectral_rounding * abs(rung))
            if name == "eq13_weights":
                slack += _weights_slack(row, m, rung)
            yield Term(m, rung, row.layer("lambda_min", m), slack, vacuous=rung <= 0.0)

    return terms


def _weights_slack(row: Row, m: int, rung: float) -> float:
    # (σ + ε)² − σ² with ε the rounding of the features.
    jitter = _feature_rounding(row, m)
    return 2.0 * math.sqrt(max(rung, 0.0)) * jitter + jitter * jitter


def ordered(lower: str, upper: str) -> Terms:
    """One rung of the ladder is at least another."""

    def terms(row: Row) -> Iterator[Term]:
        for m in _layers(row):
            low, high = row.layer(lower, m), row.layer(upper, m)
            slack = 4.0 * (row.layer("lambda_resolution", m) + row.spectral_rounding * abs(low))
            if lower == "eq13_weights":
                slack += _weights_slack(row, m, low)
            yield Term(m, low, high, slack, vacuous=high <= 0.0)

    return terms


def _product_rounding(row: Row) -> float:
    relative = max(_KERNEL_ROUNDING, _PRODUCT_ROUNDING * row.epsilon)
    return relative * abs(row.value("ntk_lambda_max"))


def _kernel_slack(row: Row, residual: str) -> float:
    return row.value(residual) + _product_rounding(row)


def interlacing_low(row: Row) -> Iterator[Term]:
    """λ_min(K) is at most λ_min(pNTK)."""
    slack = _kernel_slack(row, "ntk_residual")
    yield Term(None, row.value("ntk_lambda_min"), row.value("pntk_lambda_min"), slack)


def interlacing_middle(row: Row) -> Iterator[Term]:
    """λ_min(pNTK) is at most λ_max(pNTK)."""
    low, high = row.value("pntk_lambda_min"), row.value("pntk_lambda_max")
    yield Term(None, low, high, row.spectral_rounding * abs(high))


def interlacing_high(row: Row) -> Iterator[Term]:
    """λ_max(pNTK) is at most λ_max(K)."""
    slack = _kernel_slack(row, "ntk_lambda_max_residual")
    yield Term(None, row.value("pntk_lambda_max"), row.value("ntk_lambda_max"), slack)


def chain_gram(row: Row) -> Iterator[Term]:
    """K lies above its output layer's part, width·G^{L−1} ⊗ I_k, whatever the loss."""
    last, n = row.config.depth - 1, row.config.examples
    # A Ritz value is at least the λ_min it stands for: K's residual is not needed here.
    gram = row.config.width * row.layer("lambda_min", last) / n
    slack = row.config.width * row.smallest_slack(last) / n + _product_rounding(row) / n
    yield Term(None, gram, row.value("ntk_lambda_min") / n, slack, vacuous=gram <= 0.0)


def _is_chain(row: Row) -> bool:
    return row.config.loss == "mse_logits" and not row.config.f_star


def _pl_rounding(row: Row) -> float:
    """Rounding of μ: the gradient of the mean is rounded relative to the examples', which cancel in it."""
    mean, longest = row.value("grad_norm"), row.value("sample_grad_norm_max")
    return row.rounding * row.value("pl") * (1.0 + longest / mean) if mean > 0.0 else math.nan


def chain_low(row: Row) -> Iterator[Term]:
    """μ is at least λ_min(K)/n (Lemma 3; its Eq. 10 lacks a factor 2: ½‖∇h‖² ≥ λ_* μ(h − h_*))."""
    if _is_chain(row):
        n = row.config.examples
        slack = _kernel_slack(row, "ntk_residual") / n + _pl_rounding(row)
        yield Term(None, row.value("ntk_lambda_min") / n, row.value("pl"), slack)


def chain_high(row: Row) -> Iterator[Term]:
    """μ is at most λ_max(K)/n."""
    if _is_chain(row):
        n = row.config.examples
        slack = _kernel_slack(row, "ntk_lambda_max_residual") / n + _pl_rounding(row)
        yield Term(None, row.value("pl"), row.value("ntk_lambda_max") / n, slack)


def descent(row: Row) -> Iterator[Term]:
    """The loss is at most what the descent lemma promises with L_seg, see ``recursion.smoothness_over_ball``."""
    f, g, eta = row.previous("loss"), row.previous("grad_norm"), row.previous("lr")
    L = row.value("smoothness_segment")
    promised = predictions.descent(f, g, eta, L)
    sample = max(row.value("sample_grad_norm_max"), row.previous("sample_grad_norm_max"))
    # Rounding moves a loss as a step of rounding·‖W‖ would, and the gradient by rounding·G; what is promised may be
    # the difference of two far larger numbers.
    moved = sample * row.weight_norm + eta * g * (sample + (2.0 + eta * L) * g)
    slack = row.rounding * (f + row.value("loss") + moved)
    yield Term(None, row.value("loss"), promised, slack, vacuous=eta * L >= 2.0)


def secant(row: Row) -> Iterator[Term]:
    """The gradient changed by no more than L_seg times the step."""
    L, distance = row.value("smoothness_segment"), row.previous("lr") * row.previous("grad_norm")
    moved = row.value("sample_grad_norm_max") + row.previous("sample_grad_norm_max") + L * row.weight_norm
    slack = row.rounding * moved / distance if distance > 0.0 else math.nan
    yield Term(None, row.value("smoothness_secant"), L, slack)


def hessian(row: Row) -> Iterator[Term]:
    """λ_max(∇²f) is at most its proved bound."""
    bound = row.value("smoothness_bound")
    # A Ritz value is at most the λ_max it stands for: its residual is not needed here.
    slack = row.rounding * abs(bound)
    yield Term(None, row.value("smoothness_hessian"), bound, slack)


def at_most(left: str, right: str) -> Terms:
    """One step metric is at most another, up to the rounding of a pass."""

    def terms(row: Row) -> Iterator[Term]:
        low, high = row.value(left), row.value(right)
        yield Term(None, low, high, row.rounding * (abs(low) + abs(high)))

    return terms


def risk_floor(row: Row) -> Iterator[Term]:
    """The floor is at least √(24M(R − f*)/δ)."""
    least = generalization.risk_floor(row.value("loss") - row.config.f_star, row.value("loss_bound"), row.config.delta)
    floor = row.value("generalization_floor")
    yield Term(None, least, floor, row.rounding * abs(floor))


def gap(row: Row) -> Iterator[Term]:
    """|R_test − R| is at most the local bound, if Lemma 2's hypotheses hold."""
    bound = row.value("generalization_bound")
    vacuous = bound >= row.value("loss_bound")
    yield Term(None, row.value("generalization_gap"), bound, row.rounding * abs(bound), vacuous=vacuous)
