"""Extremes of the tangent kernel along a run, the pNTK, and the Gauss–Newton matrix, warm-started from row to row."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.losses import LossRows
from engine.measure.davidson import smallest_eigenpair
from engine.measure.kernel import TangentKernel
from engine.measure.lanczos import Operator, RitzPair, extreme_eigenpair
from engine.theory.conditioning import log10_condition, resolution

# Residuals relative to the eigenvalue. The value's own error is of the order of their square over the gap; the bottom
# of K's spectrum is dense, and a tighter residual there costs many products and moves the value by a percent or two.
_LARGEST_TOLERANCE = 5e-3
_SMALLEST_TOLERANCE = 5e-2

# A cold start may take its time. From then on the bottom of the spectrum is followed from row to row, a few products
# each: the residual, stored with the value, says how closely.
_COLD_PRODUCTS = 60
_WARM_PRODUCTS = 12


class KernelSpectrum:
    """Measures K, its compression and JᵀH_ℓJ/n, and keeps the eigenvectors as the next row's starts."""

    def __init__(self) -> None:
        self._starts: dict[str, Tensor] = {}

    def measure(self, kernel: TangentKernel, rows: LossRows, loss: str) -> dict[str, float]:
        """Measure a row.

        λ_max by Lanczos; λ_min by Davidson's method with the inverse of pNTK ⊗ I_k as preconditioner: wide
        networks have K ≈ Θ ⊗ I_k, so that few products suffice.

        Args:
            kernel: K at the row's parameters.
            rows: The loss at the row's logits.
            loss: Its name.

        Returns:
            ``ntk_*``, ``pntk_*`` and ``smoothness_ggn``. Cost: one symmetric eigenproblem of order n, and products
            with K: at most 60 an end, 12 for λ_min once it is warm.
        """
        n, k = kernel.shape

        def product(flat: Tensor) -> Tensor:
            return kernel(flat.view(n, k)).reshape(-1)

        compressed = kernel.compressed()
        if not bool(torch.isfinite(compressed).all()):
            return {}
        low, modes = torch.linalg.eigh(compressed)
        largest = self._largest("kernel", product, n * k, compressed)
        rho = resolution(largest.value, n * k)
        inverse = 1.0 / low.clamp(min=max(rho, 1e-300))

        def precondition(flat: Tensor) -> Tensor:
            solved: Tensor = modes @ (inverse[:, None] * (modes.T @ flat.view(n, k)))
            return solved.reshape(-1)

        start = self._starts.get("smallest")
        if start is None:
            # The compressed kernel's lowest mode, in every class alike, and noise so that no direction is missing.
            start = _noise(n * k, compressed) * 0.1 + modes[:, :1].expand(n, k).reshape(-1) / math.sqrt(k)
        smallest = smallest_eigenpair(
            product,
            start,
            precondition,
            tolerance=_SMALLEST_TOLERANCE,
            floor=rho,
            max_products=_WARM_PRODUCTS if "smallest" in self._starts else _COLD_PRODUCTS,
        )
        self._starts["smallest"] = smallest.vector
        return {
            "ntk_lambda_min": smallest.value,
            "ntk_lambda_max": largest.value,
            "ntk_log10_cond": log10_condition(smallest.value, largest.value, n * k),
            "ntk_residual": smallest.residual,
            "ntk_lambda_max_residual": largest.residual,
            "pntk_lambda_min": float(low[0]),
            "pntk_lambda_max": float(low[-1]),
            "smoothness_ggn": self._gauss_newton(kernel, rows, loss, largest.value, compressed),
        }

    def _gauss_newton(self, kernel: TangentKernel, rows: LossRows, loss: str, largest: float, like: Tensor) -> float:
        """λ_max(BᵀKB)/n, which is that of JᵀBBᵀJ/n; for mse_logits B is the identity."""
        n, k = kernel.shape
        if loss == "mse_logits":
            return largest / n

        def product(flat: Tensor) -> Tensor:
            return rows.gauss_newton_factor_transpose(kernel(rows.gauss_newton_factor(flat.view(n, k)))).reshape(-1)

        return self._largest("gauss_newton", product, n * k, like).value / n

    def _largest(self, name: str, product: Operator, dimension: int, like: Tensor) -> RitzPair:
        start = self._starts.get(name)
        pair = extreme_eigenpair(
            product,
            _noise(dimension, like) if start is None else start,
            "largest",
            tolerance=_LARGEST_TOLERANCE,
            max_products=_COLD_PRODUCTS,
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


def _noise(dimension: int, like: Tensor) -> Tensor:
    generator = torch.Generator(device="cpu").manual_seed(0)
    noise: Tensor = torch.randn(dimension, generator=generator, dtype=torch.float64).to(like.device)
    unit: Tensor = noise / torch.linalg.vector_norm(noise)
    return unit
