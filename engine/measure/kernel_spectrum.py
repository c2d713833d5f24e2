"""Extremes of the tangent kernel along a run, the pNTK, and the Gauss–Newton matrix, warm-started from row to row."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.device import transfer
from engine.device.transfer import Arrival, Transfer
from engine.measure.base import Findings, Measurement, RowContext, State, part
from engine.measure.extremes import GramExtremes
from engine.measure.kernel import TangentKernel
from engine.measure.krylov import Sweep, launch
from engine.measure.lanczos import Operator, RitzPair, extreme_eigenpair
from engine.measure.layer_threads import LayerThreads
from engine.measure.warm_start import WarmStart
from engine.model.loss import LossRows
from engine.theory.conditioning import at_least_zero, log10_condition
from engine.theory.loss_constants import LOSSES

End = Literal["largest", "smallest"]

_Quotient = tuple[float, Callable[[], Tensor]]
"""A Rayleigh quotient and how to get the vector that has it."""

# A known quotient lies outside from this share of it on.
_BEYOND = 1e-12
# Products for λ_min are made in the training precision if their rounding is at most this share of the residual that is
# asked for at λ_min(pNTK): λ_min(K) is below that, seldom by more than a factor of 10.
_CLEAR = 0.05
# What a float32 product with K is off by, in units of eps·‖K‖; measured: 4.
_ROUNDING = 8.0
_COLD_TOLERANCE = {"largest": 5e-3, "smallest": 5e-2}
# From so many examples on, traces are estimated from one cotangent of random signs, the same at every row: their error
# falls with √n. Exactly they take k backward passes.
_TRACES_ESTIMATED_FROM = 64


class KernelSpectrum(Measurement):
    """Measures K, its compression and JᵀH_ℓJ/n, and keeps the eigenvectors as the next row's starts.

    A value's own error is of the order of its residual squared over the spectral gap. Eigenvalues
    are found once and then followed from row to row by a few products each, so that they converge along the run where
    it moves slowly and lag where it moves fast. The residual, stored with each, says how closely; at the bottom of K's
    spectrum, which is dense, least.

    Products are made in the training precision where its rounding is small beside the residual that is asked for, else
    in float64.

    Args:
        largest_tolerance: Residual at which λ_max counts as found, relative to it; also of Gauss–Newton.
        smallest_tolerance: The same for λ_min.
        products: Most products for an eigenvalue.
        warm_products: Most products for λ_max (and Gauss–Newton) and for λ_min once they are being followed.
    """

    name = "kernel"
    provides = (
        "ntk_lambda_min", "ntk_lambda_max", "ntk_log10_cond", "ntk_residual", "ntk_lambda_max_residual",
        "pntk_lambda_min", "pntk_lambda_max", "smoothness_ggn", "ntk_trace_share",
    )  # fmt: skip
    needs = ("layers",)
    measured_in = "all"
    costly = True

    def __init__(
        self,
        *,
        largest_tolerance: float = 5e-2,
        smallest_tolerance: float = 5e-2,
        products: int = 60,
        warm_products: tuple[int, int] = (6, 12),
    ) -> None:
        self._tolerances = {"largest": largest_tolerance, "smallest": smallest_tolerance}
        self._products = products
        self._warm_products = dict(zip(("largest", "smallest"), warm_products, strict=True))
        self._starts = {name: WarmStart() for name in ("largest", "smallest", "gauss_newton")}
        self._compressed = GramExtremes()
        self._threads = LayerThreads()
        self._exact = True  # whether products for λ_min were to be made in float64 at the row before
        self._queued: _Queued | None = None
        self._traces: Arrival | None = None

    def launch(self, row: RowContext) -> None:
        """Queue the products of the row, and the layers' traces."""
        if not transfer.runs_ahead(row.current.run.logits.device):
            return
        kernel = TangentKernel(row.current.run, row.grams)
        self.queue(kernel, row.current.rows, self.config.loss, row.transfer)
        self._traces = row.transfer.add(layer_traces(kernel))

    def collect(self, row: RowContext) -> Findings:
        """Measure K. Cost: see :meth:`measure`, and one backward pass for the traces (k of them below 64 examples)."""
        kernel = TangentKernel(row.current.run, row.grams)
        values = self.measure(kernel, row.current.rows, self.config.loss, row.current.grad_norm)
        traces, self._traces = self._traces, None
        return Findings(values, {"ntk_trace_share": trace_shares(kernel, traces)})

    def measure(self, kernel: TangentKernel, rows: LossRows, loss: str, grad_norm: float) -> dict[str, float]:
        """The extremes at a row.

        Both ends by Lanczos. (Davidson's method with the inverse of pNTK ⊗ I_k as preconditioner was tried and took
        as many products: at these widths K's small eigenvectors are where finite width differs from Θ ⊗ I_k.)

        A Ritz value can have converged to the wrong eigenvalue. Some Rayleigh quotients are known anyway: that of
        the logit gradient, n²‖∇f‖²/‖∂ℓ/∂o‖², and those of the pNTK's extreme modes. Where one lies outside the
        values found, the search restarts from its vector; so the values always enclose μ's chain and the pNTK.

        Returns:
            ``ntk_*``, ``pntk_*`` and ``smoothness_ggn``. Cost: the pNTK and its extremes, and products with K:
            at most 60 an end, and once they are warm 6 for λ_max and Gauss–Newton and 12 for λ_min, unless it
            restarts.
        """
        queued = self._queued or self._prepare(kernel, rows, Transfer())
        self._queued = None
        host = queued.arriving.array()
        if not math.isfinite(float(host.trace())):
            return {}
        pntk = self._compressed.measure(host.astype(np.float64, copy=False))
        known = _gradient_quotient(rows, grad_norm, queued.gradient_square.number())

        def mode(index: int) -> Tensor:
            n, k = kernel.shape
            column: Tensor = torch.linalg.eigh(queued.compressed).eigenvectors[:, index, None]
            return column.expand(n, k).reshape(-1)

        # Rounding of products and quotients; in float64 too small to be seen.
        single = kernel.precision != torch.float64
        rounding = _ROUNDING * torch.finfo(kernel.precision).eps * pntk.largest if single else 0.0
        known = [*known, (pntk.largest, lambda: mode(-1))]
        largest = self._enclosing("largest", kernel, kernel.precision, queued, rounding, known)
        known[-1] = pntk.smallest, lambda: mode(0)
        coarse = rounding <= _CLEAR * self._tolerances["smallest"] * pntk.smallest
        if "smallest" not in queued.sweeps:
            queued.smallest_in = kernel.precision if coarse else torch.float64
        if kernel.is_singular:
            smallest, rest = 0.0, 0.0
        else:
            pair = self._enclosing("smallest", kernel, queued.smallest_in, queued, rounding, known)
            smallest, rest = pair.value, pair.residual + (rounding if queued.smallest_in == kernel.precision else 0.0)
        self._exact = not coarse
        order = kernel.shape[0] * kernel.shape[1]
        return {
            "ntk_lambda_min": at_least_zero(smallest),
            "ntk_lambda_max": largest.value,
            "ntk_log10_cond": log10_condition(smallest, largest.value, order, rest),
            "ntk_residual": rest,
            "ntk_lambda_max_residual": largest.residual,
            "pntk_lambda_min": at_least_zero(pntk.smallest),
            "pntk_lambda_max": pntk.largest,
            "smoothness_ggn": self._gauss_newton(kernel, rows, loss, largest.value, queued),
        }

    def queue(self, kernel: TangentKernel, rows: LossRows, loss: str, transfer: Transfer) -> None:
        """Queue the products of a row on the device, to be read by :meth:`measure`."""
        self._queued = queued = self._prepare(kernel, rows, transfer)
        operators = {
            "largest": _product(kernel, kernel.precision),
            "smallest": _product(kernel, queued.smallest_in),
            "gauss_newton": _gauss_newton_product(kernel, rows),
        }
        if LOSSES[loss].quadratic:
            del operators["gauss_newton"]
        for name, product in operators.items():
            start = self._starts[name].guess()
            if start is not None:  # how many products a cold start takes cannot be foreseen
                products = min(self._warm_products["smallest" if name == "smallest" else "largest"], start.numel())
                queued.sweeps[name] = launch(_one_by_one(product), start[None], products, transfer)

    def _prepare(self, kernel: TangentKernel, rows: LossRows, transfer: Transfer) -> _Queued:
        compressed = kernel.compressed(self._threads)
        return _Queued(
            rows.gradient,
            compressed,
            transfer.add(compressed),
            transfer.add(rows.gradient.square().sum()),
            smallest_in=torch.float64 if self._exact else kernel.precision,
        )

    @property
    def eigenvectors(self) -> dict[str, Tensor]:
        """Unit vectors of K's ``largest`` and ``smallest`` and of ``gauss_newton``, (nk,), as far as there are any."""
        return {name: start.last for name, start in self._starts.items() if start.last is not None}

    def state(self) -> State:
        """Warm starts, and the precision of products for λ_min."""
        starts = {name: start.state() for name, start in self._starts.items()}
        return {"pntk": self._compressed.state(), "exact": self._exact, **starts}

    def restore(self, state: State, row: RowContext) -> None:
        """Take up warm starts."""
        n, k = row.current.run.logits.shape
        self._compressed.restore(part(state, "pntk"), n)
        self._exact = bool(state.get("exact", True))
        self._queued = self._traces = None
        for name, start in self._starts.items():
            start.restore(part(state, name), n * k)

    def _enclosing(
        self,
        which: End,
        kernel: TangentKernel,
        precision: torch.dtype,
        queued: _Queued,
        rounding: float,
        known: list[_Quotient],
    ) -> RitzPair:
        """The extreme eigenvalue, searched again from the furthest known quotient if that lies beyond it."""
        product = _product(kernel, precision)
        pair = self._extreme(which, product, queued)
        quotient, vector = (max if which == "largest" else min)(known, key=operator.itemgetter(0))
        beyond = quotient - pair.value if which == "largest" else pair.value - quotient
        if beyond > rounding + _BEYOND * abs(quotient):
            self._starts[which].restart_from(vector())
            pair = self._extreme(which, product, queued)
        return pair

    def _gauss_newton(self, kernel: TangentKernel, rows: LossRows, loss: str, largest: float, queued: _Queued) -> float:
        """λ_max(BᵀKB)/n, which is that of JᵀBBᵀJ/n; for mse_logits B is the identity."""
        n = kernel.shape[0]
        if LOSSES[loss].quadratic:
            return largest / n
        return self._extreme("gauss_newton", _gauss_newton_product(kernel, rows), queued).value / n

    def _extreme(self, name: str, product: Operator, queued: _Queued) -> RitzPair:
        which: End = "smallest" if name == "smallest" else "largest"
        sweep = queued.sweeps.pop(name, None)
        found = sweep.ritz(which)[0] if sweep is not None else None
        if sweep is not None and found is not None:
            vector = sweep.vectors([found])[0]
            pair = RitzPair(found.value, vector, found.residual, len(found.weights))
        else:
            start = self._starts[name].guess()
            most, tolerance = self._warm_products[which], self._tolerances[which]
            if start is None:
                # A cold start may settle on an eigenvalue that is not the extreme one: it is found more closely.
                most, tolerance = self._products, min(tolerance, _COLD_TOLERANCE[which])
                start = _noise(queued.gradient)
            pair = extreme_eigenpair(product, start, which, tolerance=tolerance, max_products=most)
        self._starts[name].add(pair.vector)
        return pair


@dataclass(slots=True)
class _Queued:
    """The products of a row, queued or made at once.

    Attributes:
        gradient: g, the loss's gradient in the logits.
        compressed: The pNTK, where the network lives.
        arriving: The same, on its way to the host.
        gradient_square: ‖g‖².
        smallest_in: The precision of products for λ_min.
        sweeps: Products that were queued, by what they are for.
    """

    gradient: Tensor
    compressed: Tensor
    arriving: Arrival
    gradient_square: Arrival
    smallest_in: torch.dtype
    sweeps: dict[str, Sweep] = field(default_factory=dict)


def layer_traces(kernel: TangentKernel) -> Tensor:
    """Traces of each layer's part of K, (L,), float64: exact for few examples, else with random signs."""
    n, k = kernel.shape
    signs = None
    if n >= _TRACES_ESTIMATED_FROM:
        signs = torch.randint(0, 2, (n, k), generator=torch.Generator().manual_seed(0)) * 2 - 1
    return kernel.layer_traces(signs)


def trace_shares(kernel: TangentKernel, arriving: Arrival | None = None) -> NDArray[np.float64]:
    """Each layer's share of tr K, (L + 1,): NaN at 0, then those of W_1 … W_L, which add up to 1; NaN where K is 0."""
    traces = (arriving or Transfer().add(layer_traces(kernel))).array()
    total = traces.sum()
    shares = traces / total if 0.0 < total < math.inf else np.full_like(traces, np.nan)
    return np.concatenate([[np.nan], shares])


def _product(kernel: TangentKernel, dtype: torch.dtype) -> Operator:
    """V ↦ Kv on float64 vectors of shape (nk,), the product itself in a given precision."""
    n, k = kernel.shape

    def product(flat: Tensor) -> Tensor:
        return kernel(flat.view(n, k).to(dtype)).reshape(-1).to(flat.dtype)

    return product


def _gauss_newton_product(kernel: TangentKernel, rows: LossRows) -> Operator:
    """BᵀKB on float64 vectors of shape (nk,)."""
    n, k = kernel.shape

    def product(flat: Tensor) -> Tensor:
        v = rows.gauss_newton_factor(flat.view(n, k).to(kernel.precision))
        return rows.gauss_newton_factor_transpose(kernel(v)).reshape(-1).to(flat.dtype)

    return product


def _one_by_one(product: Operator) -> Operator:
    """An operator on one vector as one on a batch of one."""
    return lambda batch: product(batch[0])[None]


def _gradient_quotient(rows: LossRows, grad_norm: float, square: float) -> list[_Quotient]:
    """The logit gradient g as a vector with its Rayleigh quotient in K: gᵀKg = ‖Jᵀg‖² = n²‖∇f‖²."""
    if not square > 0.0:
        return []  # nothing is left to learn
    return [((len(rows.gradient) * grad_norm) ** 2 / square, lambda: rows.gradient.reshape(-1))]


def _noise(like: Tensor) -> Tensor:
    generator = torch.Generator(device="cpu").manual_seed(0)
    noise: Tensor = torch.randn(like.numel(), generator=generator, dtype=torch.float64).to(like.device)
    return noise
