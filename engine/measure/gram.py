"""Feature Gram matrices G = A Aᵀ/width in float64, and Gershgorin's discs of them.

In float32 a Gram matrix near n = width is meaningless (λ_min off by 2% to a thousandfold). float64 is slow on a
consumer card, at 1/64 of float32's rate: eight layers of 500 × 500 are 4 Gflop and so some 10 ms. Argument shapes:
A (m, n, width) in any precision, m layers; G (m, n, n) float64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from engine.device.scheduling import on_host

# Columns of A that are converted at once: their copy in float64 is all the memory that is needed beside G.
_COLUMNS = 2048


def feature_gram(a: Tensor) -> Tensor:
    """G^m = A_m A_mᵀ/width_m (Eq. 11, rescaled by the width as Eq. 12 needs), (n, n), symmetric to the bit."""
    gram = torch.empty(1, len(a), len(a), dtype=torch.float64, device=a.device)
    feature_grams([a], gram)
    return gram[0]


def feature_grams(features: Sequence[Tensor], out: Tensor) -> None:
    """G of features of one width, into a tensor of all. Cost: n²·width flops each on the host, else twice that."""
    if on_host(out):
        for a, gram in zip(features, out, strict=True):
            _on_host(a, gram)
    else:
        a64 = torch.stack(list(features)).to(torch.float64)
        torch.matmul(a64, a64.mT, out=out)
        out.tril_().add_(out.tril(-1).mT)
    out.div_(features[0].shape[-1])


def _on_host(a: Tensor, gram: Tensor) -> None:
    # By half the work: numpy takes the product of a matrix with its own transpose for symmetric.
    rows, whole = a.detach().numpy(), gram.numpy()
    with np.errstate(invalid="ignore", over="ignore"):  # a run that diverges
        for first in range(0, rows.shape[1], _COLUMNS):
            part = np.ascontiguousarray(rows[:, first : first + _COLUMNS], dtype=np.float64)
            if first:
                whole += part @ part.T
            else:
                np.matmul(part, part.T, out=whole)


def product_with_transpose(tall: Tensor) -> Tensor:
    """MᵀM of (m, p, q), (m, q, q), in M's precision; on the host by half the work."""
    if not on_host(tall):
        return tall.mT @ tall
    with np.errstate(invalid="ignore", over="ignore"):
        return torch.from_numpy(np.stack([of.mT.numpy() @ of.numpy() for of in tall]))


def disc_numbers(grams: Tensor) -> Tensor:
    """The fields of :class:`engine.theory.gershgorin.Gershgorin` in their order, and tr G; (m, 7)."""
    count, n = grams.shape[:2]
    diagonal = grams.diagonal(dim1=1, dim2=2).clone()
    radii = grams.abs().sum(dim=2) - diagonal.abs()
    if n > 1:
        # With a neighbour in its place, the diagonal is never the largest.
        grams.diagonal(dim1=1, dim2=2).copy_(grams[:, 1, :1].expand(count, n))
        flat = grams.view(count, -1)
        least, largest = flat.amin(dim=1), flat.amax(dim=1)
        grams.diagonal(dim1=1, dim2=2).copy_(diagonal)
        largest_abs = torch.maximum(largest, -least)
    else:
        largest = largest_abs = torch.full_like(radii[:, 0], math.nan)
    numbers = [radii.amax(dim=1), diagonal.amin(dim=1), largest, largest_abs]
    ends = [(diagonal - radii).amin(dim=1), (diagonal + radii).amax(dim=1), diagonal.sum(dim=1)]
    return torch.stack([*numbers, *ends], dim=1)
