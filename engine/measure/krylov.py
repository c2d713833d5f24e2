"""Lanczos' method without decisions: a fixed number of products is queued on a device and read with all else.

The method of :mod:`engine.measure.lanczos` decides after every product whether to go on, and on a GPU waits for each of
these decisions. Here several matrices of one shape are taken together, nothing is decided, and the small matrix that
the products leave is read later, by the row's one transfer. What went wrong is seen then: a value that is not finite,
or a residual that is too large.

Shapes: b matrices of one order, s products each; basis (b, s, order).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.device.transfer import Arrival, Transfer, to_device


@dataclass(frozen=True, slots=True)
class QueuedRitz:
    """An extreme Ritz pair, its vector still as weights in a basis on the device.

    Attributes:
        value: θ.
        residual: ‖Av − θv‖, never below rounding.
        weights: Of the basis vectors, (s,).
    """

    value: float
    residual: float
    weights: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sweep:
    """Products that were queued.

    Attributes:
        basis: Orthonormal rows, (b, s, order), on the device.
        coefficients: Of each product the diagonal entry and the length of what was new in it, (b, s, 2).
    """

    basis: Tensor
    coefficients: Arrival

    def ritz(self, which: Literal["largest", "smallest"]) -> list[QueuedRitz | None]:
        """The extreme Ritz pair of each matrix; None where the start was an eigenvector, or broken."""
        epsilon = torch.finfo(self.basis.dtype).eps
        return [_ritz(one.astype(np.float64), which, epsilon) for one in self.coefficients.array()]

    def vectors(self, pairs: Sequence[QueuedRitz | None]) -> Tensor:
        """Ritz vectors of each matrix, (b, order), on the device, without waiting; the start where there is no pair."""
        start = np.eye(self.basis.shape[1])[0]
        chosen = to_device(np.stack([start if pair is None else pair.weights for pair in pairs]), self.basis)
        found: Tensor = torch.bmm(chosen[:, None, :], self.basis)[:, 0]
        return found


def launch(operator: Callable[[Tensor], Tensor], starts: Tensor, products: int, transfer: Transfer) -> Sweep:
    """Queue Lanczos iterations, reorthogonalised against the whole basis, twice.

    Args:
        operator: Applied to one vector of each matrix, (b, order) → (b, order).
        starts: (b, order), not zero.
        products: s ≥ 1, at most the order.
        transfer: By what the result will come.

    Returns:
        What to read it from. Cost: the products, and 8·order flops for each pair of basis vectors.
    """
    basis = starts.new_empty(starts.shape[0], products, starts.shape[1])
    basis[:, 0] = starts / torch.linalg.vector_norm(starts, dim=1, keepdim=True)
    diagonals, lengths = [], []
    for size in range(1, products + 1):
        rest = operator(basis[:, size - 1])[:, :, None]
        known = basis[:, :size]
        along = torch.bmm(known, rest)
        diagonals.append(along[:, -1, 0])
        rest = torch.baddbmm(rest, known.mT, along, alpha=-1.0)
        rest = torch.baddbmm(rest, known.mT, torch.bmm(known, rest), alpha=-1.0)
        lengths.append(torch.linalg.vector_norm(rest[:, :, 0], dim=1))
        if size < products:
            torch.div(rest[:, :, 0], lengths[-1][:, None], out=basis[:, size])
    return Sweep(basis, transfer.add(torch.stack([torch.stack(diagonals, dim=1), torch.stack(lengths, dim=1)], dim=2)))


def normal_products(tall: Tensor, v: Tensor) -> Tensor:
    """MᵀMv of several matrices M, (b, p, order), with a vector for each, (b, order)."""
    return torch.bmm(tall.mT, torch.bmm(tall, v[:, :, None]))[:, :, 0]


def _ritz(coefficients: NDArray[np.float64], which: str, epsilon: float) -> QueuedRitz | None:
    diagonal, lengths = coefficients.T
    if not np.isfinite(coefficients).all():
        return None
    # Of a symmetric matrix eigh reads the lower triangle.
    values, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(lengths[:-1], -1))
    pick = -1 if which == "largest" else 0
    weights = vectors[:, pick]
    residual = max(float(lengths[-1] * abs(weights[-1])), epsilon * float(np.abs(values).max()))
    return QueuedRitz(float(values[pick]), residual, weights)
