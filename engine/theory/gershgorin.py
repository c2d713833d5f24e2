"""Gershgorin's discs: the paper's cheap proxy for conditioning (Section 5, Fig. 3)."""

from __future__ import annotations

import math
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
    off = matrix.copy()
    largest = largest_abs = math.nan
    if len(matrix) > 1:
        np.fill_diagonal(off, -np.inf)
        largest = float(off.max())
    np.fill_diagonal(off, 0.0)
    np.abs(off, out=off)
    if len(matrix) > 1:
        largest_abs = float(off.max())
    radii = off.sum(axis=1)
    with np.errstate(invalid="ignore"):  # ∞ − ∞ in a matrix that has overflowed
        lower, upper = float((diagonal - radii).min()), float((diagonal + radii).max())
    return Gershgorin(float(radii.max()), float(diagonal.min()), largest, largest_abs, lower, upper)
