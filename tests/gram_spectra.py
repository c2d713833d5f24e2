"""A measurement that gives whole spectra by definition: of every Gram matrix, and in the place of K of their sum."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from engine.measure.base import Findings, Measurement, RowContext
from engine.measure.standard import standard


def gram_spectra(features: list[torch.Tensor], *, kernel: bool) -> dict[tuple[str, int | None], NDArray[np.float64]]:
    """The eigenvalues of G^m = aaᵀ of every layer, and as ``K`` of their sum where ``kernel``."""
    grams = [feature.to(torch.float64) @ feature.to(torch.float64).T for feature in features]
    found: dict[tuple[str, int | None], NDArray[np.float64]] = {
        ("G", layer): torch.linalg.eigvalsh(gram).numpy() for layer, gram in enumerate(grams)
    }
    if kernel:
        found["K", None] = torch.linalg.eigvalsh(torch.stack(grams).sum(0)).numpy()
    return found


class GramSpectra(Measurement):
    """Whole spectra, where they are due."""

    name = "gram_spectra"

    def __init__(self, *, kernel: bool) -> None:
        self._kernel = kernel

    def collect(self, row: RowContext) -> Findings:
        features = row.current.run.features
        return Findings(spectra=gram_spectra(features, kernel=self._kernel) if row.spectra_due else {})


def with_spectra(measure: str, *, kernel: bool = True) -> list[Measurement]:
    """The measurements of a set, and whole spectra."""
    return [*standard(measure), GramSpectra(kernel=kernel)] if measure != "none" else []  # type: ignore[arg-type]  # a set's name
