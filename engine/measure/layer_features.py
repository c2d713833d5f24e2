"""One hidden layer's features, followed from row to row: spectrum, discs, and how far they have moved."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.measure.base import State, part
from engine.measure.extremes import GramExtremes, NormFollower
from engine.measure.gram import Array, spectrum
from engine.theory.gershgorin import Gershgorin, gershgorin

Features = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Moved:
    """How far one layer's Gram matrix and features have moved from initialisation; spectral norms from above."""

    gram_op: float = 0.0
    gram_fro: float = 0.0
    features_op: float = 0.0
    features_fro: float = 0.0


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One layer at one row."""

    spectrum: dict[str, float]  # by catalogue name
    discs: Gershgorin
    moved: Moved


class LayerFeatures:
    """Measures one layer at row after row. Layers share nothing, so that each may be measured in its own thread."""

    def __init__(self) -> None:
        self._extremes = GramExtremes()
        self._gram_change = NormFollower()
        self._features_change = NormFollower()
        self._initial: tuple[Array, Features] | None = None

    def keep_initial(self, gram: Array, features: Features) -> None:
        """Keep G, (n, n), and A, (n, width), of initialisation: distances are measured from them."""
        self._initial = gram, features

    def measure(self, gram: Array, features: Features) -> LayerRow:
        """The layer at a row with this G, (n, n), and A, (n, width)."""
        return self.complete(gram, features.shape[1], gershgorin(gram), self.moved(gram, features))

    def complete(self, gram: Array, width: int, discs: Gershgorin, moved: Moved) -> LayerRow:
        """The layer at a row of which all but the spectrum is known."""
        return LayerRow(spectrum(gram, width, self._extremes), discs, moved)

    def moved(self, gram: Array, features: Features) -> Moved:
        """The layer's distances from initialisation, 0 before :meth:`keep_initial`."""
        return Moved() if self._initial is None else self._moved(gram, features, *self._initial)

    def _moved(self, gram: Array, features: Features, initial_gram: Array, initial: Features) -> Moved:
        n, width = features.shape
        dg = gram - initial_gram
        df = np.subtract(features, initial, dtype=np.float64)
        df /= math.sqrt(width)
        gram_fro, features_fro = math.sqrt(float(np.vdot(dg, dg))), math.sqrt(float(np.vdot(df, df)))
        if not (math.isfinite(gram_fro) and math.isfinite(features_fro)):
            return Moved(math.nan, gram_fro, math.nan, features_fro)
        tall = df if n >= width else df.T
        return Moved(
            gram_op=self._gram_change.measure(lambda v: dg @ (dg @ v), n, lambda: dg @ dg),
            gram_fro=gram_fro,
            features_op=self._features_change.measure(
                lambda v: tall.T @ (tall @ v), tall.shape[1], lambda: tall.T @ tall
            ),
            features_fro=features_fro,
        )

    def state(self) -> State:
        """Warm starts by what they are of."""
        return {
            "gram": self._extremes.state(),
            "gram_change": self._gram_change.state(),
            "features_change": self._features_change.state(),
        }

    def restore(self, state: State, n: int, width: int) -> None:
        """Take up warm starts of n rows of features of this width."""
        self._extremes.restore(part(state, "gram"), n)
        self._gram_change.restore(part(state, "gram_change"), n)
        self._features_change.restore(part(state, "features_change"), min(n, width))
