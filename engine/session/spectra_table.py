"""Reading ``spectra``: the eigenvalues of whole matrices at the steps that recorded them.

The cell ``eigenvalues`` holds float64 numbers, little-endian, ascending, and nothing else: ``numpy.frombuffer(cell,
"<f8")`` reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.record import Spectra
from engine.session.rows import StepSpectra
from engine.session.schema import LARGEST_STEP
from engine.session.text import plain_text

LARGEST_SPECTRUM = 8 * 2**20
"""Bytes of one matrix's eigenvalues: a matrix of a million rows could not be formed."""

LARGEST_SPECTRA = 64 * 2**20
"""Bytes of all eigenvalues of a step."""

NUMBERS = np.dtype("<f8")

_STEPS = "SELECT DISTINCT step FROM spectra WHERE typeof(step) = 'integer' AND step BETWEEN 0 AND ? ORDER BY step"
_AT_STEP = (
    "SELECT substr(name, 1, 100), layer, eigenvalues FROM spectra WHERE step = ? AND typeof(name) = 'text'"
    f" AND typeof(eigenvalues) = 'blob' AND length(eigenvalues) <= {LARGEST_SPECTRUM} ORDER BY name, layer"
)

RowQuery = Callable[..., Generator[tuple[Any, ...], None, None]]
"""Yields the rows of a statement with its arguments."""


class SpectraTable:
    """The whole spectra of a session; what makes no sense in an untrusted file is passed over.

    Args:
        query: Reads rows.
        there: Whether the file has the table: those of wnt-tui 0.3 and before have not.
        layers: Number of layers, depth + 1; rows of others are passed over.
    """

    def __init__(self, query: RowQuery, there: bool, layers: int) -> None:
        self._query = query
        self._there = there
        self._layers = layers

    def steps(self, last: int = LARGEST_STEP) -> tuple[int, ...]:
        """The steps that have whole spectra, ascending, not after one."""
        if not self._there:
            return ()
        with closing(self._query(_STEPS, min(max(last, -1), LARGEST_STEP))) as rows:
            return tuple(int(step) for (step,) in rows)

    def newest(self, last: int) -> StepSpectra | None:
        """The newest whole spectra not after a step, None where there are none."""
        for step in reversed(self.steps(last)):
            if found := self.at(step):
                return StepSpectra(step, found)
        return None

    def at(self, step: int) -> Spectra:
        """The whole spectra of a step, {} if it has none."""
        found: dict[tuple[str, int | None], NDArray[np.float64]] = {}
        if not self._there:
            return found
        size = 0
        with closing(self._query(_AT_STEP, step)) as rows:
            for name, layer, cell in rows:
                size += len(cell)
                if size > LARGEST_SPECTRA:
                    break
                sensible = layer is None or (isinstance(layer, int) and 0 <= layer < self._layers)
                if sensible and cell and len(cell) % NUMBERS.itemsize == 0:
                    found[plain_text(name), layer] = np.frombuffer(cell, NUMBERS).astype(np.float64)
        return found
