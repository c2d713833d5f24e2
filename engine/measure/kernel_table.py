"""The empirical neural tangent kernel K = JJᵀ of the logits, formed densely.

K_{(c,i),(d,j)} = Σ_l ⟨a_{l−1,i}, a_{l−1,j}⟩⟨b_{l,ic}, b_{l,jd}⟩ with b_l = ∂o/∂h_l (Eq. 11), l over the model's sites:
with G̃ = AAᵀ, or AAᵀ + 1 where a site has a bias, the sum of G̃_{l−1} ⊙ B_lB_lᵀ. The rows of a class lie together, so
that every block of two classes is an n × n matrix times G̃, entry by entry.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from engine.device.scheduling import on_host
from engine.measure.layer_threads import LayerThreads
from engine.model.base import Model, Pass

# Rows of a tile: on the host a tile and what is added to it stay in a core's cache; a device wants few large products.
_HOST_ROWS, _DEVICE_ROWS = 320, 2048
# ‖K − exact K‖ ≤ (this + L)·u·‖K‖_F in float32; the largest that was measured is a third of it, and of the order of L.
_PROBABLE = 4.0


_Unit = tuple[slice, slice]
"""Rows of a table, and the examples that they belong to."""


class KernelTable:
    """JJᵀ seen through m cotangents of every example, formed at row after row in the same memory.

    Attributes:
        matrix: (m·n, m·n), symmetric to the bit; its rows are ordered (cotangent, example).

    Args:
        cotangents: (m, n, k), in the precision of the table and on its device.
        threads: In which the host makes tiles side by side.
    """

    def __init__(self, cotangents: Tensor, threads: LayerThreads | None = None) -> None:
        m, n, _ = cotangents.shape
        self._cotangents, self._threads = cotangents, threads or LayerThreads()
        self.matrix = cotangents.new_zeros(m * n, m * n)

    def form(self, run: Pass, grams: Sequence[Tensor]) -> Tensor:
        """Form it at the parameters of a pass.

        Every tile of the lower triangle is summed over the sites before it is written, and mirrored: the table is
        touched once. Cost: m backward passes and (mn)² flops a neuron, half of those that BBᵀ takes.

        Args:
            run: The forward pass.
            grams: aaᵀ/fan_in of every site, (n, n), float64, as they have been measured.

        Returns:
            The trace of each site's term, (L,), float64.
        """
        m, n, _ = self._cotangents.shape
        signals, outer = run.backward(self._cotangents), shifted(run, grams)
        factors = [(g.to(self.matrix.dtype), b.reshape(m * n, -1)) for g, b in zip(outer, signals, strict=True)]
        host = on_host(self.matrix)
        units = _units(m, n, _HOST_ROWS if host else _DEVICE_ROWS)
        tiles = list(itertools.combinations_with_replacement(units, 2))
        if host:
            self._threads.map(lambda tile: self._tile(factors, *tile), tiles)
        else:
            for tile in tiles:
                self._tile(factors, *tile)
        return torch.stack([(g.diagonal() * squares(b).sum(dim=0)).sum() for g, b in zip(outer, signals, strict=True)])

    def _tile(self, factors: list[tuple[Tensor, Tensor]], column: _Unit, row: _Unit) -> None:
        """Form the block of two units and its mirror image."""
        (across, j), (down, i) = column, row
        total = self.matrix.new_empty(down.stop - down.start, across.stop - across.start)
        product = torch.empty_like(total)
        of_examples = (-1, i.stop - i.start, total.shape[1] // (j.stop - j.start), j.stop - j.start)
        for index, (gram, b) in enumerate(factors):
            weights = gram[None, i, None, j]
            torch.mm(b[down], b[across].T, out=product)
            if index:
                total.view(of_examples).addcmul_(product.view(of_examples), weights)
            else:
                torch.mul(product.view(of_examples), weights, out=total.view(of_examples))
        if down == across:
            total.tril_().add_(total.tril(-1).T)
        self.matrix[down, across] = total
        self.matrix[across, down] = total.T

    def compressed(self) -> Tensor:
        """(1/m) Σ of all blocks, (n, n), float64: with a cotangent a class the pNTK."""
        # A compression by an isometry: λ_min(K) ≤ λ_min(pNTK) ≤ λ_max(pNTK) ≤ λ_max(K) (Cauchy).
        m, n, _ = self._cotangents.shape
        total: Tensor = self.matrix.view(m, n, m, n).sum(dim=0).sum(dim=1).double()
        return (total + total.T) / (2 * m)


def forming_error(dtype: torch.dtype, run: Pass, trace: float, frobenius: float) -> float:
    """A bound on what forming K has rounded, in the spectral norm; the features of the pass are what they are.

    In float64 proved, with the signals as they are too: an entry's sums are off by less than γ_N of the product of
    their factors' lengths, N the operations that it takes, and such matrices are bounded by their trace. In float32,
    where signals are rounded coarsely, probable.

    Args:
        dtype: Precision of the table.
        run: The pass.
        trace: tr K.
        frobenius: ‖K‖_F.

    Returns:
        At least ‖K − exact K‖₂.
    """
    unit = torch.finfo(dtype).eps / 2
    if dtype != torch.float64:
        return (_PROBABLE + run.model.depth) * unit * frobenius
    operations = max(sum(weight.shape) for weight in run.model.weights) + run.model.depth + run.logits.shape[1] + 8
    return 1.01 * operations * unit * trace


def identity_cotangents(n: int, k: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The cotangents by which a table is K, (k, n, k): one a class."""
    identity = torch.eye(k, dtype=dtype, device=device)
    cotangents: Tensor = identity[:, None, :].expand(k, n, k).contiguous()
    return cotangents


def shifted(run: Pass, grams: Sequence[Tensor]) -> list[Tensor]:
    """G̃ of every site, (n, n), float64."""
    parts = zip(grams, run.features, run.model.sites, strict=True)
    return [gram * a.shape[1] + float(site.bias is not None) for gram, a, site in parts]


def squares(signals: Tensor) -> Tensor:
    """‖b‖² of signals (…, n, fan_out), (…, n), float64."""
    found: Tensor = torch.linalg.vector_norm(signals, dim=-1).double().square()
    return found


def is_singular(model: Model, n: int, k: int) -> bool:
    """Whether K of n examples and k logits is singular whatever the parameters: its rank is below its order."""
    # Row (i, c) of K_(l)'s factor is b_{l,ic} ⊗ a_{l−1,i}, with biases b ⊗ (a, 1): the rank of K_(l) is at most
    # fan_out·min(n, fan_in), and that of K at most the sum.
    pairs = zip(model.weights, model.sites, strict=True)
    return sum(w.shape[0] * min(n, w.shape[1] + (site.bias is not None)) for w, site in pairs) < n * k


def _units(m: int, n: int, most: int) -> list[_Unit]:
    """About equal units: several cotangents whole, or parts of one."""
    if n > most:
        size = math.ceil(n / math.ceil(n / most))
        parts = [slice(first, min(first + size, n)) for first in range(0, n, size)]
        return [(slice(c * n + part.start, c * n + part.stop), part) for c in range(m) for part in parts]
    size = math.ceil(m / math.ceil(m * n / (most // n * n)))
    return [(slice(c * n, min(c + size, m) * n), slice(0, n)) for c in range(0, m, size)]
