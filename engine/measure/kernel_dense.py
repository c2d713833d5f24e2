"""The tangent kernel where it is formed: both ends of its spectrum and of the pNTK's, traces, the whole spectrum."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.device.transfer import Arrival, Transfer
from engine.measure.base import RowContext, State, part
from engine.measure.intervals import Extremes, factor_rounding, quotient_rounding
from engine.measure.kernel_table import KernelTable, forming_error, identity_cotangents, is_singular
from engine.measure.spectra import Launched, Spectra
from engine.model.base import Model, Pass

# λ_min is resolved by float32 where its rounding is at most this share of it; from float64 a run goes back to float32
# where it is so by a wide margin.
_RESOLVED, _BACK = 0.1, 0.03
# Up to this order a row that float32 does not resolve is made again in float64 at once, beyond it the next one is.
_AT_ONCE = 2500


@dataclass(frozen=True, slots=True)
class KernelFound:
    """K and the pNTK at a row; tr K_(l), (L,); a bound on the error of quotients of the K launched; all eigenvalues."""

    extremes: Extremes
    compressed: Extremes
    traces: NDArray[np.floating]
    rounding: float
    spectrum: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True)
class Formed:
    """The queued row of a table: G, tr K_(l) and ‖K‖_F on their way, and the spectra of K and of the pNTK."""

    table: KernelTable
    grams: Sequence[Tensor]
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

    def trace_between(self, factors: Tensor) -> Tensor | None:
        """tr(BᵀKB) of a block diagonal B whose columns, one of each example's, are cotangents (columns, n, k)."""
        _, n, k = factors.shape
        blocks = self.table.matrix.view(k, n, k, n).diagonal(dim1=1, dim2=3).double()
        return torch.einsum("cnd,den,cne->", factors, blocks, factors)


class DenseKernel:
    """Forms K at row after row and follows its ends.

    In float32 runs the table is made of float32 signals, as long as these resolve λ_min; else of signals in float64.
    Cost: that of :meth:`engine.measure.kernel_table.KernelTable.form` and :class:`engine.measure.spectra.Spectra`.
    """

    def __init__(self, model: Model, n: int, k: int, device: torch.device) -> None:
        self._shape, self._device, self._training = (n, k), device, model.dtype
        self._dtype, self._tables = model.dtype, dict[torch.dtype, KernelTable]()
        self._singular = is_singular(model, n, k)
        self._spectra, self._compressed = Spectra(1, n * k, singular=self._singular), Spectra(1, n)

    def variant(self) -> Hashable:
        """Whatever decides which operations the next row takes."""
        return self._dtype, self._spectra.variant(), self._compressed.variant()

    def prepare(self) -> None:
        """Room for the next row's table, and its shifts."""
        if self._dtype not in self._tables:
            self._tables[self._dtype] = KernelTable(identity_cotangents(*self._shape, self._dtype, self._device))
        self._spectra.prepare()
        self._compressed.prepare()

    def launch(self, row: RowContext) -> Formed:
        """Queue a row."""
        return self._launch(row.current.run, row.grams, row.transfer)

    def _launch(self, run: Pass, grams: Sequence[Tensor], transfer: Transfer) -> Formed:
        table = self._tables[self._dtype]
        traces = transfer.add(table.form(run, grams))
        frobenius = transfer.add(torch.linalg.vector_norm(table.matrix))
        spectra = self._spectra.launch(table.matrix[None], transfer)
        compressed = self._compressed.launch(table.compressed()[None], transfer)
        return Formed(table, grams, traces, frobenius, spectra, compressed)

    def collect(self, row: RowContext, formed: Formed) -> KernelFound:
        """K at a row, known from the table that was launched or from one in float64."""
        run = row.current.run
        found, formed = self._resolved(run, formed)
        if not row.spectra_due:
            return found
        values = np.maximum(torch.linalg.eigvalsh(formed.table.matrix).double().cpu().numpy(), 0.0)
        values[: int(self._singular)] = 0.0
        return replace(found, spectrum=values)

    def _resolved(self, run: Pass, formed: Formed) -> tuple[KernelFound, Formed]:
        found = self._read(formed, run)
        if self._training == torch.float64 or self._singular:
            return found, formed
        smallest, largest = found.extremes.smallest.value, found.extremes.largest.value
        order = run.logits.numel()
        # What float32 leaves open, or would.
        open_share = factor_rounding(order, torch.float32, 0.0, largest) / max(smallest, 1e-300)
        if formed.dtype == torch.float32 and open_share > _RESOLVED:
            self._dtype = torch.float64
            if order <= _AT_ONCE:
                self.prepare()
                formed = self._launch(run, formed.grams, Transfer())
                found = replace(self._read(formed, run), rounding=found.rounding)
        elif open_share < _BACK:
            self._dtype = torch.float32
        return found, formed

    def top_vector(self) -> Tensor:
        """The unit Ritz vector of λ_max of the row collected last, (n, k), float64."""
        n, k = self._shape
        return self._spectra.top_vectors()[0].view(k, n).T

    def _read(self, formed: Formed, run: Pass) -> KernelFound:
        traces, frobenius = formed.traces.array(), formed.frobenius.number()
        error = forming_error(formed.dtype, run, float(traces.sum()), frobenius)
        extremes = self._spectra.collect(formed.spectra, [error])[0]
        compressed = self._compressed.collect(formed.compressed, [error])[0]
        rounding = error + quotient_rounding(run.logits.numel(), formed.dtype, frobenius, extremes.largest.value)
        return KernelFound(extremes, compressed, traces, rounding)

    def state(self) -> State:
        """Both followers, and the precision of the next row's table."""
        precise = self._dtype == torch.float64
        return {"precise": precise, "spectra": self._spectra.state(), "compressed": self._compressed.state()}

    def restore(self, state: State) -> None:
        """Take up a state, or begin anew without."""
        self._dtype = torch.float64 if state.get("precise", False) else self._training
        self._spectra.restore(part(state, "spectra"), self._device)
        self._compressed.restore(part(state, "compressed"), self._device)
