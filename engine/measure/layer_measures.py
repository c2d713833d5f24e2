"""Everything measured layer by layer: Gram spectra, Gershgorin, distances from initialisation and Eq. 13's bounds.

Row m holds G^m (0 ≤ m ≤ L−1) and W_m (1 ≤ m ≤ L); arrays have shape (L + 1,).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

import numpy as np
import torch
from torch import Tensor

from engine.config import RunConfig
from engine.device import transfer
from engine.device.transfer import Arrival, Transfer, to_host
from engine.measure.base import Findings, LayerValues, Measurement, RowContext, State, part
from engine.measure.gram import SPECTRUM, Array, device_gram, feature_gram
from engine.measure.layer_features import LayerFeatures, LayerRow, Moved
from engine.measure.layer_stack import LayerStack
from engine.measure.layer_threads import LayerThreads
from engine.measure.row_norms import RowNorms, squared_norm
from engine.measure.weight_norms import WeightNorms
from engine.model.base import Model, Pass
from engine.theory.eigenvalue_bounds import eq13_bounds, feature_distance
from engine.theory.gershgorin import Gershgorin, gershgorin


@dataclass(slots=True)
class _Initial:
    """The kept part of θ_0: until the first update the features of every layer, from then on the parameters."""

    features: list[Tensor]
    features_fro: list[float]
    activations: Array | None  # ‖u_l(0)‖ of rows, l = 1 … L−1, under renormalisation
    lambda_min: list[float]  # the certified lower end: what starts from it is to be a lower bound
    parameters: dict[str, Tensor] | None = None


class LayerMeasures(Measurement):
    """The layers' table of a row. Carried from row to row are warm starts; θ_0 is kept from the first row on.

    Cost: O(L(n²·width + n³)) with the constants of :mod:`engine.measure.extremes`, and one pass over the weights once
    they have moved.

    Args:
        weights_loose: By what share a bound on ‖W‖₂ may become too large before it is found anew.
        distances_loose: The same for ‖W − W(0)‖₂.
    """

    name = "layers"
    provides = (
        *SPECTRUM,
        *(f"gersh_{field.name}" for field in fields(Gershgorin)),
        "eq13_op", "eq13_fro", "eq13_features_op", "eq13_features", "eq13_weights",
        "weight_norm", "weight_distance", "distance_init",
    )  # fmt: skip
    costly = True

    def __init__(self, *, weights_loose: float = 1e-2, distances_loose: float = 5e-2) -> None:
        self._loose = weights_loose, distances_loose
        self._initial: _Initial | None = None
        self._input: LayerRow | None = None  # the input never changes, so neither does anything of G⁰
        self._input_gram: Tensor | None = None
        self._threads = LayerThreads()
        self._distance = 0.0  # ‖θ − θ_0‖
        self._stack = LayerStack()
        self._queues = False  # whether rows are launched
        # Of a row that has been launched: Gram matrices of layers, and ‖b_l − b_l(0)‖².
        self._arriving: list[Arrival] | None = None
        self._bias_changes: Arrival | None = None
        self._bias_shifts: list[float] = []
        self._gradient_norms: list[float] = []

    def begin(self, config: RunConfig, model: Model) -> None:
        """Take the run."""
        super().begin(config, model)
        self._layers = [LayerFeatures() for _ in range(model.depth)]
        self._weights = WeightNorms(model.weights, self._threads, *self._loose)

    def launch(self, row: RowContext) -> None:
        """Queue Gram matrices, and products with what has moved."""
        if not transfer.runs_ahead(row.current.run.logits.device):
            return
        self._queues = True
        run, arriving = row.current.run, row.transfer
        first = 0 if self._input is None else 1
        # Hidden layers are of one shape: together they take as many launches as one.
        hidden = torch.stack(run.features[1:])
        hidden_grams = device_gram(hidden)
        grams = [*map(device_gram, run.features[first:1]), *hidden_grams]
        self._arriving = [arriving.add(gram) for gram in grams]
        self._stack.launch(hidden_grams, hidden, arriving)
        if self._keeps_grams:
            self._input_gram = grams[0] if self._input_gram is None else self._input_gram
            row.grams = [self._input_gram, *hidden_grams]
        then = None if self._initial is None else self._initial.parameters
        self._weights.launch(None if then is None else self._weights_of(then), arriving)
        self._bias_changes = None if then is None else arriving.add(self._bias_squares(then))

    def collect(self, row: RowContext) -> Findings:
        """Measure all layers of a pass. The first call must be at θ_0."""
        depth, run, norms = self.model.depth, row.current.run, row.norms
        table: dict[str, LayerValues] = {}

        def put(name: str, m: int, value: float) -> None:
            table.setdefault(name, np.full(depth + 1, np.nan))[m] = value

        rows = self._feature_rows(row)
        for m, of in enumerate(rows):
            for name, value in (
                of.spectrum | {f"gersh_{name}": value for name, value in asdict(of.discs).items()}
            ).items():
                put(name, m, value)
        if self._initial is None:
            fro = [math.sqrt(float((of * of).sum())) for of in norms.features]
            self._initial = _Initial(run.features, fro, norms.activations, table["lambda_min_low"][:depth].tolist())
        weight_norms = self._weights.norms()
        distances = self._weight_distances()
        for m in range(depth):
            put("weight_norm", m + 1, weight_norms[m])
            put("weight_distance", m + 1, distances[m])
        for m, distance in enumerate(self._feature_distances(run, norms, weight_norms, distances)):
            moved = rows[m].moved
            bounds = eq13_bounds(
                self._initial.lambda_min[m],
                gram_op=moved.gram_op,
                gram_fro=moved.gram_fro,
                features_op=moved.features_op,
                features_fro=moved.features_fro,
                weights=distance / math.sqrt(run.features[m].shape[1]),
            )
            for name, value in bounds.items():
                put(name, m, value)
        return Findings({"distance_init": self._distance}, table)

    def after(self, row: RowContext) -> None:
        """Keep by how much the weights will move, for η = 1."""
        self._gradient_norms = [row.current.gradient_norms[site.weight] for site in self.model.sites]

    def before_update(self, lr: float) -> Mapping[str, float]:
        """Move the bounds; at the first time, keep θ_0, its features and Gram matrices."""
        # They are copied only now so that measuring at initialisation alone needs no second set of weights.
        if self._initial is not None and self._initial.parameters is None:
            self._initial.parameters = {name: value.clone() for name, value in self.model.parameters.items()}
            self._keep_initial(self._initial.features[1:])
            self._initial.features = []
        self._weights.moved([lr * norm for norm in self._gradient_norms])
        return {}

    @property
    def _keeps_grams(self) -> bool:
        return self.config.measure == "all"

    def _keep_initial(self, hidden: list[Tensor]) -> None:
        """Keep what distances of features and Gram matrices are measured from."""
        if self._queues:
            stack = torch.stack(hidden)
            grams = device_gram(stack)
            self._stack.keep_initial(grams, stack)
            # Copies, because what was fetched together is let go together.
            arrays = [array.copy() for array in to_host([*grams, *hidden])]
        else:
            arrays = to_host([*map(feature_gram, hidden), *hidden])
        count = len(hidden)
        for layer, gram, a in zip(self._layers[1:], arrays[:count], arrays[count:], strict=True):
            layer.keep_initial(gram.astype(np.float64, copy=False), a)

    def _feature_rows(self, row: RowContext) -> list[LayerRow]:
        """All layers, one thread each."""
        run = row.current.run
        if self._arriving is not None:
            arriving, self._arriving = self._arriving, None
            return self._read_rows(run, [arrival.array().astype(np.float64, copy=False) for arrival in arriving])
        if self._input is None:
            ((self._input, self._input_gram),) = self._on_host(self._layers[:1], run.features[:1])
        found = self._on_host(self._layers[1:], run.features[1:])
        row.grams = [gram for gram in (self._input_gram, *(gram for _, gram in found)) if gram is not None]
        return [self._input, *(of for of, _ in found)]

    def _read_rows(self, run: Pass, grams: list[Array]) -> list[LayerRow]:
        """All layers of a row that was queued."""
        if self._input is None:
            gram, *grams = grams
            self._input = self._layers[0].complete(gram, run.features[0].shape[1], gershgorin(gram), Moved())

        def measure(item: tuple[int, Array, Gershgorin, Moved | None]) -> LayerRow:
            m, gram, discs, moved = item
            layer, a = self._layers[m], run.features[m]
            if moved is None:
                moved = layer.moved(gram, self._stack.features(m - 1, a))
            return layer.complete(gram, a.shape[1], discs, moved)

        items = zip(range(1, self.model.depth), grams, self._stack.discs(), self._stack.moved(), strict=True)
        return [self._input, *self._threads.map(measure, list(items))]

    def _on_host(self, layers: list[LayerFeatures], features: list[Tensor]) -> list[tuple[LayerRow, Tensor | None]]:
        """Layers with their Gram matrices, if they are kept; else no more are held at once than there are threads."""

        def measure(pair: tuple[LayerFeatures, Tensor]) -> tuple[LayerRow, Tensor | None]:
            layer, a = pair
            gram = feature_gram(a)
            host, rows = to_host([gram, a])
            return layer.measure(host.astype(np.float64, copy=False), rows), gram if self._keeps_grams else None

        return self._threads.map(measure, list(zip(layers, features, strict=True)))

    def _weight_distances(self) -> list[float]:
        """‖W_l − W_l(0)‖₂, l = 1 … L; keeps the distance of all parameters."""
        depth, initial = self.model.depth, self._initial
        if initial is None or initial.parameters is None:
            return [0.0] * depth
        distances, squares = self._weights.distances(self._weights_of(initial.parameters))
        arriving = self._bias_changes or Transfer().add(self._bias_squares(initial.parameters))
        self._bias_shifts = np.sqrt(arriving.array()).tolist()
        self._distance = math.sqrt(sum(squares) + float(arriving.array().sum()))
        self._bias_changes = None
        return distances

    def _weights_of(self, parameters: Mapping[str, Tensor]) -> list[Tensor]:
        return [parameters[site.weight] for site in self.model.sites]

    def _bias_squares(self, initial: Mapping[str, Tensor]) -> Tensor:
        """‖b_l − b_l(0)‖², l = 1 … L; nothing without biases."""
        names = [site.bias for site in self.model.sites if site.bias is not None]
        changes = [squared_norm(self.model.parameters[name] - initial[name]) for name in names]
        return torch.stack(changes) if changes else self.model.weights[0].new_empty(0, dtype=torch.float64)

    def _feature_distances(
        self, run: Pass, norms: RowNorms, weight_norms: list[float], distances: list[float]
    ) -> list[float]:
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
                    weight_norm=weight_norms[index],
                    weight_distance=distances[index],
                    initial_features_fro=initial.features_fro[index],
                    bias_shift=shift,
                    stretch=stretch,
                )
            )
        return bounds

    def state(self) -> State:
        """Warm starts; the first row and the row's pass give the rest."""
        return {
            "weights": self._weights.state(),
            "stack": self._stack.state(),
            "layer": {str(m): layer.state() for m, layer in enumerate(self._layers)},
        }

    def restore(self, state: State, row: RowContext) -> None:
        """Take up warm starts."""
        features = row.current.run.features
        self.after(row)
        self._weights.restore(part(state, "weights"))
        self._stack.restore(part(state, "stack"), *features[-1].shape)
        for m, layer in enumerate(self._layers):
            layer.restore(part(part(state, "layer"), str(m)), *features[m].shape)
