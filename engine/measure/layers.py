"""Everything measured layer by layer: Gram spectra, Gershgorin, distances from initialisation and Eq. 13's bounds.

Row m holds G^m (0 ≤ m ≤ L−1) and W_m (1 ≤ m ≤ L); arrays have shape (L + 1,).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.measure.gram import GershgorinDiscs, GramSpectrum, feature_gram, gershgorin, spectrum
from engine.measure.lanczos import spectral_norm_upper
from engine.measure.sample_gradients import squared_row_norms
from engine.network import Forward, Network
from engine.theory.eigenvalue_bounds import feature_distance, ladder


@dataclass(slots=True)
class _Initial:
    """What is kept of θ_0: the features of every layer, and from the first update on also parameters and Grams."""

    features: list[Tensor]
    feature_norms: list[NDArray[np.float64]] | None  # ‖u_l(0)‖ of rows, l = 1 … L−1, under renormalisation
    lambda_min: list[float]
    parameters: list[Tensor] | None = None
    grams: list[Tensor] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Moved:
    """How far one layer's Gram matrix and features have moved from initialisation."""

    gram_op: float = 0.0
    gram_fro: float = 0.0
    features_op: float = 0.0
    features_fro: float = 0.0


class LayerMeasures:
    """The layers' table of a row, with what it carries from row to row: warm starts and the initial pass.

    Args:
        network: The network in training; read only.
        keep_grams: Whether to keep the Gram matrices of the row measured last in ``grams``.
    """

    def __init__(self, network: Network, *, keep_grams: bool = False) -> None:
        self._network = network
        self._keep_grams = keep_grams
        self.grams: list[Tensor] = []
        self._initial: _Initial | None = None
        # The input never changes, so neither do G⁰, its spectrum and its discs.
        self._input: tuple[GramSpectrum, GershgorinDiscs] | None = None
        self._warm: dict[tuple[str, int], Tensor] = {}

    def measure(self, run: Forward) -> dict[str, NDArray[np.float64]]:
        """Measure all layers of a pass. The first call must be at θ_0.

        Args:
            run: The forward pass.

        Returns:
            Layer metrics by catalogue name. Cost: O(L(n²·width + n³ + width²)), without the products of unmoved
            layers.
        """
        depth = self._network.depth
        table: dict[str, NDArray[np.float64]] = {}

        def put(name: str, m: int, value: float) -> None:
            table.setdefault(name, np.full(depth + 1, np.nan))[m] = value

        moved = []
        self.grams = self.grams[:1]  # G⁰ never changes
        for m, a in enumerate(run.inputs):
            found, discs, change = self._gram_layer(m, a)
            moved.append(change)
            put("lambda_min", m, found.lambda_min)
            put("lambda_max", m, found.lambda_max)
            put("lambda_resolution", m, found.resolution)
            put("log10_cond", m, found.log10_cond)
            put("gersh_row_sum", m, discs.row_sum)
            put("gersh_min_diag", m, discs.min_diag)
            put("gersh_max_offdiag", m, discs.max_offdiag)
            put("gersh_max_abs_offdiag", m, discs.max_abs_offdiag)
            put("gersh_lower", m, discs.lower)
            put("gersh_upper", m, discs.upper)
        if self._initial is None:
            self._initial = _Initial(run.inputs, self._feature_norms(run), table["lambda_min"][:depth].tolist())
        norms, distances = self._weight_norms()
        for m in range(depth):
            put("weight_norm", m + 1, norms[m])
            put("weight_distance", m + 1, distances[m])
        for m, distance in enumerate(self._feature_distances(run, norms, distances)):
            change = moved[m]
            rungs = ladder(
                self._initial.lambda_min[m],
                gram_op=change.gram_op,
                gram_fro=change.gram_fro,
                features_op=change.features_op,
                features_fro=change.features_fro,
                weights=distance / math.sqrt(run.inputs[m].shape[1]),
            )
            for name, value in rungs.items():
                put(name, m, value)
        return table

    def keep_initial(self) -> None:
        """Keep θ_0 and its Gram matrices: called before an update, of which only the first matters.

        They are copied only now so that measuring at initialisation alone needs no second set of weights.
        """
        if self._initial is not None and self._initial.parameters is None:
            self._initial.parameters = [parameter.clone() for parameter in self._network.parameters()]
            self._initial.grams = [feature_gram(a) for a in self._initial.features[1:]]

    def state(self) -> dict[str, Tensor]:
        """Return the warm starts by name and layer; what is kept of θ_0 is computed again and not part of it."""
        return {f"{what}.{m}": vector for (what, m), vector in self._warm.items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on as after the row of a state; θ_0 has been measured.

        Args:
            state: What :meth:`state` gave after that row.
        """
        named = {name.rpartition("."): vector for name, vector in state.items()}
        self._warm = {(what, int(m)): vector for (what, _, m), vector in named.items()}

    def parameter_distance(self) -> float:
        """‖θ − θ_0‖ over all parameters, summed in float64.

        Returns:
            The distance, 0 before the first update.
        """
        if self._initial is None or self._initial.parameters is None:
            return 0.0
        pairs = zip(self._network.parameters(), self._initial.parameters, strict=True)
        squares = [torch.linalg.vector_norm(now - then, dtype=torch.float64).square() for now, then in pairs]
        return math.sqrt(float(torch.stack(squares).sum()))

    def _gram_layer(self, m: int, a: Tensor) -> tuple[GramSpectrum, GershgorinDiscs, _Moved]:
        if m == 0 and self._input is not None:
            return *self._input, _Moved()
        gram = feature_gram(a)
        if self._keep_grams:
            self.grams.append(gram)
        found, discs = spectrum(gram, a.shape[1]), gershgorin(gram)
        if m == 0:
            self._input = found, discs
            return found, discs, _Moved()
        initial = self._initial
        if initial is None or initial.parameters is None:
            return found, discs, _Moved()
        change = gram - initial.grams[m - 1]
        features = (a.to(torch.float64) - initial.features[m].to(torch.float64)) / math.sqrt(a.shape[1])
        return (
            found,
            discs,
            _Moved(
                gram_op=self._norm("gram", m, change),
                gram_fro=float(torch.linalg.vector_norm(change)),
                features_op=self._norm("features", m, features),
                features_fro=float(torch.linalg.vector_norm(features)),
            ),
        )

    def _weight_norms(self) -> tuple[list[float], list[float]]:
        """‖W_l‖₂ and ‖W_l − W_l(0)‖₂, l = 1 … L."""
        initial = self._initial.parameters if self._initial is not None else None
        norms, distances = [], []
        for index, weight in enumerate(self._network.weights):
            w = weight.to(torch.float64)
            norms.append(self._norm("weight", index, w))
            distances.append(
                0.0 if initial is None else self._norm("distance", index, w - initial[index].to(torch.float64))
            )
        return norms, distances

    def _feature_distances(self, run: Forward, norms: list[float], distances: list[float]) -> list[float]:
        """D_0 … D_{L−1}: bounds on ‖A_m − A_m(0)‖_F from the weights alone (THEORY's recursion for Eq. 13)."""
        initial = self._initial
        assert initial is not None
        network, n = self._network, run.output.shape[0]
        now = self._feature_norms(run)
        bounds = [0.0]
        for index in range(network.depth - 1):
            shift = 0.0
            if network.biases is not None and initial.parameters is not None:
                change = network.biases[index] - initial.parameters[network.depth + index]
                shift = math.sqrt(n) * float(torch.linalg.vector_norm(change, dtype=torch.float64))
            stretch = 1.0
            if now is not None and initial.feature_norms is not None:
                total = now[index] + initial.feature_norms[index]
                with np.errstate(divide="ignore"):
                    stretch = float(np.max(2.0 * math.sqrt(run.inputs[index + 1].shape[1]) / total))
            bounds.append(
                feature_distance(
                    bounds[-1],
                    p1=network.activation.p1,
                    weight_norm=norms[index],
                    weight_distance=distances[index],
                    initial_features_fro=float(torch.linalg.vector_norm(initial.features[index], dtype=torch.float64)),
                    bias_shift=shift,
                    stretch=stretch,
                )
            )
        return bounds

    def _feature_norms(self, run: Forward) -> list[NDArray[np.float64]] | None:
        return None if run.scales is None else [feature_norms(run, m) for m in range(1, len(run.inputs))]

    def _norm(self, what: str, m: int, matrix: Tensor) -> float:
        # Float32 weights are not known better than this; widening by it costs the bounds nothing that can be seen.
        tolerance = 1e-7 if self._network.weights[0].dtype == torch.float32 else 1e-9
        start = self._warm.get((what, m))
        value, self._warm[what, m] = spectral_norm_upper(matrix, start, tolerance=tolerance)
        return value


def feature_norms(run: Forward, m: int) -> NDArray[np.float64]:
    """‖u_m‖ of every row, before renormalisation.

    Args:
        run: The forward pass.
        m: Layer, 1 … L−1.

    Returns:
        Shape (n,), float64.
    """
    if run.scales is None:
        return np.asarray(squared_row_norms(run.inputs[m]).sqrt().cpu())
    scale = run.scales[m - 1].squeeze(-1).to(torch.float64).cpu().numpy()
    with np.errstate(divide="ignore"):
        return np.asarray(np.where(scale > 0, math.sqrt(run.inputs[m].shape[1]) / scale, 0.0))
