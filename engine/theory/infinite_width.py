"""Eigenvalues by layer of an infinitely wide network on the same data (Fig. 1c, 1d).

The paper draws Lemma 12's lower line as its "infinite width network line". The eigenvalues of Σ^m
themselves are no harder to have, so both are given. ``rows`` are the prepared inputs, (n, d).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from engine.theory.conditioning import resolution
from engine.theory.dual import cosines_of, dual_gap, maximal_distortion, nngp, ntk
from engine.theory.number import Array


def lemma12_line(smallest: float, activation: str, depth: int) -> Array:
    """Lemma 12: Σ^m ⪰ δ_m I with δ_{m+1} = 1 − σ̂(1 − δ_m), δ_0 = λ_min(Σ⁰).

    Returns:
        δ_0 … δ_{depth−1} from δ_0, ``smallest``. The lemma asks for a unit diagonal and a σ̂ without negative Taylor
        coefficients; both hold.
    """
    line = np.empty(depth)
    delta = min(max(smallest, 0.0), 1.0)
    for m in range(depth):
        line[m] = delta
        delta = dual_gap(activation, delta)
    return line


def definition6_line(largest_cosine: float, n: int, activation: str, depth: int) -> Array:
    """Gershgorin with the maximal distortion: λ_max(Σ^m) ≤ 1 + (n−1)ρ_m, ρ_{m+1} = M_{1−ρ_m} (Definition 6).

    As in A.3, δ is the separation of the inputs: |x_i·x_j| ≤ 1 − δ = ρ_0 for unit inputs. λ_min(Σ⁰) would
    be a valid δ too (every 2×2 minor is at least that definite) but a looser one.

    Returns:
        One upper bound a layer, (depth,), from ρ_0 = max_{i≠j}|cos(x_i, x_j)| of n examples.
    """
    line = np.empty(depth)
    rho = largest_cosine
    for m in range(depth):
        line[m] = 1.0 + (n - 1) * rho
        rho = maximal_distortion(activation, 1.0 - rho)
    return line


def infinite_width_lines(rows: ArrayLike, activation: str, depth: int) -> dict[str, Array]:
    """The four lines for a run's own data, by their names in the catalogue.

    Eigenvalues at or below the resolution of float64 are 0: duplicated examples give exactly 0 at every
    layer, where the recursion would otherwise make something of the rounding.

    Returns:
        Each of shape (L + 1,), L = ``depth``: layers 0 … L−1, NaN at L; all NaN where a row of zeros has no direction.
        Cost: L symmetric eigenproblems of order n.
    """
    names = ("infinite_lambda_min", "infinite_lambda_max", "lemma12_lambda_min", "definition6_lambda_max")
    lines = {name: np.full(depth + 1, np.nan) for name in names}
    sigma0 = cosines_of(rows)
    n = len(sigma0)
    if np.all(np.isfinite(sigma0)):
        low, high, lemma12, definition6 = (lines[name][:depth] for name in names)
        for m, sigma in enumerate(nngp(sigma0, activation, depth)):
            low[m], high[m] = _extremes(sigma)
        lemma12[:] = lemma12_line(float(low[0]), activation, depth)
        definition6[:] = definition6_line(float(np.max(np.abs(sigma0 - np.eye(n)))), n, activation, depth)
    return lines


def infinite_kernel_lines(
    rows: ArrayLike, activation: str, depth: int, width: int, *, bias: bool = False
) -> dict[str, Array]:
    """Extremes of Θ^m, the NTK's limit in the run's own widths, by their names in the catalogue.

    Θ^m ⊗ I is the tangent kernel of the pre-activations h_{m+1} with respect to all weights up to W_{m+1}; row L−1
    is the outputs' and compares with K.

    Returns:
        As :func:`infinite_width_lines`.
    """
    lines = {name: np.full(depth + 1, np.nan) for name in ("infinite_ntk_lambda_min", "infinite_ntk_lambda_max")}
    sigma0 = cosines_of(rows)
    if np.all(np.isfinite(sigma0)):
        widths = [float(np.shape(rows)[1]), *[float(width)] * (depth - 1)]
        for m, theta in enumerate(ntk(sigma0, activation, widths, bias=bias)):
            lines["infinite_ntk_lambda_min"][m], lines["infinite_ntk_lambda_max"][m] = _extremes(theta)
    return lines


def _extremes(kernel: Array) -> tuple[float, float]:
    """The smallest and the largest eigenvalue; the smallest is 0 at or below the resolution of float64."""
    eigenvalues = np.linalg.eigvalsh(kernel)
    low, high = float(eigenvalues[0]), float(eigenvalues[-1])
    return (low if low > resolution(high, len(kernel)) else 0.0), high
