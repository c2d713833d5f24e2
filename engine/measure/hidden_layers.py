"""The hidden layers' features, all together: Gram matrices, their extremes and discs, and how far both have moved.

Shapes: m layers; A (n, width), G (m, n, n) float64.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.device.transfer import Arrival, Transfer
from engine.measure.base import State, part
from engine.measure.gram import disc_numbers, feature_grams
from engine.measure.intervals import Extremes, Interval
from engine.measure.layer_threads import LayerThreads, batches, stacked
from engine.measure.spectra import Launched as LaunchedSpectra
from engine.measure.spectra import Spectra
from engine.measure.spectral_norms import Norms, Queued, SpectralNorms
from engine.theory.conditioning import at_least_zero, resolution

Array = NDArray[np.float64]
_UNIT = float(np.finfo(np.float64).eps) / 2.0


@dataclass(frozen=True, slots=True)
class Launched:
    """What a row has queued.

    Attributes:
        discs: :func:`engine.measure.gram.disc_numbers`.
        dense: The Gram matrices, where their whole spectra are due.
        extremes: Their extremes.
        grams: ΔG, where there is any.
        features: √width·ΔF.
    """

    discs: Arrival
    dense: Arrival | None
    extremes: LaunchedSpectra
    grams: list[Queued]
    features: list[Queued]


@dataclass(frozen=True, slots=True)
class HiddenRow:
    """All hidden layers at a row.

    Attributes:
        extremes: Of each G.
        spectra: Whole spectra of G, where they are due.
        discs: The fields of :class:`engine.theory.gershgorin.Gershgorin`, (m, 6).
        gram_change: ‖ΔG‖.
        feature_change: ‖ΔF‖, F = A/√width.
    """

    extremes: list[Extremes]
    spectra: list[Array]
    discs: Array
    gram_change: Norms
    feature_change: Norms


class HiddenLayers:
    """Measures the hidden layers at row after row, and keeps those of θ_0."""

    def __init__(self, threads: LayerThreads) -> None:
        self._threads = threads
        self.grams: Tensor | None = None
        self._batches: list[list[int]] = []
        self._widths: list[int] = []
        self._spectra: Spectra | None = None
        self._initial: tuple[Tensor, list[Tensor], SpectralNorms, SpectralNorms] | None = None
        self._sigmas = np.empty(0)  # σ_min(F_0), from below
        self._close = False, False  # whether ‖ΔG‖₂ and ‖ΔF‖₂ are to be found closely

    def variant(self) -> Hashable:
        """Whatever decides the operations of the next row."""
        norms = () if self._initial is None else self._initial[2:]
        changes = [of.variant(factor=close) for of, close in zip(norms, self._close, strict=bool(norms))]
        return tuple(changes), None if self._spectra is None else self._spectra.variant()

    def prepare(self) -> None:
        """Fill buffers for the next row."""
        if self._spectra is not None:
            self._spectra.prepare()

    def launch(self, features: list[Tensor], transfer: Transfer, *, whole: bool) -> Launched:
        """A row's operations, with whole spectra or without."""
        grams = self._room(features)

        def work(members: list[int]) -> list[dict[str, Tensor]]:
            of = slice(members[0], members[-1] + 1)
            feature_grams([features[i] for i in members], grams[of])
            found = [{"discs": disc_numbers(grams[of])}]
            if self._initial is not None:
                initial, kept, gram_norms, feature_norms = self._initial
                # Rounded once, as a difference in float64 would be where it is taken to the features' precision.
                change = stacked(features, members) - stacked(kept, members)
                found.append(gram_norms.operations(members, grams[of] - initial[of], factor=self._close[0]))
                found.append(feature_norms.operations(members, change, factor=self._close[1]))
            return found

        found = self._threads.each(work, self._batches, grams.device)
        discs = transfer.add(torch.cat([grams.new_empty(0, 7), *(batch[0]["discs"] for batch in found)]))
        queued: list[list[Queued]] = [[], []]
        if self._initial is not None:
            for kind, norms in enumerate(self._initial[2:]):
                pairs = zip(self._batches, found, strict=True)
                queued[kind] = [norms.queue(members, batch[kind + 1], transfer) for members, batch in pairs]
        assert self._spectra is not None
        # Followed there too: what a row stores does not depend on whether it is the last.
        return Launched(discs, transfer.add(grams) if whole else None, self._spectra.launch(grams, transfer), *queued)

    def collect(self, row: Launched, features: list[Tensor]) -> HiddenRow:
        """The layers of the row that was launched."""
        assert self.grams is not None
        assert self._spectra is not None
        n, discs = self.grams.shape[1], row.discs.array().astype(np.float64, copy=False)
        noise = [(width + 2) * _UNIT * trace for width, trace in zip(self._widths, discs[:, 6], strict=True)]
        spectra = [] if row.dense is None else self._threads.map(whole_spectrum, list(row.dense.array()))
        found = zip(self._spectra.collect(row.extremes, noise), self._widths, strict=True)
        extremes = [of_rank(each, n, width) for each, width in found]
        return HiddenRow(extremes, spectra, discs[:, :6], *self._changes(row, features, noise))

    def keep_initial(self, features: list[Tensor], lambda_min: Sequence[float]) -> None:
        """Keep A and G of the row launched last, with λ_min(G) from below: distances are measured from them."""
        grams = self._room(features)
        shapes = [tuple(a.shape) for a in features]
        gram_norms = SpectralNorms([grams.shape[1:]] * len(features), grams, symmetric=True, factors=True)
        feature_norms = SpectralNorms(shapes, features[0] if features else grams, factors=True)
        self._initial = grams.clone(), features, gram_norms, feature_norms
        self._sigmas = np.sqrt(np.maximum(lambda_min, 0.0))

    def _room(self, features: list[Tensor]) -> Tensor:
        """Memory for the Gram matrices, the same at every row."""
        n = len(features[0]) if features else 1
        if self.grams is None or self.grams.shape[:2] != (len(features), n):
            device = features[0].device if features else torch.device("cpu")
            self._widths = [a.shape[1] for a in features]
            self.grams = torch.empty(len(features), n, n, dtype=torch.float64, device=device)
            size = n * (n + max(self._widths, default=0)) * 8
            self._batches = batches(self._widths, [size] * len(features), device)
            singular = bool(self._widths) and n > max(self._widths)
            self._spectra = Spectra(len(features), n, singular=singular, threads=self._threads)
        return self.grams

    def _changes(self, row: Launched, features: list[Tensor], noise: Sequence[float]) -> tuple[Norms, Norms]:
        if self._initial is None:
            nothing = Norms(*(np.zeros(len(features)) for _ in range(3)))
            return nothing, nothing
        assert self.grams is not None
        grams, (initial, kept, gram_norms, feature_norms) = self.grams, self._initial
        scales = np.sqrt(np.array(self._widths, dtype=np.float64))

        # Where Eq. 13 says nothing anyway, closeness does not matter.
        far = self._sigmas**2, scales * self._sigmas
        gram = gram_norms.collect(row.grams, lambda i, value: grams[i] - initial[i] if value < far[0][i] else None)
        change = feature_norms.collect(
            row.features, lambda i, value: features[i] - kept[i] if value < far[1][i] else None
        )
        self._close = bool((gram.value < far[0]).any()), bool((change.value < far[1]).any())
        # Both Gram matrices were rounded when they were formed.
        gram = Norms(gram.value, gram.high + 3.0 * np.array(noise), gram.frobenius + 3.0 * np.array(noise))
        # Lengths are sums in the features' precision.
        rounded = 1.0 + (len(features[0]) + scales**2 + 8.0) * torch.finfo(features[0].dtype).eps / 2.0
        return gram, Norms(change.value / scales, change.high / scales, change.frobenius * rounded / scales)

    def state(self) -> State:
        """What is followed."""
        norms = (
            {} if self._initial is None else {"grams": self._initial[2].state(), "features": self._initial[3].state()}
        )
        followed = {} if self._spectra is None else self._spectra.state()
        return {"spectra": followed, "changes": norms, "close": list(self._close)}

    def restore(self, state: State, features: list[Tensor]) -> None:
        """Take up what is followed at rows of such features."""
        grams = self._room(features)
        assert self._spectra is not None
        self._spectra.restore(part(state, "spectra"), grams.device)
        if self._initial is not None:
            self._initial[2].restore(part(part(state, "changes"), "grams"))
            self._initial[3].restore(part(part(state, "changes"), "features"))
        grams_close, features_close = state.get("close", (False, False))
        self._close = bool(grams_close), bool(features_close)


def dense_extremes(values: Array, noise: float) -> Extremes:
    """Both ends of a whole spectrum, ascending, by a backward stable solver; NaN where there is none."""
    low, high = at_least_zero(float(values[0])), float(values[-1])
    error = noise + float(resolution(high, len(values)))
    return Extremes(Interval(at_least_zero(low - error), low, low + error), Interval(high - error, high, high + error))


def of_rank(found: Extremes, n: int, width: int) -> Extremes:
    """The same, with a λ_min of exactly 0 where n exceeds the width."""
    return Extremes(Interval(0.0, 0.0, 0.0), found.largest) if n > width and found.largest.value >= 0.0 else found


def whole_spectrum(gram: NDArray[np.floating]) -> Array:
    """Eigenvalues of G, (n, n), ascending; NaN where it is not finite."""
    # Where the diagonal is finite, so is the rest (Cauchy–Schwarz).
    if not math.isfinite(float(gram.trace())):
        return np.full(len(gram), math.nan)
    return np.asarray(np.linalg.eigvalsh(gram), dtype=np.float64)
