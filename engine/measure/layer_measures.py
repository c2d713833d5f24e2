"""Everything measured layer by layer: Gram spectra, Gershgorin, distances from initialisation and Eq. 13's bounds.

Row m holds G^m (0 ≤ m ≤ L−1) and W_m (1 ≤ m ≤ L); arrays have shape (L + 1,).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.device.transfer import Arrival, Transfer, to_host
from engine.measure.gram import Array, device_gram, feature_gram
from engine.measure.layer_features import LayerFeatures, LayerRow, Moved
from engine.measure.layer_stack import LayerStack
from engine.measure.layer_threads import LayerThreads
from engine.measure.row_norms import RowNorms, squared_norm
from engine.measure.weight_norms import WeightNorms
from engine.model.base import Model, Pass
from engine.theory.eigenvalue_bounds import feature_distance, ladder
from engine.theory.gershgorin import Gershgorin, gershgorin


@dataclass(slots=True)
class _Initial:
    """What is kept of θ_0: until the first update the features of every layer, from then on the parameters."""

    features: list[Tensor]
    features_fro: list[float]
    activations: Array | None  # ‖u_l(0)‖ of rows, l = 1 … L−1, under renormalisation
    lambda_min: list[float]  # the certified lower end: what starts from it is to be a lower bound
    parameters: dict[str, Tensor] | None = None


class LayerMeasures:
    """The layers' table of a row, with what it carries from row to row: warm starts and the initial pass.

    Args:
        model: The model in training; read only.
        keep_grams: Whether to keep the Gram matrices of the row measured last in ``grams``.
    """

    def __init__(self, model: Model, *, keep_grams: bool = False) -> None:
        self._model = model
        self._keep_grams = keep_grams
        self.grams: list[Tensor] = []
        self._initial: _Initial | None = None
        self._input: LayerRow | None = None  # the input never changes, so neither does anything of G⁰
        self._layers = [LayerFeatures() for _ in range(model.depth)]
        self._threads = LayerThreads()
        self._weights = WeightNorms(model.weights, self._threads)
        self._distance = 0.0
        self._stack = LayerStack()
        self._queues = False  # whether rows are launched
        # Of a row that has been launched: Gram matrices of layers, and ‖b_l − b_l(0)‖².
        self._arriving: list[Arrival] | None = None
        self._bias_changes: Arrival | None = None
        self._bias_shifts: list[float] = []

    def launch(self, run: Pass, transfer: Transfer) -> None:
        """Queue on the device what the layers of a pass need, to be read by :meth:`measure`.

        Args:
            run: The forward pass.
            transfer: By what the row's numbers come.
        """
        self._queues = True
        first = 0 if self._input is None else 1
        # Hidden layers are of one shape: together they take as many launches as one.
        hidden = torch.stack(run.features[1:])
        hidden_grams = device_gram(hidden)
        grams = [*map(device_gram, run.features[first:1]), *hidden_grams]
        self._arriving = [transfer.add(gram) for gram in grams]
        self._stack.launch(hidden_grams, hidden, transfer)
        if self._keep_grams:
            self.grams = [*self.grams[:first], *grams]
        initial = self._initial
        then = None if initial is None else initial.parameters
        self._weights.launch(None if then is None else self._weights_of(then), transfer)
        self._bias_changes = None if then is None else transfer.add(self._bias_squares(then))

    def measure(self, run: Pass, norms: RowNorms) -> dict[str, NDArray[np.float64]]:
        """Measure all layers of a pass. The first call must be at θ_0.

        Args:
            run: The forward pass.
            norms: Its row norms.

        Returns:
            Layer metrics by catalogue name. Cost: O(L(n²·width + n³)) with the constants of
            :mod:`engine.measure.extremes`, and one pass over the weights once they have moved.
        """
        depth = self._model.depth
        table: dict[str, NDArray[np.float64]] = {}

        def put(name: str, m: int, value: float) -> None:
            table.setdefault(name, np.full(depth + 1, np.nan))[m] = value

        rows = self._feature_rows(run)
        for m, row in enumerate(rows):
            found, discs = row.spectrum, row.discs
            put("lambda_min", m, found.lambda_min)
            put("lambda_min_lower", m, found.lambda_min_lower)
            put("lambda_max", m, found.lambda_max)
            put("lambda_max_residual", m, found.lambda_max_residual)
            put("lambda_resolution", m, found.resolution)
            put("log10_cond", m, found.log10_cond)
            put("gersh_row_sum", m, discs.row_sum)
            put("gersh_min_diag", m, discs.min_diag)
            put("gersh_max_offdiag", m, discs.max_offdiag)
            put("gersh_max_abs_offdiag", m, discs.max_abs_offdiag)
            put("gersh_lower", m, discs.lower)
            put("gersh_upper", m, discs.upper)
        if self._initial is None:
            fro = [math.sqrt(float((of * of).sum())) for of in norms.features]
            self._initial = _Initial(run.features, fro, norms.activations, table["lambda_min_lower"][:depth].tolist())
        weight_norms = self._weights.norms()
        distances = self._weight_distances()
        for m in range(depth):
            put("weight_norm", m + 1, weight_norms[m])
            put("weight_distance", m + 1, distances[m])
        for m, distance in enumerate(self._feature_distances(run, norms, weight_norms, distances)):
            moved = rows[m].moved
            rungs = ladder(
                self._initial.lambda_min[m],
                gram_op=moved.gram_op,
                gram_fro=moved.gram_fro,
                features_op=moved.features_op,
                features_fro=moved.features_fro,
                weights=distance / math.sqrt(run.features[m].shape[1]),
            )
            for name, value in rungs.items():
                put(name, m, value)
        return table

    def before_update(self, lengths: list[float]) -> None:
        """Tell that the weights are about to move; at the first time, keep θ_0 and its Gram matrices.

        They are copied only now so that measuring at initialisation alone needs no second set of weights.

        Args:
            lengths: ‖ηg_l‖_F of W_1 … W_L.
        """
        if self._initial is not None and self._initial.parameters is None:
            self._initial.parameters = {name: value.clone() for name, value in self._model.parameters.items()}
            self._keep_initial(self._initial.features[1:])
            self._initial.features = []
        self._weights.moved(lengths)

    def _keep_initial(self, hidden: list[Tensor]) -> None:
        """Tell the layers where their distances are measured from."""
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

    def parameter_distance(self) -> float:
        """‖θ − θ_0‖ over all parameters at the row measured last.

        Returns:
            The distance, 0 before the first update.
        """
        return self._distance

    def _feature_rows(self, run: Pass) -> list[LayerRow]:
        """All layers, one thread each."""
        if self._arriving is not None:
            arriving, self._arriving = self._arriving, None
            return self._read_rows(run, [arrival.array().astype(np.float64, copy=False) for arrival in arriving])
        if self._input is None:
            ((self._input, gram),) = self._on_host(self._layers[:1], run.features[:1])
            self.grams = [gram] if gram is not None else []
        found = self._on_host(self._layers[1:], run.features[1:])
        self.grams[1:] = [gram for _, gram in found if gram is not None]
        return [self._input, *(row for row, _ in found)]

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

        items = zip(range(1, self._model.depth), grams, self._stack.discs(), self._stack.moved(), strict=True)
        return [self._input, *self._threads.map(measure, list(items))]

    def _on_host(self, layers: list[LayerFeatures], features: list[Tensor]) -> list[tuple[LayerRow, Tensor | None]]:
        """Layers with their Gram matrices, if they are kept; else no more are held at once than there are threads."""

        def measure(pair: tuple[LayerFeatures, Tensor]) -> tuple[LayerRow, Tensor | None]:
            layer, a = pair
            gram = feature_gram(a)
            host, rows = to_host([gram, a])
            return layer.measure(host.astype(np.float64, copy=False), rows), gram if self._keep_grams else None

        return self._threads.map(measure, list(zip(layers, features, strict=True)))

    def _weight_distances(self) -> list[float]:
        """‖W_l − W_l(0)‖₂, l = 1 … L; and the distance of all parameters, kept for :meth:`parameter_distance`."""
        depth, initial = self._model.depth, self._initial
        if initial is None or initial.parameters is None:
            return [0.0] * depth
        distances, squares = self._weights.distances(self._weights_of(initial.parameters))
        arriving = self._bias_changes or Transfer().add(self._bias_squares(initial.parameters))
        self._bias_shifts = np.sqrt(arriving.array()).tolist()
        self._distance = math.sqrt(sum(squares) + float(arriving.array().sum()))
        self._bias_changes = None
        return distances

    def _weights_of(self, parameters: Mapping[str, Tensor]) -> list[Tensor]:
        return [parameters[site.weight] for site in self._model.sites]

    def _bias_squares(self, initial: Mapping[str, Tensor]) -> Tensor:
        """‖b_l − b_l(0)‖², l = 1 … L; nothing without biases."""
        names = [site.bias for site in self._model.sites if site.bias is not None]
        changes = [squared_norm(self._model.parameters[name] - initial[name]) for name in names]
        return torch.stack(changes) if changes else self._model.weights[0].new_empty(0, dtype=torch.float64)

    def _feature_distances(
        self, run: Pass, norms: RowNorms, weight_norms: list[float], distances: list[float]
    ) -> list[float]:
        """D_0 … D_{L−1}: bounds on ‖A_m − A_m(0)‖_F from the weights alone (THEORY's recursion for Eq. 13)."""
        initial, chain, depth = self._initial, run.chain, self._model.depth
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

    def state(self) -> dict[str, Tensor]:
        """What is carried from row to row, beyond what initialisation and the row's pass give.

        Returns:
            Tensors by name, for :meth:`restore`.
        """
        carried = {f"weights.{name}": held for name, held in self._weights.state().items()}
        carried |= {f"stack.{name}": held for name, held in self._stack.state().items()}
        for m, layer in enumerate(self._layers):
            carried |= {f"layer.{m}.{name}": torch.from_numpy(held) for name, held in layer.state().items()}
        return carried

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take up what :meth:`state` gave.

        Args:
            state: Tensors by name.
        """
        self._weights.restore(
            {name.removeprefix("weights."): held for name, held in state.items() if name.startswith("weights.")}
        )
        self._stack.restore(
            {name.removeprefix("stack."): held for name, held in state.items() if name.startswith("stack.")}
        )
        for m, layer in enumerate(self._layers):
            prefix = f"layer.{m}."
            layer.restore(
                {name[len(prefix) :]: held.cpu().numpy() for name, held in state.items() if name.startswith(prefix)}
            )
