"""Extremes of the tangent kernel along a run, the pNTK, and the Gauss–Newton matrix, warm-started from row to row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.losses import LossRows
from engine.measure.kernel import TangentKernel
from engine.measure.lanczos import Operator, RitzPair, extreme_eigenpair
from engine.theory.conditioning import log10_condition


class KernelSpectrum:
    """Measures K, its compression and JᵀH_ℓJ/n, and keeps the eigenvectors as the next row's starts.

    A value's own error is of the order of its residual squared over the spectral gap: for λ_max well below a percent at
    the default. The bottom of K's spectrum is dense, and a tighter residual there costs many products; so λ_min is
    found once and then followed from row to row, some products each. The residual, stored with it, says how closely.

    Args:
        largest_tolerance: Residual at which λ_max counts as found, relative to it; also of Gauss–Newton.
        smallest_tolerance: The same for λ_min.
        products: Most products for an eigenvalue.
        warm_products: Most products for λ_min once it is being followed.
    """

    def __init__(
        self,
        *,
        largest_tolerance: float = 2e-2,
        smallest_tolerance: float = 5e-2,
        products: int = 60,
        warm_products: int = 20,
    ) -> None:
        self._tolerances = {"largest": largest_tolerance, "smallest": smallest_tolerance}
        self._products = products
        self._warm_products = warm_products
        self._starts: dict[str, Tensor] = {}

    def state(self) -> dict[str, Tensor]:
        """Return the warm starts by name."""
        return dict(self._starts)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on as after the row of a state.

        Args:
            state: What :meth:`state` gave after that row.
        """
        self._starts = dict(state)

    def measure(
        self, kernel: TangentKernel, rows: LossRows, loss: str, grad_norm: float | None = None
    ) -> dict[str, float]:
        """Measure a row.

        Both ends by Lanczos. (Davidson's method with the inverse of pNTK ⊗ I_k as preconditioner was tried and took as
        many products: at these widths K's small eigenvectors are where finite width differs from Θ ⊗ I_k.)

        A Ritz value can have converged to the wrong eigenvalue. Two kinds of witnesses are known anyway: the logit
        gradient, with the quotient n²‖∇f‖²/‖∂ℓ/∂o‖², and the extreme modes of the pNTK. Where one lies outside the
        values found, the search starts again from it; so the values always enclose μ's chain and the pNTK.

        Args:
            kernel: K at the row's parameters.
            rows: The loss at the row's logits.
            loss: Its name.
            grad_norm: ‖∇f‖ if it is known, which saves a product.

        Returns:
            ``ntk_*``, ``pntk_*`` and ``smoothness_ggn``. Cost: one symmetric eigenproblem of order n, and products
            with K: at most 60 an end, 20 for λ_min once it is warm, unless a witness objects.
        """
        n, k = kernel.shape

        def product(flat: Tensor) -> Tensor:
            return kernel(flat.view(n, k)).reshape(-1)

        compressed = kernel.compressed()
        if not bool(torch.isfinite(compressed).all()):
            return {}
        modes = torch.linalg.eigh(compressed)
        witnesses = [_gradient_witness(product, rows, grad_norm)]
        for index in (0, -1):
            mode = modes.eigenvectors[:, index, None].expand(n, k).reshape(-1) / math.sqrt(k)
            witnesses.append((float(modes.eigenvalues[index]), mode))
        largest = self._enclosing("largest", product, witnesses)
        smallest = self._enclosing("smallest", product, witnesses)
        return {
            "ntk_lambda_min": smallest.value,
            "ntk_lambda_max": largest.value,
            "ntk_log10_cond": log10_condition(smallest.value, largest.value, n * k),
            "ntk_residual": smallest.residual,
            "ntk_lambda_max_residual": largest.residual,
            "pntk_lambda_min": float(modes.eigenvalues[0]),
            "pntk_lambda_max": float(modes.eigenvalues[-1]),
            "smoothness_ggn": self._gauss_newton(kernel, rows, loss, largest.value, compressed),
        }

    def _enclosing(
        self, which: Literal["largest", "smallest"], product: Operator, witnesses: list[tuple[float, Tensor]]
    ) -> RitzPair:
        """The extreme eigenvalue, searched again from any witness that lies beyond it."""
        sign = 1.0 if which == "largest" else -1.0
        pair = self._extreme(which, product, witnesses[0][1].numel(), witnesses[0][1])
        for quotient, vector in sorted(witnesses, key=lambda witness: -sign * witness[0]):
            if sign * (quotient - pair.value) > 1e-12 * abs(quotient):
                self._starts[which] = vector
                pair = self._extreme(which, product, vector.numel(), vector)
        return pair

    def _gauss_newton(self, kernel: TangentKernel, rows: LossRows, loss: str, largest: float, like: Tensor) -> float:
        """λ_max(BᵀKB)/n, which is that of JᵀBBᵀJ/n; for mse_logits B is the identity."""
        n, k = kernel.shape
        if loss == "mse_logits":
            return largest / n

        def product(flat: Tensor) -> Tensor:
            return rows.gauss_newton_factor_transpose(kernel(rows.gauss_newton_factor(flat.view(n, k)))).reshape(-1)

        return self._extreme("gauss_newton", product, n * k, like).value / n

    def _extreme(self, name: str, product: Operator, dimension: int, like: Tensor) -> RitzPair:
        start = self._starts.get(name)
        which: Literal["largest", "smallest"] = "smallest" if name == "smallest" else "largest"
        followed = start is not None and which == "smallest"
        pair = extreme_eigenpair(
            product,
            _noise(dimension, like) if start is None else start,
            which,
            tolerance=self._tolerances[which],
            max_products=self._warm_products if followed else self._products,
        )
        self._starts[name] = pair.vector
        return pair


def trace_shares(kernel: TangentKernel) -> NDArray[np.float64]:
    """Each layer's share of tr K.

    Args:
        kernel: K at a row's parameters.

    Returns:
        Shape (L + 1,): NaN at 0, then the shares of W_1 … W_L, which add up to 1; NaN where K is 0.
    """
    traces = kernel.layer_traces().cpu().numpy()
    total = traces.sum()
    shares = traces / total if 0.0 < total < math.inf else np.full_like(traces, np.nan)
    return np.concatenate([[np.nan], shares])


def _gradient_witness(product: Operator, rows: LossRows, grad_norm: float | None) -> tuple[float, Tensor]:
    """The logit gradient g as a vector with its Rayleigh quotient in K: gᵀKg = ‖Jᵀg‖² = n²‖∇f‖²."""
    g = rows.gradient.reshape(-1)
    square = float(g.square().sum())
    if not square > 0.0:  # nothing is left to learn: any vector will do
        g = torch.ones_like(g)
        return float(torch.dot(g, product(g)) / g.numel()), g
    if grad_norm is None:
        return float(torch.dot(g, product(g))) / square, g
    return (rows.gradient.shape[0] * grad_norm) ** 2 / square, g


def _noise(dimension: int, like: Tensor) -> Tensor:
    generator = torch.Generator(device="cpu").manual_seed(0)
    noise: Tensor = torch.randn(dimension, generator=generator, dtype=torch.float64).to(like.device)
    unit: Tensor = noise / torch.linalg.vector_norm(noise)
    return unit
