"""A basis that grows by products with a symmetric operator, and the extreme Ritz pairs in it: Lanczos and Davidson."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

Array = NDArray[np.float64]

ROOM = 24
"""Most vectors of a basis that starts from what was found before."""

# Gram–Schmidt: most passes; the share of its length that an orthogonal vector keeps; the share that is nothing.
_PASSES = 3
_ORTHOGONAL = 0.7
_NOTHING = 1e-13


@dataclass(frozen=True, slots=True)
class Ritz:
    """An approximate eigenpair.

    Attributes:
        value: θ.
        vector: Unit vector v, (n,).
        residual: ‖Av − θv‖.
        second: The Ritz vector of the next Ritz value, if there is one.
    """

    value: float
    vector: Array
    residual: float
    second: Array | None = None


class Subspace:
    """An orthonormal basis with its image under a symmetric operator, for Rayleigh–Ritz.

    Args:
        apply: v ↦ Av, (n,) → (n,).
        starts: Vectors to begin with, (n,) each, the best guess first; not all 0.
        room: Most basis vectors there will be.
    """

    def __init__(self, apply: Callable[[Array], Array], starts: list[Array], room: int = ROOM) -> None:
        self._apply = apply
        n = len(starts[0])
        self._room = min(room, n)
        # Row by row, so that every vector is contiguous.
        self._basis, self._image = np.empty((self._room, n)), np.empty((self._room, n))
        self._small = np.zeros((self._room, self._room))
        self._size = 0
        for start in starts:
            self.add(start)

    def add(self, vector: Array) -> bool:
        """Extend the basis by one product; False if there is no room, or the vector lies in the basis."""
        size = self._size
        basis = self._basis[:size]
        length = before = _norm(vector)
        if size == self._room or not 0.0 < length < math.inf:
            return False
        for _ in range(_PASSES):
            vector = vector - (basis @ vector) @ basis
            length, last = _norm(vector), length
            if length > _ORTHOGONAL * last:  # little was taken away, so what is left is orthogonal to rounding
                break
        if not length > _NOTHING * before:
            return False
        new = self._basis[size]
        np.divide(vector, length, out=new)
        self._image[size] = self._apply(new)
        self._small[size, : size + 1] = self._basis[: size + 1] @ self._image[size]
        self._size = size + 1
        return True

    def ritz(self, which: Literal["largest", "smallest"]) -> Ritz:
        """The extreme Ritz pair. Cost: 4·n·size flops."""
        pair, rest = self._pair(which)
        return Ritz(pair.value, pair.vector, _norm(rest), pair.second)

    def search(
        self,
        which: Literal["largest", "smallest"],
        tolerance: float,
        *,
        precondition: Callable[[Array], Array] | None = None,
    ) -> Ritz:
        """Extend the basis by residuals until the extreme pair has converged: Lanczos, or Davidson.

        Returns:
            A pair with a residual of at most ``tolerance``·|θ| if it converged. Cost: a product and 8·n·size
            flops for each.
        """
        while True:
            pair, rest = self._pair(which)
            residual = _norm(rest)
            done = not residual > tolerance * abs(pair.value)
            if done or not self.add(rest if precondition is None else precondition(rest)):
                return Ritz(pair.value, pair.vector, residual, pair.second)

    def _pair(self, which: str) -> tuple[Ritz, Array]:
        """The extreme Ritz pair, its residual not yet measured, and Av − θv."""
        size = self._size
        basis = self._basis[:size]
        # LAPACK is called directly: numpy's wrapper costs as much as the problem. It reads the transposed triangle.
        values, vectors, _ = scipy.linalg.lapack.dsyevd(self._small[:size, :size].T, lower=0)
        pick, following = (size - 1, size - 2) if which == "largest" else (0, 1)
        theta, weights = float(values[pick]), vectors[:, pick]
        vector = weights @ basis
        second = vectors[:, following] @ basis if size > 1 else None
        return Ritz(theta, vector, math.nan, second), weights @ self._image[:size] - theta * vector


def _norm(vector: Array) -> float:
    return math.sqrt(float(vector @ vector))


def probe(order: int) -> Array:
    """A start of this length that is orthogonal to nothing in particular, the same in every run."""
    return np.random.default_rng(0).standard_normal(order)
