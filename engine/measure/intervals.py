"""Extremes as intervals that hold them, and what rounding leaves open of a factor and of a quotient.

A Cholesky factor of order N that completes proves λ_min(A) > σ − γ_{N+1}·tr(A − σI), γ_k = ku/(1 − ku) (Rump, BIT 46
(2006), 433–452). In float32 that says nothing, and c√N·u·‖A‖ takes its place, a probabilistic bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

# Of the bound on rounding in float32: measured errors are a tenth of it.
_PROBABLE = 2.0


@dataclass(frozen=True, slots=True)
class Interval:
    """A number with its ends.

    Attributes:
        low: Certainly not above the quantity.
        value: The best that is known of it.
        high: Certainly not below it.
    """

    low: float
    value: float
    high: float


@dataclass(frozen=True, slots=True)
class Extremes:
    """λ_min and λ_max of one matrix."""

    smallest: Interval
    largest: Interval


UNKNOWN, ZERO = Interval(math.nan, math.nan, math.nan), Interval(0.0, 0.0, 0.0)


def factor_rounding(order: int, dtype: torch.dtype, trace: float, norm: float) -> float:
    """A bound on −λ_min(A) where a Cholesky factor of A has completed.

    Args:
        order: N.
        dtype: The factor's precision.
        trace: tr A.
        norm: ‖A‖₂, about.

    Returns:
        Rump's bound in float64; in float32 a probabilistic one.
    """
    unit = torch.finfo(dtype).eps / 2
    if dtype == torch.float64:
        return 1.01 * (order + 2) * unit * trace
    return _PROBABLE * math.sqrt(order) * unit * norm


def quotient_rounding(order: int, dtype: torch.dtype, frobenius: float, norm: float) -> float:
    """A bound on the error of a Rayleigh quotient of A by its products; probabilistic in float32."""
    unit = torch.finfo(dtype).eps / 2
    if dtype == torch.float64:
        return 2.0 * (order + 2) * unit * frobenius
    return _PROBABLE * math.sqrt(order) * unit * norm
