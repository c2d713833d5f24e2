"""The tangent kernel where it is formed: both ends of its spectrum and of the pNTK's, traces, the whole spectrum."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.device.transfer import Arrival, Transfer
from engine.measure.base import State, part
from engine.measure.kernel_table import KernelTable, forming_error, identity_cotangents, is_singular
from engine.measure.spectra import Extremes, Launched, Spectra, factor_rounding, quotient_rounding
from engine.model.base import Model, Pass

# λ_min is resolved by float32 where its rounding is at most this share of it; from float64 a run goes back to float32
# where it is so by a wide margin.
_RESOLVED, _BACK = 0.1, 0.03
# Up to this order a row that float32 does not resolve is made again in float64 at once, beyond it the next one is.
_AT_ONCE = 2500


@dataclass(frozen=True, slots=True)
class KernelFound:
    """What a row says of K.

    Attributes:
        extremes: Of K.
        compressed: Of the pNTK.
        traces: tr K_(l), (L,).
        rounding: A bound on the error of a Rayleigh quotient of the K that was launched, that of forming it within.
    """

    extremes: Extremes
    compressed: Extremes
    traces: NDArray[np.floating]
    rounding: float


@dataclass(frozen=True, slots=True)
class Formed:
    """The queued row of a table: tr K_(l) and ‖K‖_F on their way, and the spectra of K and of the pNTK."""

    table: KernelTable
    traces: Arrival
    frobenius: Arrival
    spectra: Launched
    compressed: Launched

    @property
    def dtype(self) -> torch.dtype:
        """The precision of products."""
        return self.table.matrix.dtype

    def product(self, v: Tensor) -> Tensor:
        """Kv of cotangents (b, n, k)."""
        by_class = v.mT.reshape(len(v), -1)
        return (by_class @ self.table.matrix).view(v.mT.shape).mT

    def trace_between(self, factors: Tensor) -> Tensor:
        """tr(BᵀKB) of a block diagonal B whose columns, one of each example's, are cotangents (columns, n, k)."""
        _, n, k = factors.shape
        blocks = self.table.matrix.view(k, n, k, n).diagonal(dim1=1, dim2=3).double()
        return torch.einsum("cnd,den,cne->", factors, blocks, factors)


class DenseKernel:
    """Forms K at row after row and follows its ends.

    In float32 runs the table is made of float32 signals, as long as these resolve λ_min; else of signals in float64.
    Cost: k backward passes in one, (nk)² flops a neuron, and what :class:`engine.measure.spectra.Spectra` takes.
    """

    def __init__(self, model: Model, n: int, k: int, device: torch.device) -> None:
        self._n, self._k, self._device, self._training = n, k, device, model.dtype
        self._dtype = model.dtype
        self._tables: dict[torch.dtype, KernelTable] = {}
        self._singular = is_singular(model, n, k)
        self._spectra, self._compressed = Spectra(1, n * k, singular=self._singular), Spectra(1, n)

    @property
    def order(self) -> int:
        """n·k."""
        return self._n * self._k

    def variant(self) -> Hashable:
        """Whatever decides which operations the next row takes."""
        return self._dtype, self._spectra.variant(), self._compressed.variant()

    def prepare(self) -> None:
        """Room for the next row's table, and its shifts."""
        if self._dtype not in self._tables:
            cotangents = identity_cotangents(self._n, self._k, self._dtype, self._device)
            self._tables[self._dtype] = KernelTable(cotangents)
        self._spectra.prepare()
        self._compressed.prepare()

    def launch(self, run: Pass, grams: Sequence[Tensor], transfer: Transfer) -> Formed:
        """Queue a row."""
        table = self._tables[self._dtype]
        traces = transfer.add(table.form(run, grams))
        frobenius = transfer.add(torch.linalg.vector_norm(table.matrix))
        spectra = self._spectra.launch(table.matrix[None], transfer)
        compressed = self._compressed.launch(table.compressed()[None], transfer)
        return Formed(table, traces, frobenius, spectra, compressed)

    def collect(self, run: Pass, grams: Sequence[Tensor], formed: Formed) -> tuple[KernelFound, Formed]:
        """What a row says of K, and the table that says it: that of the row, or one in float64."""
        found = self._read(formed, run)
        # What float32 would leave open.
        open_end = self._rounding(torch.float32, found, formed) / max(found.extremes.smallest.value, 1e-300)
        if self._training == torch.float64 or self._singular:
            return found, formed
        if formed.dtype == torch.float32 and open_end > _RESOLVED:
            self._dtype = torch.float64
            if self.order <= _AT_ONCE:
                self.prepare()
                formed = self.launch(run, grams, Transfer())
                found = replace(self._read(formed, run), rounding=found.rounding)
        elif open_end < _BACK:
            self._dtype = torch.float32
        return found, formed

    def top_vector(self) -> Tensor:
        """The unit Ritz vector of λ_max of the row collected last, (n, k), float64."""
        top: Tensor = self._spectra.top_vectors()[0].view(self._k, self._n).T
        return top

    def spectrum(self, formed: Formed) -> NDArray[np.float64]:
        """All eigenvalues of a row's K, ascending. Cost: 4/3 (nk)³ flops, half of them bound by memory."""
        values = torch.linalg.eigvalsh(formed.table.matrix).cpu().numpy().astype(np.float64)
        if self._singular:
            values[0] = 0.0
        found: NDArray[np.float64] = np.maximum(values, 0.0)
        return found

    def _read(self, formed: Formed, run: Pass) -> KernelFound:
        traces, frobenius = formed.traces.array(), formed.frobenius.number()
        error = forming_error(formed.dtype, run, float(traces.sum()), frobenius)
        extremes = self._spectra.collect(formed.spectra, [error])[0]
        compressed = self._compressed.collect(formed.compressed, [error])[0]
        rounding = error + quotient_rounding(self.order, formed.dtype, frobenius, extremes.largest.value)
        return KernelFound(extremes, compressed, traces, rounding)

    def _rounding(self, dtype: torch.dtype, found: KernelFound, formed: Formed) -> float:
        norm = found.extremes.largest.value
        return factor_rounding(self.order, dtype, float(found.traces.sum()), norm)

    def state(self) -> State:
        """Both followers, and the precision of the next row's table."""
        return {
            "precise": self._dtype == torch.float64,
            "spectra": self._spectra.state(),
            "compressed": self._compressed.state(),
        }

    def restore(self, state: State) -> None:
        """Take up a state."""
        precise = self._training == torch.float64 or bool(state.get("precise", False))
        self._dtype = torch.float64 if precise else self._training
        self._spectra.restore(part(state, "spectra"), self._device)
        self._compressed.restore(part(state, "compressed"), self._device)
