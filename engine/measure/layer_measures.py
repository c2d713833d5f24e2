"""Everything measured layer by layer: Gram spectra, Gershgorin, distances from initialisation and Eq. 13's bounds.

Row m holds G^m (0 ≤ m ≤ L−1) and W_m (1 ≤ m ≤ L); arrays have shape (L + 1,).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.config import RunConfig
from engine.device.transfer import Arrival
from engine.measure.base import Findings, LayerValues, Measurement, RowContext, State, part
from engine.measure.gram import disc_numbers, feature_gram
from engine.measure.hidden_layers import HiddenLayers, HiddenRow, dense_extremes, of_rank, whole_spectrum
from engine.measure.hidden_layers import Launched as LaunchedLayers
from engine.measure.intervals import Extremes
from engine.measure.layer_threads import LayerThreads
from engine.measure.row_norms import RowNorms, squared_norm
from engine.measure.weight_norms import Launched as LaunchedWeights
from engine.measure.weight_norms import WeightNorms, WeightRow
from engine.model.base import Model, Pass
from engine.theory.conditioning import log10_condition, resolution
from engine.theory.eigenvalue_bounds import eq13_bounds, feature_distance
from engine.theory.gershgorin import Gershgorin

Array = NDArray[np.float64]

SPECTRUM = (
    *(f"{name}{end}" for name in ("lambda_min", "lambda_max", "log10_cond") for end in ("", "_low", "_high")),
    "lambda_resolution",
)
"""What :func:`spectrum` gives, by catalogue name."""

_DISCS = tuple(f"gersh_{field.name}" for field in fields(Gershgorin))


@dataclass(slots=True)
class _Initial:
    """The kept part of θ_0: parameters from the first update on."""

    features: list[Tensor]
    features_fro: list[float]
    activations: Array | None  # ‖u_l(0)‖ of rows, l = 1 … L−1, under renormalisation
    lambda_min: list[float]  # the certified lower end: what starts from it is to be a lower bound
    parameters: dict[str, Tensor] | None = None


@dataclass(frozen=True, slots=True)
class _Input:
    """G⁰, which never changes."""

    gram: Tensor
    values: Array  # its whole spectrum
    extremes: Extremes
    discs: Array


@dataclass(frozen=True, slots=True)
class _Launched:
    """What a row has queued."""

    layers: LaunchedLayers
    weights: LaunchedWeights
    bias_squares: Arrival  # ‖b_l − b_l(0)‖²
    input_gram: Tensor | None
    input_numbers: list[Arrival]


class LayerMeasures(Measurement):
    """The layers' table of a row. Carried from row to row is what is followed; θ_0 is kept from the first row on.

    Cost: O(L(n²·width + n³)), and two passes over the weights once they have moved.
    """

    name = "layers"
    provides = (
        *SPECTRUM, *_DISCS,
        "eq13_op", "eq13_fro", "eq13_features_op", "eq13_features", "eq13_weights",
        "weight_norm", "weight_norm_high", "weight_distance", "weight_distance_high", "distance_init",
    )  # fmt: skip
    costly = True

    def __init__(self) -> None:
        self._initial: _Initial | None = None
        self._input: _Input | None = None
        self._distance = 0.0  # ‖θ − θ_0‖
        self._bias_shifts: list[float] = []
        self._gradient_norms: list[float] = []

    def begin(self, config: RunConfig, model: Model) -> None:
        """Take the run."""
        super().begin(config, model)
        threads = LayerThreads()
        self._layers, self._weights = HiddenLayers(threads), WeightNorms(model.weights, threads)

    def variant(self) -> Hashable:
        """Whether θ_0 has been left, and what is followed how."""
        return self._input is None, self._moved is None, self._layers.variant(), self._weights.variant()

    def prepare(self, row: RowContext) -> None:
        """Fill the buffers of what is followed."""
        self._layers.prepare()

    def launch(self, row: RowContext) -> _Launched:
        """Queue Gram matrices, discs, and products with what has moved."""
        features, then, arriving = row.current.run.features, self._moved, row.transfer
        layers = self._layers.launch(features[1:], arriving, whole=row.spectra_due)
        weights = self._weights.launch(None if then is None else self._weights_of(then), arriving)
        squares = arriving.add(self._bias_squares(then))
        gram, numbers = None if self._input is None else self._input.gram, list[Arrival]()
        if gram is None:
            gram = feature_gram(features[0])
            numbers = [arriving.add(gram), arriving.add(disc_numbers(gram[None]))]
        if self.config.measure == "all":
            assert self._layers.grams is not None
            row.grams = [gram, *self._layers.grams]
        return _Launched(layers, weights, squares, gram, numbers)

    def collect(self, row: RowContext) -> Findings:
        """Measure all layers of a pass. The first call must be at θ_0."""
        launched: _Launched = row.launched[self.name]
        depth, run, norms = self.model.depth, row.current.run, row.norms
        table: dict[str, LayerValues] = {}

        def put(name: str, m: int, value: float) -> None:
            table.setdefault(name, np.full(depth + 1, np.nan))[m] = value

        hidden = self._layers.collect(launched.layers, run.features[1:])
        if self._input is None:
            self._input = _input_of(launched, run.features[0])
        for m, found in enumerate([self._input.extremes, *hidden.extremes]):
            for name, value in spectrum(found, len(run.logits)).items():
                put(name, m, value)
        for m, numbers in enumerate([self._input.discs, *hidden.discs]):
            for name, value in zip(_DISCS, numbers.tolist(), strict=True):
                put(name, m, value)
        if self._initial is None:
            fro = [math.sqrt(float((of * of).sum())) for of in norms.features]
            self._initial = _Initial(run.features, fro, norms.activations, table["lambda_min_low"][:depth].tolist())
        weights = self._weights.collect(launched.weights)
        self._bias_shifts = np.sqrt(launched.bias_squares.array()).tolist()
        self._distance = math.sqrt(float((weights.distances.frobenius**2).sum() + launched.bias_squares.array().sum()))
        for m in range(depth):
            put("weight_norm", m + 1, float(weights.norms.value[m]))
            put("weight_norm_high", m + 1, float(weights.norms.high[m]))
            put("weight_distance", m + 1, float(weights.distances.value[m]))
            put("weight_distance_high", m + 1, float(weights.distances.high[m]))
        for m, bounds in enumerate(self._bounds(run, hidden, self._feature_distances(run, norms, weights))):
            for name, value in bounds.items():
                put(name, m, value)
        whole = [self._input.values, *hidden.spectra] if row.spectra_due else []
        return Findings({"distance_init": self._distance}, table, {("G", m): of for m, of in enumerate(whole)})

    def after(self, row: RowContext) -> None:
        """Keep by how much the weights will move, for η = 1."""
        self._gradient_norms = [row.current.gradient_norms[site.weight] for site in self.model.sites]

    def before_update(self, lr: float) -> Mapping[str, float]:
        """Move the bounds; at the first time, keep θ_0, its features and Gram matrices."""
        # Parameters are copied only now so that measuring at initialisation alone needs no second set of them.
        if self._initial is not None and self._initial.parameters is None:
            self._initial.parameters = {name: value.clone() for name, value in self.model.parameters.items()}
            self._layers.keep_initial(self._initial.features[1:], self._initial.lambda_min[1:])
            self._initial.features = []
        self._weights.moved([lr * norm for norm in self._gradient_norms])
        return {}

    @property
    def _moved(self) -> dict[str, Tensor] | None:
        """θ_0, once it has been left."""
        return None if self._initial is None else self._initial.parameters

    def _weights_of(self, parameters: Mapping[str, Tensor]) -> list[Tensor]:
        return [parameters[site.weight] for site in self.model.sites]

    def _bias_squares(self, initial: Mapping[str, Tensor] | None) -> Tensor:
        """‖b_l − b_l(0)‖², l = 1 … L; nothing without biases."""
        names = [site.bias for site in self.model.sites if site.bias is not None]
        if initial is None or not names:
            return self.model.weights[0].new_zeros(len(names), dtype=torch.float64)
        return torch.stack([squared_norm(self.model.parameters[name] - initial[name]) for name in names])

    def _bounds(self, run: Pass, hidden: HiddenRow, distances: list[float]) -> list[Mapping[str, float]]:
        """Eq. 13's bounds, layer by layer; the input has not moved."""
        assert self._initial is not None
        gram, change = hidden.gram_change, hidden.feature_change
        columns = (gram.high, gram.frobenius, change.high, change.frobenius)
        moved = np.concatenate([np.zeros((4, 1)), np.stack(columns)], axis=1)
        return [
            eq13_bounds(
                self._initial.lambda_min[m],
                gram_op=moved[0, m],
                gram_fro=moved[1, m],
                features_op=moved[2, m],
                features_fro=moved[3, m],
                weights=distance / math.sqrt(run.features[m].shape[1]),
            )
            for m, distance in enumerate(distances)
        ]

    def _feature_distances(self, run: Pass, norms: RowNorms, weights: WeightRow) -> list[float]:
        """D_0 … D_{L−1}: bounds on ‖A_m − A_m(0)‖_F from the weights alone (the last bound of Eq. 13)."""
        initial, chain, depth = self._initial, run.chain, self.model.depth
        assert initial is not None
        if chain is None:
            return [math.nan] * depth
        n = run.logits.shape[0]
        bounds = [0.0]
        for index in range(depth - 1):
            shift = math.sqrt(n) * self._bias_shifts[index] if self._bias_shifts else 0.0
            stretch = 1.0
            if norms.activations is not None and initial.activations is not None:
                total = norms.activations[index] + initial.activations[index]
                with np.errstate(divide="ignore"):
                    stretch = float(np.max(2.0 * math.sqrt(run.features[index + 1].shape[1]) / total))
            bounds.append(
                feature_distance(
                    bounds[-1],
                    p1=chain.activation.p1,
                    weight_norm=float(weights.norms.high[index]),
                    weight_distance=float(weights.distances.high[index]),
                    initial_features_fro=initial.features_fro[index],
                    bias_shift=shift,
                    stretch=stretch,
                )
            )
        return bounds

    def state(self) -> State:
        """What is followed; the first row and the row's pass give the rest."""
        return {"weights": self._weights.state(), "layers": self._layers.state()}

    def restore(self, state: State, row: RowContext) -> None:
        """Take up what is followed."""
        self.after(row)
        self._weights.restore(part(state, "weights"))
        self._layers.restore(part(state, "layers"), row.current.run.features[1:])


def spectrum(found: Extremes, n: int) -> dict[str, float]:
    """The metrics of :data:`SPECTRUM` of a Gram matrix of order n; all NaN if it is not finite."""
    low, high = found.smallest, found.largest
    condition = float(log10_condition(low.value, high.value, n))
    ends = math.nan, math.nan
    if math.isfinite(condition):
        with np.errstate(divide="ignore", invalid="ignore"):
            least, most = np.log10(np.float64(high.low) / low.high), np.log10(np.float64(high.high) / low.low)
        # An infinite end is not stored: it follows from those of λ_min.
        ends = float(np.fmin(least, condition)), float(np.fmax(most, condition)) if low.low > 0.0 else math.nan
    return {
        "lambda_min": low.value, "lambda_min_low": low.low, "lambda_min_high": low.high,
        "lambda_max": high.value, "lambda_max_low": high.low, "lambda_max_high": high.high,
        "log10_cond": condition, "log10_cond_low": ends[0], "log10_cond_high": ends[1],
        "lambda_resolution": float(resolution(high.value, n)),
    }  # fmt: skip


def _input_of(launched: _Launched, features: Tensor) -> _Input:
    """The input layer, solved densely once."""
    assert launched.input_gram is not None
    gram, numbers = (of.array().astype(np.float64, copy=False) for of in launched.input_numbers)
    (n, width), values = features.shape, whole_spectrum(gram)
    extremes = dense_extremes(values, (width + 2) * float(np.finfo(np.float64).eps) / 2.0 * float(numbers[0, 6]))
    return _Input(launched.input_gram.clone(), values, of_rank(extremes, n, width), numbers[0, :6].copy())
