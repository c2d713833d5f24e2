"""Gershgorin's discs: the paper's cheap proxy for conditioning (Section 5, Fig. 3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True)
class Gershgorin:
    """What the entries of a symmetric matrix say of its spectrum.

    Attributes:
        row_sum: max_i R_i, R_i = Σ_{j≠i}|G_ij|.
        min_diag: min_i G_ii.
        max_offdiag: max_{i≠j} G_ij; NaN for n = 1.
        max_abs_offdiag: max_{i≠j}|G_ij|; NaN for n = 1.
        lower: min_i (G_ii − R_i) ≤ λ_min.
        upper: max_i (G_ii + R_i) ≥ λ_max.
    """

    row_sum: float
    min_diag: float
    max_offdiag: float
    max_abs_offdiag: float
    lower: float
    upper: float


def gershgorin(gram: ArrayLike) -> Gershgorin:
    """Discs of a symmetric matrix.

    The enclosure is taken row by row, which is tighter than min G_ii − max R_i and max G_ii + max R_i.

    Args:
        gram: Shape (n, n), n ≥ 1.

    Returns:
        The proxy's numbers and the enclosure. Cost O(n²).
    """
    matrix = np.asarray(gram, dtype=np.float64)
    diagonal = matrix.diagonal()
    mask = ~np.eye(len(matrix), dtype=bool)
    radii = np.sum(np.abs(matrix), axis=1, where=mask)
    off = matrix[mask]
    return Gershgorin(
        row_sum=float(np.max(radii)),
        min_diag=float(np.min(diagonal)),
        max_offdiag=float(np.max(off)) if off.size else float("nan"),
        max_abs_offdiag=float(np.max(np.abs(off))) if off.size else float("nan"),
        lower=float(np.min(diagonal - radii)),
        upper=float(np.max(diagonal + radii)),
    )
