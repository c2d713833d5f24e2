"""The tangent kernel where it is too large to be formed: by products with it, and by what is proved of its ends."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.device.transfer import Arrival
from engine.measure.base import RowContext, State, part
from engine.measure.intervals import UNKNOWN, ZERO, Extremes, Interval
from engine.measure.kernel_dense import KernelFound
from engine.measure.kernel_table import KernelTable, forming_error, is_singular, shifted, squares
from engine.measure.largest_eigenvalue import LargestEigenvalue, Operator, Space
from engine.measure.spectra import Launched, Spectra
from engine.model.base import Model, Pass, Product

# What a product is off by, in units of u·‖K‖; measured: 8.
_ROUNDING = 32.0


@dataclass(frozen=True, slots=True)
class Queued:
    """A queued row: K, the pNTK, the gradient's ‖g‖², and of each site tr K_(l) and max_i ‖B_{l,i}‖_F², (2, L)."""

    product: Product
    dtype: torch.dtype
    space: Space
    compressed: Launched
    sites: Arrival
    gradient: Arrival

    def trace_between(self, factors: Tensor) -> Tensor | None:
        """tr(BᵀKB), which is not known."""
        return None


class KernelProducts:
    """Follows λ_max(K) by products. λ_min has bounds from both sides, but is not searched for.

    λ_max(K) ≤ Σ_l min(tr K_(l), λ_max(G̃_{l−1})·max_i‖B_{l,i}‖²); λ_min(K) ≥ λ_min(G̃_{L−1}), all terms being positive
    semidefinite and the last G̃ ⊗ 1. Cost: 16 to 40 products, and k + 1 backward passes.
    """

    def __init__(self, model: Model, n: int, k: int, device: torch.device) -> None:
        self._model, self._device, self._singular = model, device, is_singular(model, n, k)
        self._largest, self._compressed = LargestEigenvalue(n, k, device), Spectra(1, n)
        self._table = KernelTable(torch.full((1, n, k), k**-0.5, dtype=model.dtype, device=device))

    def variant(self) -> Hashable:
        """Whatever decides which operations the next row takes."""
        return self._largest.variant(), self._compressed.variant()

    def prepare(self) -> None:
        """The shifts of the next row."""
        self._compressed.prepare()

    def launch(self, row: RowContext) -> Queued:
        """Queue a row."""
        run, grams, transfer, gradient = row.current.run, row.grams, row.transfer, row.current.rows.gradient
        product, dtype = run.kernel_product(grams), run.logits.dtype
        space = self._largest.launch(Operator(product, dtype, run.logits.shape), transfer)
        self._table.form(run, grams)
        compressed = self._compressed.launch(self._table.compressed()[None], transfer)
        sites, square = transfer.add(_of_sites(run, grams)), transfer.add(gradient.square().sum())
        return Queued(product, dtype, space, compressed, sites, square)

    def collect(self, row: RowContext, queued: Queued) -> KernelFound:
        """K at a row."""
        run, (traces, peaks) = row.current.run, queued.sites.array()
        trace, n = float(traces.sum()), len(run.logits)
        error = forming_error(queued.dtype, run, trace, trace)
        compressed = self._compressed.collect(queued.compressed, [error])[0]
        pairs = self._largest.collect(queued.space)
        if pairs is None:
            return KernelFound(Extremes(UNKNOWN, UNKNOWN), compressed, traces, math.nan)
        largest = max(float(pairs.values[-1]), compressed.largest.value)
        rounding = _ROUNDING * torch.finfo(queued.dtype).eps / 2 * largest
        biases = np.array([site.bias is not None for site in self._model.sites])
        widths = np.array([weight.shape[1] for weight in self._model.weights])
        none = np.full(len(widths) + 1, math.nan)
        high = row.layers.get("lambda_max_high", none)[:-1] * widths + n * biases
        upper = float(np.fmin(traces, high * peaks).sum()) * (1.0 + 1e-6)
        smallest = ZERO
        if not self._singular:
            square = queued.gradient.number()
            quotients = [compressed.smallest.value, float(pairs.values[0])]
            quotients += [(n * row.current.grad_norm) ** 2 / square] if square > 0.0 else []
            low = row.layers.get("lambda_min_low", none)[-2] * widths[-1] if run.chain is not None else 0.0
            value = max(min(quotients), 0.0)
            smallest = Interval(min(max(np.nan_to_num(low), 0.0), value), value, value + rounding)
        found = Extremes(smallest, Interval(largest - rounding, largest, max(upper, largest)))
        return KernelFound(found, compressed, traces, rounding)

    def top_vector(self) -> Tensor:
        """The unit Ritz vector of λ_max of the row collected last, (n, k), float64."""
        return self._largest.vector

    def state(self) -> State:
        """Both followers."""
        return {"largest": self._largest.state(), "compressed": self._compressed.state()}

    def restore(self, state: State) -> None:
        """Take up a state, or begin anew without."""
        self._largest.restore(part(state, "largest"))
        self._compressed.restore(part(state, "compressed"), self._device)


def _of_sites(run: Pass, grams: Sequence[Tensor]) -> Tensor:
    """Tr K_(l) and max_i ‖B_{l,i}‖_F² of every site, (2, L), float64. Cost: k backward passes, one class at a time."""
    sums = [torch.zeros(len(run.logits), dtype=torch.float64, device=run.logits.device) for _ in grams]
    for one in torch.eye(run.logits.shape[1], dtype=run.logits.dtype, device=run.logits.device):
        for total, signals in zip(sums, run.backward(one.expand_as(run.logits).contiguous()), strict=True):
            total += squares(signals)
    traces = [(g.diagonal() * total).sum() for g, total in zip(shifted(run, grams), sums, strict=True)]
    return torch.stack([torch.stack(traces), torch.stack([total.amax() for total in sums])])
