"""What rounding may do to a number: the tolerance of a test that compares results of floating-point arithmetic.

A sum of n products is off by at most n·u·Σ|xᵢyᵢ|, u = eps/2, in whatever order it is added up, by however many
threads, with fused operations or without (Higham, Accuracy and Stability of Numerical Algorithms, §3.1). So a product
of matrices is off by n·u·‖A‖‖B‖, and the eigenvalues and singular values that a stable solver finds are those of a
matrix that is off by a small multiple of n·u·‖A‖ (LAPACK Users' Guide, §4.7). Where within these bounds a result lies
is a matter of the processor: what one machine gave is no tolerance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike


def rounding(terms: int, *, sums: int = 4, dtype: DTypeLike = np.float64) -> float:
    """c·n·eps: the tolerance relative to the norm of what is added up, ‖A‖ for an eigenvalue of A.

    Args:
        terms: n, how many terms the longest sum has: the order of a matrix, the width of a layer.
        sums: c, through how many such sums, one after the other, both sides together have gone.
        dtype: The precision they are made in.

    Returns:
        A number without unit, to be multiplied by that norm.
    """
    return sums * terms * float(np.finfo(dtype).eps)
