"""The ends of the tangent kernel's spectrum, of the pNTK's and of the Gauss–Newton matrix's, as intervals."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.device.free_memory import free_memory
from engine.device.transfer import Arrival
from engine.measure.base import Findings, Measurement, RowContext, State, part, vector
from engine.measure.block_krylov import deflated_upper
from engine.measure.intervals import UNKNOWN, Interval
from engine.measure.kernel_dense import DenseKernel, Formed, KernelFound
from engine.measure.kernel_products import KernelProducts, Queued
from engine.measure.largest_eigenvalue import LargestEigenvalue, Operator, Space
from engine.record import Spectra
from engine.theory.conditioning import log10_condition
from engine.theory.loss_constants import LOSSES

# Up to this order forming K costs less than following it would, if it were followed as closely: on two cores some ten
# gradient steps at 5000, on a large card 0.1 s at 20,000.
_ORDER = {"cpu": 5_000, "cuda": 20_000}
# Tables, their factors and what forming them takes, in bytes an entry.
_BYTES = 32.0


@dataclass(frozen=True, slots=True)
class Launched:
    """A queued row: K; and where B is not the identity a space of BᵀKB, B of every example, (k, n, k), and tr(BᵀKB)."""

    kernel: Formed | Queued
    space: Space | None = None
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
        assert self._kernel is not None
        rows, shape = row.current.rows, row.current.run.logits.shape
        kernel: Formed | Queued = self._kernel.launch(row)
        # The vector of the row before, and a product with this row's matrix.
        if LOSSES[self.config.loss].quadratic:
            row.gauss_newton_vector = kernel.product(self._top.to(kernel.dtype)[None])[0]
            return Launched(kernel)

        def between_factors(v: Tensor) -> Tensor:
            return rows.gauss_newton_factor_transpose(kernel.product(rows.gauss_newton_factor(v)))

        space = self._gauss_newton.launch(Operator(between_factors, kernel.dtype, shape), row.transfer)
        row.gauss_newton_vector = rows.gauss_newton_factor(space.next)
        columns = torch.eye(shape[1], dtype=torch.float64, device=self._top.device)
        factors = rows.gauss_newton_factor(columns[:, None].expand(-1, *shape))
        trace = kernel.trace_between(factors)
        arriving = None if trace is None else row.transfer.add(trace)
        return Launched(kernel, space, row.transfer.add(factors), arriving)

    def collect(self, row: RowContext) -> Findings:
        """The ends, the shares of the trace and, where they are due, all eigenvalues."""
        assert self._kernel is not None
        launched: Launched = row.launched[self.name]
        queued: Any = launched.kernel
        found = self._kernel.collect(row, queued)
        ends = {
            "ntk_lambda_min": found.extremes.smallest,
            "ntk_lambda_max": found.extremes.largest,
            "ntk_log10_cond": _condition(found, row.current.run.logits.numel()),
            "pntk_lambda_min": found.compressed.smallest,
            "pntk_lambda_max": found.compressed.largest,
            "smoothness_ggn": self._largest_gauss_newton(row, launched, found),
        }
        values = {name: end.value for name, end in ends.items()}
        values |= {f"{name}_low": end.low for name, end in ends.items()}
        values |= {f"{name}_high": end.high for name, end in ends.items()}
        spectra: Spectra = {} if found.spectrum is None else {("K", None): found.spectrum}
        return Findings(values, {"ntk_trace_share": trace_shares(found.traces)}, spectra)

    def _largest_gauss_newton(self, row: RowContext, launched: Launched, found: KernelFound) -> Interval:
        """λ_max(BᵀKB)/n, and the vector that goes with it."""
        (n, k), largest = row.current.run.logits.shape, found.extremes.largest
        if launched.space is None or launched.factors is None:
            assert self._kernel is not None
            if math.isfinite(largest.value):
                self._top.copy_(self._kernel.top_vector())
            row.gauss_newton_vector = self._top
            return Interval(largest.low / n, largest.value / n, largest.high / n)
        pairs = self._gauss_newton.collect(launched.space)
        if pairs is None:
            return UNKNOWN
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
        own = {"dense": isinstance(self._kernel, DenseKernel), "top": self._top.view(-1)}
        return own | {"k": self._kernel.state(), "gauss_newton": self._gauss_newton.state()}

    def restore(self, state: State, row: RowContext) -> None:
        """Take up the followers, or begin anew: a state of an earlier version has none of them."""
        n, k = row.current.run.logits.shape
        dense = bool(state["dense"]) if "dense" in state else None
        if self._kernel is None or dense not in {None, isinstance(self._kernel, DenseKernel)}:
            self._set_up(n, k, dense=dense)
        assert self._kernel is not None
        self._kernel.restore(part(state, "k"))
        self._gauss_newton.restore(part(state, "gauss_newton"))
        top = vector(state, "top", n * k)
        self._top.copy_(torch.zeros_like(self._top) if top is None else top.view(n, k))


def trace_shares(traces: NDArray[np.floating]) -> NDArray[np.float64]:
    """Each layer's share of tr K, (L + 1,): NaN at 0, then those of W_1 … W_L, which add up to 1; NaN where K is 0."""
    total = traces.sum()
    shares = traces / total if 0.0 < total < math.inf else np.full_like(traces, np.nan)
    return np.concatenate([[np.nan], shares])


def _fits(order: int, device: torch.device) -> bool:
    return order <= _ORDER.get(device.type, _ORDER["cpu"]) and _BYTES * order**2 <= free_memory(device)


def _condition(found: KernelFound, order: int) -> Interval:
    """log₁₀κ(K); without an upper end where λ_min may be 0."""
    smallest, largest = found.extremes.smallest, found.extremes.largest
    value = float(log10_condition(smallest.value, largest.value, order))
    with np.errstate(all="ignore"):
        low, high = np.log10(np.array([largest.low, largest.high]) / [smallest.high, smallest.low]).tolist()
    return Interval(min(low, value), value, high if high < math.inf else math.nan)
