"""The random-matrix line of Fig. 5: features as if they were independent standard normal (B.2, Eq. 52).

A Gaussian F of n rows and w columns has singular values in √w ± √n. Then G = FFᵀ/w has eigenvalues in (1 ±
√(n/w))², and κ(F) = (√w + √n)/(√w − √n). Eq. 52 calls κ(F) "κ(G)", and takes σ_max ~ √(wn) where it is √w
+ √n; its abscissa √(nw)/(√w − √n) is drawn as in the paper.
"""

from __future__ import annotations

import math


def singular_edges(width: int, n: int) -> tuple[float, float]:
    """√w − √n and √w + √n, the edges of the n singular values of a Gaussian n×w matrix.

    Args:
        width: w.
        n: n.

    Returns:
        Lower and upper edge; the lower is 0 when n ≥ w.
    """
    return max(0.0, math.sqrt(width) - math.sqrt(n)), math.sqrt(width) + math.sqrt(n)


def eigenvalue_edges(width: int, n: int) -> tuple[float, float]:
    """(1 ∓ √(n/w))², the edges of the eigenvalues of G = FFᵀ/w.

    Args:
        width: w.
        n: n.

    Returns:
        Lower and upper edge; the lower is 0 when n ≥ w.
    """
    low, high = singular_edges(width, n)
    return low**2 / width, high**2 / width


def condition_number(width: int, n: int) -> float:
    """κ(F) = (√w + √n)/(√w − √n); κ(G) is its square.

    Args:
        width: w.
        n: n.

    Returns:
        κ(F), infinite when n ≥ w.
    """
    low, high = singular_edges(width, n)
    return high / low if low > 0.0 else math.inf


def conditioning_factor(width: int, n: int) -> float:
    """√(nw)/(√w − √n), the abscissa of Fig. 5; no metric, as it is the same for a whole run.

    Args:
        width: w.
        n: n.

    Returns:
        The factor, infinite when n ≥ w.
    """
    low, _ = singular_edges(width, n)
    return math.sqrt(n * width) / low if low > 0.0 else math.inf
