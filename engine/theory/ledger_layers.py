"""Inequalities between the numbers of each layer's Gram matrix: Eq. 13's bounds and Gershgorin's discs.

Eigenvalues of G are intervals, widened by their resolution ρ.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from engine.theory.inequality import Inequality, Row, Term

_BOUNDS = {
    "eq13_op": "λ_min(G_0) − ‖ΔG‖₂",
    "eq13_features_op": "(σ_min(F_0) − ‖ΔF‖₂)₊²",
    "eq13_fro": "λ_min(G_0) − ‖ΔG‖_F",
    "eq13_features": "(σ_min(F_0) − ‖ΔF‖_F)₊²",
    "eq13_weights": "(σ_min(F_0) − D/√width)₊²",
}


def _compared(row: Row, bound: str, other: str) -> Iterator[Term]:
    """A bound is at most λ_min, or another bound. λ_min(G_0), which it starts from, has a ρ of its own."""
    for m in range(row.config.depth):
        left, right = row.layer_side(bound, m), row.layer_side(other, m)
        low = left.value
        slack = 4.0 * (row.layer("lambda_resolution", m) + row.spectral_rounding * abs(low))
        if bound == "eq13_weights":
            # The weights do not see ε, the rounding of F in Frobenius norm: (σ + ε)² − σ².
            jitter = row.rounding * math.sqrt(row.config.examples * max(row.layer("lambda_max", m), 0.0))
            slack += 2.0 * math.sqrt(max(low, 0.0)) * jitter + jitter * jitter
        yield Term(m, left, right, slack, vacuous=(low if other == "lambda_min" else right.value) <= 0.0)


def _bound(name: str, why: str) -> Inequality:
    widened = "the resolution ρ of both λ_min and the rounding of float64"
    if name == "eq13_weights":
        widened += ", and the rounding of the activations"
    return Inequality(
        name=f"{name}_holds", group="Eq. 13", kind="theorem", equation="Eq. 13",
        left=_BOUNDS[name], right="λ_min(G_t)", metrics=(name, "lambda_min"),
        meaning=f"{why} Says nothing at or below 0.",
        violated="It holds for any two matrices: the distance from initialisation or λ_min is computed wrongly.",
        widened=widened, terms=lambda row: _compared(row, name, "lambda_min"),
    )  # fmt: skip


def _ordered(name: str, lower: str, upper: str, why: str) -> Inequality:
    return Inequality(
        name=name, group="order of bounds", kind="theorem", equation="Eq. 13",
        left=_BOUNDS[lower], right=_BOUNDS[upper], metrics=(lower, upper),
        meaning=f"{why} The bounds from G and those from F = A/√width cross.",
        violated="A norm that bounds another from above came out smaller: one of the two is computed wrongly.",
        widened="the resolution ρ, the rounding of float64, and for the weights the rounding of the activations",
        terms=lambda row: _compared(row, lower, upper),
    )  # fmt: skip


def _gershgorin_lower(row: Row) -> Iterator[Term]:
    for m in range(row.config.depth):
        low = row.layer_side("gersh_lower", m)
        slack = row.layer("lambda_resolution", m) + row.spectral_rounding * abs(low.value)
        yield Term(m, low, row.layer_side("lambda_min", m), slack, vacuous=low.value <= 0.0)


def _gershgorin_upper(row: Row) -> Iterator[Term]:
    for m in range(row.config.depth):
        high = row.layer_side("gersh_upper", m)
        slack = row.layer("lambda_resolution", m) + row.spectral_rounding * abs(high.value)
        yield Term(m, row.layer_side("lambda_max", m), high, slack)


_BY_CONSTRUCTION = "holds by construction since the smaller of both is taken for"

LAYERS = (
    _bound("eq13_op", "Weyl: λ_min moves by no more than ‖G_t − G_0‖₂."),
    _bound("eq13_features_op", "Weyl for singular values of F = A/√width."),
    _bound("eq13_fro", "Weyl, with a norm that is never smaller."),
    _bound("eq13_features", "Weyl for singular values, with a norm that is never smaller."),
    _bound("eq13_weights", "Weyl for singular values, with what the weights' distance allows F to move."),
    _ordered("eq13_order_gram", "eq13_fro", "eq13_op", f"‖ΔG‖₂ ≤ ‖ΔG‖_F; {_BY_CONSTRUCTION} ‖ΔG‖₂."),
    _ordered("eq13_order_weights", "eq13_weights", "eq13_features", "‖ΔF‖_F ≤ D/√width."),
    _ordered(
        "eq13_order_features", "eq13_features", "eq13_features_op", f"‖ΔF‖₂ ≤ ‖ΔF‖_F; {_BY_CONSTRUCTION} ‖ΔF‖₂."
    ),
    Inequality(
        name="gershgorin_lower", group="Gershgorin", kind="theorem", equation="Section 5",
        left="min_i(G_ii − R_i)", right="λ_min(G)", metrics=("gersh_lower", "lambda_min"),
        meaning="Every eigenvalue lies in a disc of radius R_i around some G_ii; vacuous at or below 0.",
        violated="Gershgorin's theorem holds for every symmetric matrix: the discs or λ_min are computed wrongly.",
        widened="the resolution ρ of λ_min and the rounding of float64", terms=_gershgorin_lower,
    ),
    Inequality(
        name="gershgorin_upper", group="Gershgorin", kind="theorem", equation="Section 5",
        left="λ_max(G)", right="max_i(G_ii + R_i)", metrics=("lambda_max", "gersh_upper"),
        meaning="Every eigenvalue lies in a disc of radius R_i around some G_ii.",
        violated="Gershgorin's theorem holds for every symmetric matrix: the discs or λ_max are computed wrongly.",
        widened="the resolution ρ of λ_min and the rounding of float64", terms=_gershgorin_upper,
    ),
)  # fmt: skip
