"""The ends of the tangent kernel's spectrum, of the pNTK's and of the Gauss–Newton matrix's, as intervals."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.device.free_memory import free_memory
from engine.device.transfer import Arrival
from engine.measure.base import Findings, Measurement, RowContext, State, part, vector
from engine.measure.block_krylov import deflated_upper
from engine.measure.gram import feature_gram
from engine.measure.kernel_dense import DenseKernel, Formed, KernelFound
from engine.measure.kernel_products import KernelProducts, Queued
from engine.measure.largest_eigenvalue import LargestEigenvalue, Operator, Space
from engine.measure.spectra import Interval
from engine.theory.conditioning import log10_condition
from engine.theory.loss_constants import LOSSES

# Up to this order forming K costs less than following it would, if it were followed as closely: on two cores some ten
# gradient steps at 5000, on a large card 0.1 s at 20,000.
_ORDER = {"cpu": 5_000, "cuda": 20_000}
# Tables, their factors and what forming them takes, in bytes an entry.
_BYTES = 32.0


@dataclass(frozen=True, slots=True)
class Launched:
    """A queued row.

    Attributes:
        kernel: Its K, formed or by products.
        grams: The layers' Gram matrices.
        gauss_newton: BᵀKB as an operator, and its space; None where B is the identity.
        factors: B of every example, (k, n, k): one column of each in every cotangent.
        between: tr(BᵀKB), where K is formed.
    """

    kernel: Formed | Queued
    grams: list[Tensor]
    gauss_newton: tuple[Operator, Space] | None = None
    factors: Arrival | None = None
    between: Arrival | None = None


class KernelSpectrum(Measurement):
    """Measures K, the pNTK and BᵀKB/n, whose nonzero eigenvalues are those of JᵀBBᵀJ/n.

    K is formed up to an order that the device decides, or where ``--kernel`` says so; then its ends are certain.
    """

    name = "kernel"
    provides = (
        *(f"{metric}{end}" for metric in (
            "ntk_lambda_min", "ntk_lambda_max", "ntk_log10_cond", "pntk_lambda_min", "pntk_lambda_max",
            "smoothness_ggn",
        ) for end in ("", "_low", "_high")),
        "ntk_trace_share",
    )  # fmt: skip
    needs = ("layers",)
    measured_in = "all"
    costly = True

    def __init__(self) -> None:
        self._kernel: DenseKernel | KernelProducts | None = None

    def _set_up(self, n: int, k: int, *, dense: bool | None = None) -> None:
        """Make room for K of n examples and k classes; it is formed or not as said, or as fits best."""
        device = next(iter(self.model.parameters.values())).device
        if dense is None:
            dense = self.config.kernel == "dense" or (self.config.kernel == "auto" and _fits(n * k, device))
        kind = DenseKernel if dense else KernelProducts
        self._kernel = kind(self.model, n, k, device)
        self._gauss_newton = LargestEigenvalue(n, k, device)
        self._top = torch.zeros(n, k, dtype=torch.float64, device=device)

    def variant(self) -> Hashable:
        """Precision, products and factors."""
        return None if self._kernel is None else (self._kernel.variant(), self._gauss_newton.variant())

    def prepare(self, row: RowContext) -> None:
        """Room for K, and shifts."""
        if self._kernel is None:
            self._set_up(len(row.data.y_train), row.data.classes)
        assert self._kernel is not None
        self._kernel.prepare()

    def launch(self, row: RowContext) -> Launched:
        """Queue K, the pNTK and Gauss–Newton; gives the row a vector that is near the top one of Gauss–Newton."""
        run, rows = row.current.run, row.current.rows
        grams = row.grams or [feature_gram(a) for a in run.features]
        kernel: Formed | Queued
        if isinstance(self._kernel, DenseKernel):
            kernel = self._kernel.launch(run, grams, row.transfer)
        else:
            assert self._kernel is not None
            kernel = self._kernel.launch(run, grams, rows.gradient, row.transfer)
        # The vector of the row before, and a product with this row's matrix.
        if LOSSES[self.config.loss].quadratic:
            row.gauss_newton_vector = kernel.product(self._top.to(kernel.dtype)[None])[0]
            return Launched(kernel, grams)

        def operator(v: Tensor) -> Tensor:
            return rows.gauss_newton_factor_transpose(kernel.product(rows.gauss_newton_factor(v)))

        space = self._gauss_newton.launch(operator, kernel.dtype, row.transfer)
        row.gauss_newton_vector = rows.gauss_newton_factor(space.next)
        columns = torch.eye(run.logits.shape[1], dtype=torch.float64, device=run.logits.device)
        factors = rows.gauss_newton_factor(columns[:, None].expand(-1, *run.logits.shape))
        between = row.transfer.add(kernel.trace_between(factors)) if isinstance(kernel, Formed) else None
        return Launched(kernel, grams, (operator, space), row.transfer.add(factors), between)

    def collect(self, row: RowContext) -> Findings:
        """The ends, the shares of the trace and, where they are due, all eigenvalues."""
        launched: Launched = row.launched[self.name]
        kernel, run = launched.kernel, row.current.run
        spectra: dict[tuple[str, int | None], NDArray[np.float64]] = {}
        if isinstance(self._kernel, DenseKernel):
            assert isinstance(kernel, Formed)
            found, kernel = self._kernel.collect(run, launched.grams, kernel)
            if row.spectra_due:
                spectra["K", None] = self._kernel.spectrum(kernel)
        else:
            assert self._kernel is not None
            assert isinstance(kernel, Queued)
            found = self._kernel.collect(row, kernel)
        values = _ends("ntk_lambda_min", found.extremes.smallest) | _ends("ntk_lambda_max", found.extremes.largest)
        values |= _condition(found, run.logits.numel())
        values |= _ends("pntk_lambda_min", found.compressed.smallest)
        values |= _ends("pntk_lambda_max", found.compressed.largest)
        values |= _ends("smoothness_ggn", self._largest_gauss_newton(row, launched, found))
        return Findings(values, {"ntk_trace_share": trace_shares(found.traces)}, spectra)

    def _largest_gauss_newton(self, row: RowContext, launched: Launched, found: KernelFound) -> Interval:
        """λ_max(BᵀKB)/n, and the vector that goes with it."""
        n, k = row.current.run.logits.shape
        largest = found.extremes.largest
        if launched.gauss_newton is None:
            assert self._kernel is not None
            if math.isfinite(largest.value):
                self._top.copy_(self._kernel.top_vector())
            row.gauss_newton_vector = self._top
            return Interval(largest.low / n, largest.value / n, largest.high / n)
        assert launched.factors is not None
        operator, space = launched.gauss_newton
        pairs = self._gauss_newton.collect(space, operator)
        if pairs is None:
            return Interval(math.nan, math.nan, math.nan)
        row.gauss_newton_vector = row.current.rows.gauss_newton_factor(self._gauss_newton.vector)
        columns = launched.factors.array().transpose(1, 2, 0)
        square = float(np.linalg.norm(columns, 2, axis=(1, 2)).max()) ** 2 * (1.0 + 1e-12)
        value, rounding = float(pairs.values[-1]), found.rounding * square
        upper = largest.high * square
        if launched.between is not None:
            trace = launched.between.number() + n * k * rounding
            upper = min(upper, deflated_upper(pairs, trace, math.inf, n * k) + 2.0 * rounding)
        return Interval(max(value - rounding, 0.0) / n, value / n, max(upper, value) / n)

    def state(self) -> State:
        """K's followers and that of Gauss–Newton; nothing before the first row."""
        if self._kernel is None:
            return {}
        dense = isinstance(self._kernel, DenseKernel)
        return {
            "dense": dense,
            "k": self._kernel.state(),
            "gauss_newton": self._gauss_newton.state(),
            "top": self._top.view(-1),
        }

    def restore(self, state: State, row: RowContext) -> None:
        """Take up the followers; a state of an earlier version has none of them."""
        n, k = row.current.run.logits.shape
        self._set_up(n, k, dense=bool(state["dense"]) if "dense" in state else None)
        assert self._kernel is not None
        if "k" in state:
            self._kernel.restore(part(state, "k"))
            self._gauss_newton.restore(part(state, "gauss_newton"))
            top = vector(state, "top", n * k)
            if top is None:
                raise ValueError("top is missing")
            self._top.copy_(top.view(n, k))


def trace_shares(traces: NDArray[np.floating]) -> NDArray[np.float64]:
    """Each layer's share of tr K, (L + 1,): NaN at 0, then those of W_1 … W_L, which add up to 1; NaN where K is 0."""
    total = traces.sum()
    shares = traces / total if 0.0 < total < math.inf else np.full_like(traces, np.nan)
    return np.concatenate([[np.nan], shares])


def _fits(order: int, device: torch.device) -> bool:
    return order <= _ORDER.get(device.type, _ORDER["cpu"]) and _BYTES * order**2 <= free_memory(device)


def _ends(name: str, found: Interval) -> dict[str, float]:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def _condition(found: KernelFound, order: int) -> dict[str, float]:
    """log₁₀κ(K); without an upper end where λ_min may be 0."""
    smallest, largest = found.extremes.smallest, found.extremes.largest
    value = float(log10_condition(smallest.value, largest.value, order))
    with np.errstate(all="ignore"):
        low = float(np.log10(np.float64(largest.low) / smallest.high))
        high = float(np.log10(np.float64(largest.high) / smallest.low))
    ends = Interval(min(low, value), value, high if high < math.inf else math.nan)
    return _ends("ntk_log10_cond", ends)
