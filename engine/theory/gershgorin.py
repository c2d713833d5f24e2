"""Gershgorin's discs: the paper's cheap proxy for conditioning (Section 5, Fig. 3)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

_BLOCK = 256
"""Rows of G that are copied at a time."""


@dataclass(frozen=True, slots=True)
class Gershgorin:
    """Bounds on the spectrum of a symmetric matrix from its entries.

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
    """Discs of a symmetric matrix, shape (n, n), n ≥ 1, in O(n²) and memory for some hundred rows.

    The enclosure is taken row by row, which is tighter than min G_ii − max R_i and max G_ii + max R_i.

    Returns:
        The proxy's numbers and the enclosure.
    """
    matrix = np.asarray(gram, dtype=np.float64)
    n, diagonal, radii = len(matrix), matrix.diagonal(), np.empty(len(matrix))
    largest = largest_abs = -math.inf
    for first in range(0, n, _BLOCK):
        off = matrix[first : first + _BLOCK].copy()
        own = np.arange(len(off)), np.arange(first, first + len(off))
        off[own] = -np.inf
        largest = float(np.maximum(largest, off.max()))  # NaN if either is
        off[own] = 0.0
        np.abs(off, out=off)
        largest_abs = float(np.maximum(largest_abs, off.max()))
        radii[first : first + _BLOCK] = off.sum(axis=1)
    if n == 1:
        largest = largest_abs = math.nan
    with np.errstate(invalid="ignore"):  # ∞ − ∞ in a matrix that has overflowed
        lower, upper = float((diagonal - radii).min()), float((diagonal + radii).max())
    return Gershgorin(float(radii.max()), float(diagonal.min()), largest, largest_abs, lower, upper)
