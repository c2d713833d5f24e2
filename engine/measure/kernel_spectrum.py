"""Extremes of the tangent kernel along a run, the pNTK, and the Gauss–Newton matrix, warm-started from row to row."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.device.transfer import Arrival, Transfer
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

_Witness = tuple[float, Callable[[], Tensor]]
"""A Rayleigh quotient and how to get the vector that has it."""

# A witness objects from this share of its quotient on.
_BEYOND = 1e-12
# Products for λ_min are made in the training precision if their rounding is at most this share of the residual that is
# asked for at λ_min(pNTK): λ_min(K) is below that, seldom by more than a factor of 10.
_CLEAR = 0.05
# What a float32 product with K is off by, in units of eps·‖K‖; measured: 4.
_ROUNDING = 8.0
_COLD_TOLERANCE = {"largest": 5e-3, "smallest": 5e-2}
# From so many examples on, traces are estimated from one random cotangent: their error falls with √n.
_TRACES_ESTIMATED_FROM = 64


class KernelSpectrum:
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
        self._late: _Late | None = None

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
            ``ntk_*``, ``pntk_*`` and ``smoothness_ggn``. Cost: the pNTK and its extremes, and products with K: at most
            60 an end, and once they are warm 6 for λ_max and Gauss–Newton and 12 for λ_min, unless a witness objects.
        """
        late = self._late or self._queue(kernel, rows, loss, Transfer(), ahead=False)
        self._late = None
        host = late.arriving.array()
        if not math.isfinite(float(host.trace())):
            return {}
        pntk = self._compressed.measure(host.astype(np.float64, copy=False))
        witnesses = _gradient_witness(_product(kernel, torch.float64), rows, grad_norm, late.gradient_square.number())

        def mode(index: int) -> Tensor:
            n, k = kernel.shape
            column: Tensor = torch.linalg.eigh(late.compressed).eigenvectors[:, index, None]
            return column.expand(n, k).reshape(-1)

        # Rounding of products and witnesses; in float64 too small to be told.
        single = kernel.precision != torch.float64
        rounding = _ROUNDING * torch.finfo(kernel.precision).eps * pntk.largest if single else 0.0
        witnesses = [*witnesses, (pntk.largest, lambda: mode(-1))]
        largest = self._enclosing("largest", kernel, kernel.precision, late, rounding, witnesses)
        witnesses[-1] = pntk.smallest, lambda: mode(0)
        coarse = rounding <= _CLEAR * self._tolerances["smallest"] * pntk.smallest
        if "smallest" not in late.sweeps:
            late.smallest_in = kernel.precision if coarse else torch.float64
        if kernel.is_singular:
            smallest, rest = 0.0, 0.0
        else:
            pair = self._enclosing("smallest", kernel, late.smallest_in, late, rounding, witnesses)
            smallest, rest = pair.value, pair.residual + (rounding if late.smallest_in == kernel.precision else 0.0)
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
            "smoothness_ggn": self._gauss_newton(kernel, rows, loss, largest.value, late),
        }

    def launch(self, kernel: TangentKernel, rows: LossRows, loss: str, transfer: Transfer) -> None:
        """Queue the products of a row on the device, to be read by :meth:`measure`.

        Args:
            kernel: K at the row's parameters.
            rows: The loss at the row's logits.
            loss: Its name.
            transfer: By what the row's numbers come.
        """
        self._late = self._queue(kernel, rows, loss, transfer, ahead=True)

    def _queue(self, kernel: TangentKernel, rows: LossRows, loss: str, transfer: Transfer, *, ahead: bool) -> _Late:
        compressed = kernel.compressed(self._threads)
        late = _Late(
            rows.gradient,
            compressed,
            transfer.add(compressed),
            transfer.add(rows.gradient.square().sum()),
            smallest_in=torch.float64 if self._exact else kernel.precision,
        )
        operators = {
            "largest": _product(kernel, kernel.precision),
            "smallest": _product(kernel, late.smallest_in),
            "gauss_newton": _gauss_newton_product(kernel, rows),
        }
        if LOSSES[loss].quadratic:
            del operators["gauss_newton"]
        for name, product in operators.items() if ahead else ():
            start = self._starts[name].guess()
            if start is not None:  # how many products a cold start takes cannot be foreseen
                products = min(self._warm_products["smallest" if name == "smallest" else "largest"], start.numel())
                late.sweeps[name] = launch(_one_by_one(product), start[None], products, transfer)
        return late

    def vectors(self) -> dict[str, Tensor]:
        """The eigenvectors found last.

        Returns:
            Unit vectors of K's ``largest`` and ``smallest`` and of ``gauss_newton``, (nk,), as far as there are any.
        """
        return {name: start.state()["last"] for name, start in self._starts.items() if start.state()}

    def state(self) -> dict[str, Tensor]:
        """What is carried from row to row.

        Returns:
            Tensors by name, for :meth:`restore`.
        """
        carried = {f"pntk.{name}": torch.from_numpy(held) for name, held in self._compressed.state().items()}
        carried["exact"] = torch.tensor([float(self._exact)])
        for name, start in self._starts.items():
            carried |= {f"{name}.{part}": held for part, held in start.state().items()}
        return carried

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up what :meth:`state` gave.

        Args:
            state: Tensors by name.
        """

        def part(prefix: str) -> dict[str, Tensor]:
            return {name[len(prefix) :]: held for name, held in state.items() if name.startswith(prefix)}

        self._compressed.restore({name: held.cpu().numpy() for name, held in part("pntk.").items()})
        self._exact = "exact" not in state or bool(state["exact"])
        self._late = None
        for name, start in self._starts.items():
            start.restore(part(f"{name}."))

    def _enclosing(
        self,
        which: End,
        kernel: TangentKernel,
        precision: torch.dtype,
        late: _Late,
        rounding: float,
        witnesses: list[_Witness],
    ) -> RitzPair:
        """The extreme eigenvalue, searched again from the furthest witness if that lies beyond it."""
        product = _product(kernel, precision)
        pair = self._extreme(which, product, late)
        quotient, vector = (max if which == "largest" else min)(witnesses, key=operator.itemgetter(0))
        beyond = quotient - pair.value if which == "largest" else pair.value - quotient
        if beyond > rounding + _BEYOND * abs(quotient):
            self._starts[which].jump(vector())
            pair = self._extreme(which, product, late)
        return pair

    def _gauss_newton(self, kernel: TangentKernel, rows: LossRows, loss: str, largest: float, late: _Late) -> float:
        """λ_max(BᵀKB)/n, which is that of JᵀBBᵀJ/n; for mse_logits B is the identity."""
        n = kernel.shape[0]
        if LOSSES[loss].quadratic:
            return largest / n
        return self._extreme("gauss_newton", _gauss_newton_product(kernel, rows), late).value / n

    def _extreme(self, name: str, product: Operator, late: _Late) -> RitzPair:
        which: End = "smallest" if name == "smallest" else "largest"
        sweep = late.sweeps.pop(name, None)
        found = sweep.ritz(which)[0] if sweep is not None else None
        if sweep is not None and found is not None:
            vector = sweep.vectors([found])[0]
            pair = RitzPair(found.value, vector, found.residual, len(found.weights))
        else:
            start = self._starts[name].guess()
            most, tolerance = self._warm_products[which], self._tolerances[which]
            if start is None:
                # A cold start may settle on an eigenvalue that is not the extreme one: it is looked at more closely.
                most, tolerance = self._products, min(tolerance, _COLD_TOLERANCE[which])
                start = _noise(late.gradient)
            pair = extreme_eigenpair(product, start, which, tolerance=tolerance, max_products=most)
        self._starts[name].found(pair.vector)
        return pair


@dataclass(slots=True)
class _Late:
    """What a row needs, queued or made at once.

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
    """Traces of each layer's part of K, for :func:`trace_shares`.

    Args:
        kernel: K at a row's parameters.

    Returns:
        Shape (L,), float64, where the network lives. Below 64 examples exact, by k backward passes; else estimated from
        one with random signs, the same at every row.
    """
    n, k = kernel.shape
    signs = None
    if n >= _TRACES_ESTIMATED_FROM:
        signs = torch.randint(0, 2, (n, k), generator=torch.Generator().manual_seed(0)) * 2 - 1
    return kernel.layer_traces(signs)


def trace_shares(kernel: TangentKernel, arriving: Arrival | None = None) -> NDArray[np.float64]:
    """Each layer's share of tr K.

    Args:
        kernel: K at a row's parameters.
        arriving: Its traces, where they have been queued.

    Returns:
        Shape (L + 1,): NaN at 0, then the shares of W_1 … W_L, which add up to 1; NaN where K is 0.
    """
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


def _gradient_witness(product: Operator, rows: LossRows, grad_norm: float | None, square: float) -> list[_Witness]:
    """The logit gradient g as a vector with its Rayleigh quotient in K: gᵀKg = ‖Jᵀg‖² = n²‖∇f‖²."""
    g = rows.gradient.reshape(-1)
    if not square > 0.0:
        return []  # nothing is left to learn
    quotient = float(torch.dot(g, product(g))) if grad_norm is None else (len(rows.gradient) * grad_norm) ** 2
    return [(quotient / square, lambda: g)]


def _noise(like: Tensor) -> Tensor:
    generator = torch.Generator(device="cpu").manual_seed(0)
    noise: Tensor = torch.randn(like.numel(), generator=generator, dtype=torch.float64).to(like.device)
    return noise
