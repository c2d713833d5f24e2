"""Constants of the losses in logit space: what Lemmas 5 and 6 say, corrected, and the same for ``mse``.

mse, ½‖softmax(o) − y‖² (the paper's "MSE", which its lemmas do not cover): along two classes ℓ = q², q the
share of the wrong one, ‖∇‖ = 2√2q²(1−q), largest at q = 2/3, and the curvature is 4q²(1−q)(2−3q), extreme
where 12q² − 15q + 4 = 0. More classes give nothing larger (found numerically; a test searches). Not convex.
mse_logits, ½‖o − y‖²: ∇² = I, ‖∇‖ = √(2ℓ), unbounded. Lemma 5 says G ≤ 2ℓ and L ≤ N: neither.
cross_entropy, −o_y + log Σe^o: ∇ = p − y, ‖∇‖ ≤ √2; ∇² = diag p − ppᵀ ⪯ ½. Lemma 6 says 2 for both: true
but loose; what it calls weakly convex is convex.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LossConstants:
    """A loss as a function of the k logits of one example.

    Attributes:
        name: As in ``--loss``.
        title: Its name in text.
        formula: ℓ of logits o and a one-hot y.
        gradient_bound: Supremum of ‖∇ℓ‖, or None where there is none.
        curvature_min: Infimum of the Hessian's eigenvalues.
        curvature_max: Supremum of the Hessian's eigenvalues.
        bound: M, the supremum of ℓ, or None where there is none; then the largest loss seen stands in for it.
        pl: Whether the PL inequality may hold; not for a convex ℓ whose infimum is not attained.
        quadratic: Whether ∇²ℓ = I: then JᵀJ/n is Gauss–Newton's matrix, and μ a Rayleigh quotient of K/n.
    """

    name: str
    title: str
    formula: str
    gradient_bound: float | None
    curvature_min: float
    curvature_max: float
    bound: float | None
    pl: bool = True
    quadratic: bool = False

    @property
    def smoothness(self) -> float:
        """L_ℓ, a Lipschitz constant of ∇ℓ: the largest modulus of an eigenvalue of the Hessian."""
        return max(abs(self.curvature_min), abs(self.curvature_max))


def _mse_curvature(sign: float) -> float:
    q = (15.0 + sign * math.sqrt(33.0)) / 24.0
    return 4.0 * q * q * (1.0 - q) * (2.0 - 3.0 * q)


MSE = LossConstants(
    "mse", "MSE", "½‖softmax(o)−y‖²", 8.0 * math.sqrt(2.0) / 27.0, _mse_curvature(1.0), _mse_curvature(-1.0), bound=1.0
)
MSE_LOGITS = LossConstants("mse_logits", "MSE on logits", "½‖o−y‖²", None, 1.0, 1.0, bound=None, quadratic=True)
CROSS_ENTROPY = LossConstants(
    "cross_entropy", "Cross-entropy", "log Σe^o − o_y", math.sqrt(2.0), 0.0, 0.5, bound=None, pl=False
)

LOSSES: dict[str, LossConstants] = {entry.name: entry for entry in (MSE, MSE_LOGITS, CROSS_ENTROPY)}
