"""Dual activations and the infinitely wide network (Definition 5, Lemma 11, Definition 6).

σ̂(ρ) = E[φ̄(X)φ̄(Y)], X and Y standard normal with correlation ρ; φ̄ the normalised activation, so σ̂(0) =
0 and σ̂(1) = 1. Its derivative is the dual of the derivative, σ̂'(ρ) = E[φ̄'(X)φ̄'(Y)].

ReLU: σ̂(ρ) = [√(1−ρ²) + ρ(π − arccos ρ) − 1]/(π−1), σ̂'(ρ) = (π − arccos ρ)/(π−1).
Smooth activations, by quadrature: with a_k = E[φ̄(z)he_k(z)], he_k the normalised Hermite polynomials, σ̂(ρ) = Σ
a_k²ρ^k over k ≥ 1. All terms are non-negative (what Lemma 12 asks for) and nothing cancels. The coefficients are
computed once by the trapezoid rule, up to k = 199. The poles of tanh at ±iπ/2 make a_k² fall like exp(−π√k), so that
less than 1e-15 is left out on all of [−1, 1], the ends included; GELU has no pole, and its a_k² fall like 2^{−2k}.
A two-dimensional quadrature needs 10⁴ evaluations of φ an entry instead of 200 flops for tanh and 120 for GELU; a
test compares the two.

Lemma 11 and Eq. 12 are about G, not about the NTK as the paper writes, and hold for G/width, inputs of
unit norm (cosines) and infinite width.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from engine.theory.activation import ACTIVATIONS, RELU
from engine.theory.number import EPSILON, Array

_HERMITE_FUNCTIONS = 200
_HERMITE_REACH = 14.0
_HERMITE_STEP = 0.125
"""The trapezoid rule of the Hermite coefficients. The functions he_k √density are bounded, unlike he_k, and oscillate
with a frequency of at most √199 = 14, which the step resolves; the rule is then exact for what is analytic up to
±iπ/2, and √density at the ends is below 1e-21. Steps and nodes are exact in binary."""

_NEGLIGIBLE = 1e-20
"""Coefficients from the last one above this on are left out: with k and 200 terms they are below 1e-15."""

_SINE_END = 13
"""For θ up to π/2 the first term left out is below 1e-21."""

_SNAP = 64.0 * EPSILON
"""Cosines this near ±1 are taken for ±1: duplicates, whose computed cosine rounding leaves just inside."""


class _ArcCosine:
    """The dual of the normalised ReLU."""

    def value(self, r: Array) -> Array:
        value = np.sqrt((1.0 - r) * (1.0 + r)) + r * (math.pi - np.arccos(r)) - 1.0
        return np.asarray(value / (math.pi - 1.0))

    def slope(self, r: Array) -> Array:
        return np.asarray((math.pi - np.arccos(r)) / (math.pi - 1.0))

    def gap(self, delta: float) -> float:
        """[πδ − (sin θ − θ cos θ)]/(π−1) with cos θ = 1 − δ."""
        theta = 2.0 * math.asin(math.sqrt(delta / 2.0))
        return (math.pi * delta - _sine_defect(theta)) / (math.pi - 1.0)


class _HermiteSeries:
    """The dual of a smooth activation, Σ a_k²ρ^k."""

    def __init__(self, name: str) -> None:
        self._powers, self._squares = hermite_squares(name)
        self._odd = ACTIVATIONS[name].odd

    def value(self, r: Array) -> Array:
        value = r * self._series(self._squares, r)
        # The coefficients add up to 1, their rounded sum only nearly: fixed points stay so, duplicated examples and
        # the diagonal with them.
        within = (np.abs(r) if self._odd else r) < 1.0
        return np.where(within, value, r)

    def slope(self, r: Array) -> Array:
        return self._series(self._squares * self._powers, r)

    def gap(self, delta: float) -> float:
        """Σ a_k²(1 − (1−δ)^k)."""
        if delta >= 1.0:
            return 1.0
        return float(np.sum(self._squares * -np.expm1(self._powers * math.log1p(-delta))))

    def _series(self, coefficients: Array, r: Array) -> Array:
        """Σ c_k r^{k−1} by Horner's rule."""
        x = r * r if self._odd else r
        value = np.full_like(x, coefficients[-1])
        for coefficient in coefficients[-2::-1]:
            value *= x
            value += coefficient
        return value


_CLOSED_FORMS = {RELU.name: _ArcCosine()}


@cache
def _dual_of(activation: str) -> _ArcCosine | _HermiteSeries:
    return _CLOSED_FORMS.get(activation) or _HermiteSeries(activation)


def dual(activation: str, rho: ArrayLike) -> Array:
    """σ̂(ρ) entrywise (Definition 5), of correlations clipped to [−1, 1]."""
    return _dual_of(activation).value(np.clip(np.asarray(rho, dtype=np.float64), -1.0, 1.0))


def dual_derivative(activation: str, rho: ArrayLike) -> Array:
    """σ̂'(ρ) = E[φ̄'(X)φ̄'(Y)] entrywise, of correlations clipped to [−1, 1]. Cost as :func:`dual`."""
    return _dual_of(activation).slope(np.clip(np.asarray(rho, dtype=np.float64), -1.0, 1.0))


def dual_gap(activation: str, delta: float) -> float:
    """1 − σ̂(1 − δ) for δ in [0, 1], Lemma 12's step, without cancellation: relative error below 1e-12."""
    return _dual_of(activation).gap(delta)


def maximal_distortion(activation: str, delta: float) -> float:
    """M_δ = sup{σ̂(ρ): |ρ| ≤ 1 − δ} = σ̂(1 − δ) for δ in [0, 1] (Definition 6, Eq. 44)."""
    # The power series of the duals have no negative coefficient, so |σ̂(ρ)| ≤ σ̂(|ρ|), and M_δ bounds |σ̂| as well,
    # which is what Gershgorin needs.
    return float(dual(activation, 1.0 - delta))


def cosines_of(rows: ArrayLike) -> Array:
    """Cosines of the angles between rows, Σ⁰: symmetric, within [−1, 1], 1 on the diagonal; NaN for a row of zeros."""
    x = np.asarray(rows, dtype=np.float64)
    with np.errstate(all="ignore"):
        unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    sigma = unit @ unit.T
    sigma = (sigma + sigma.T) / 2.0
    # What rounding left beyond ±1 is snapped as well.
    sigma = np.where(1.0 - np.abs(sigma) <= _SNAP, np.sign(sigma), sigma)
    # Only where there is an angle: a row of zeros keeps its NaN.
    np.fill_diagonal(sigma, np.where(np.isnan(sigma.diagonal()), np.nan, 1.0))
    return np.asarray(sigma)


def nngp(sigma0: Array, activation: str, depth: int) -> Iterator[Array]:
    """Σ⁰, Σ¹ = σ̂(Σ⁰), … Σ^{L−1}: the Gram matrices G^m of an infinitely wide network (Eq. 12, Lemma 11)."""
    sigma = np.asarray(sigma0, dtype=np.float64)
    for m in range(depth):
        if m:
            sigma = dual(activation, sigma)
        yield sigma


def ntk(sigma0: Array, activation: str, widths: Sequence[float], *, bias: bool = False) -> Iterator[Array]:
    """Θ⁰ = width_0 Σ⁰, Θ^{m+1} = width_{m+1} σ̂(Σ^m) + Θ^m ⊙ σ̂'(Σ^m).

    With widths (d, w_1, …, w_{L−1}) the empirical NTK of L layers and k outputs is near Θ^{L−1} ⊗ I_k;
    with all widths 1 this is the usual normalised kernel.

    A layer's biases see a feature that is constantly 1, beside the width_m features of its weights: each layer
    adds 1 to width_m Σ^m. They start at 0, so Σ is the same. Renormalisation changes neither: in the limit rows
    have norm √width anyway, and what its derivative takes away is of relative order 1/√width.

    Yields:
        Θ^m for every width, (n, n). Cost: n² evaluations of σ̂ and σ̂' each.
    """
    sigma = np.asarray(sigma0, dtype=np.float64)
    shift = 1.0 if bias else 0.0
    theta = widths[0] * sigma + shift
    yield theta
    for width in widths[1:]:
        slope = dual_derivative(activation, sigma)
        sigma = dual(activation, sigma)
        theta = width * sigma + shift + theta * slope
        yield theta


def hermite_squares(activation: str) -> tuple[Array, Array]:
    """Powers k ≥ 1, only odd ones for an odd function, and a_k², which add up to 1 but for rounding."""
    phi = ACTIVATIONS[activation]
    z = np.arange(-_HERMITE_REACH, _HERMITE_REACH, _HERMITE_STEP)
    root_density = np.exp(-z * z / 4.0) / (2.0 * math.pi) ** 0.25
    functions = [root_density, z * root_density]
    while len(functions) < _HERMITE_FUNCTIONS:
        k = len(functions) - 1
        functions.append((z * functions[-1] - math.sqrt(k) * functions[-2]) / math.sqrt(k + 1))
    squares = np.square(np.array(functions) @ (phi(z) * root_density * _HERMITE_STEP))
    last = int(np.flatnonzero(squares > _NEGLIGIBLE)[-1])
    powers = np.arange(1, last + 1, 2 if phi.odd else 1)
    return powers.astype(np.float64), squares[powers]


def _sine_defect(theta: float) -> float:
    # sin θ − θ cos θ = −Σ_{j≥1} 2j θ(−θ²)^j/(2j+1)! = θ³/3 − θ⁵/30 + …: its two terms would cancel.
    square = -theta * theta
    return -theta * math.fsum(2 * j * square**j / math.factorial(2 * j + 1) for j in range(1, _SINE_END))
