"""Hidden layers on a device, all together: their discs, and how far they have moved, queued and read later.

What :mod:`engine.measure.layer_features` does for one layer on the host, so that only Gram matrices have to be fetched,
and neither features nor anything of the size of a Gram matrix is touched there a second time. Spectral norms are
followed by a fixed number of products (:mod:`engine.measure.krylov`).

Shapes: m layers; G (m, n, n) float64, A (m, n, width).
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

from engine.device.transfer import Arrival, Host, Transfer, to_host
from engine.measure.base import State, part, vector
from engine.measure.extremes import DENSE_NORM_BELOW
from engine.measure.krylov import Sweep, launch, normal_products
from engine.measure.layer_features import Moved
from engine.measure.subspace import probe
from engine.theory.gershgorin import Gershgorin

_TOLERANCE = 1e-2
# Fewer than the least order: no basis is ever full.
_PRODUCTS, _COLD_PRODUCTS = 4, 24


class LayerStack:
    """Follows layers of one shape from row to row."""

    def __init__(self) -> None:
        self._initial: tuple[Tensor, Tensor] | None = None
        self._vectors: dict[str, Tensor] = {}
        self._discs: Arrival | None = None
        self._lengths: Arrival | None = None
        self._features: Arrival | None = None
        self._sweeps: dict[str, Sweep] = {}

    def keep_initial(self, grams: Tensor, features: Tensor) -> None:
        """Keep G and A of initialisation: distances are measured from them."""
        self._initial = grams, features

    def launch(self, grams: Tensor, features: Tensor, transfer: Transfer) -> None:
        """Queue a row with these G and A."""
        self._discs = transfer.add(discs_of(grams))
        self._sweeps, self._lengths, self._features = {}, None, None
        n, width = features.shape[1:]
        if self._initial is None:
            return
        if min(n, width) < DENSE_NORM_BELOW:
            self._features = transfer.add(features)
            return
        dg = grams - self._initial[0]
        df = (features.double() - self._initial[1].double()) / math.sqrt(width)
        self._lengths = transfer.add(torch.stack([torch.linalg.vector_norm(d, dim=(1, 2)) for d in (dg, df)], dim=1))
        tall = df if n >= width else df.mT
        for name, matrix in (("gram", dg), ("features", tall)):
            known = self._vectors.get(name)
            if known is not None and known.shape != matrix.shape[::2]:
                known = None  # of another run
            starts = _probes(matrix) if known is None else known
            products = _COLD_PRODUCTS if known is None else _PRODUCTS
            self._sweeps[name] = launch(functools.partial(normal_products, matrix), starts, products, transfer)

    def discs(self) -> list[Gershgorin]:
        """The discs of each layer, of the row that was queued."""
        assert self._discs is not None
        return [Gershgorin(*numbers) for numbers in self._discs.array().tolist()]

    def moved(self) -> list[Moved | None]:
        """How far each layer has moved; None where products did not suffice or the dense solver is as cheap."""
        assert self._discs is not None
        count = len(self._discs.array())
        if self._initial is None:
            return [Moved()] * count
        if self._lengths is None:
            return [None] * count
        norms = {name: self._norms(name, sweep) for name, sweep in self._sweeps.items()}
        found: list[Moved | None] = []
        for layer, (gram_fro, features_fro) in enumerate(self._lengths.array().tolist()):
            gram_op, features_op = norms["gram"][layer], norms["features"][layer]
            if not (math.isfinite(gram_fro) and math.isfinite(features_fro)):
                found.append(Moved(math.nan, gram_fro, math.nan, features_fro))
            elif gram_op is None or features_op is None:
                found.append(None)
            else:
                found.append(Moved(gram_op, gram_fro, features_op, features_fro))
        return found

    def features(self, layer: int, a: Tensor) -> Host:
        """A of a layer on the host, (n, width); fetched only now unless that was foreseen."""
        return to_host([a])[0] if self._features is None else self._features.array()[layer]

    def _norms(self, name: str, sweep: Sweep) -> list[float | None]:
        """√(θ + residual) where it has converged; the vectors are kept as starts either way."""
        pairs = sweep.ritz("largest")
        self._vectors[name] = sweep.vectors(pairs)
        return [
            math.sqrt(pair.value + pair.residual)
            if pair is not None and pair.residual <= _TOLERANCE * pair.value
            else None
            for pair in pairs
        ]

    def state(self) -> State:
        """Singular vectors of every layer, by what has moved."""
        return {name: {str(m): one for m, one in enumerate(stack)} for name, stack in self._vectors.items()}

    def restore(self, state: State, n: int, width: int) -> None:
        """Take up singular vectors of layers with n rows of features of this width."""
        self._vectors = {}
        for name, length in (("gram", n), ("features", min(n, width))):
            held = part(state, name)
            found = [one for m in range(len(held)) if (one := vector(held, str(m), length)) is not None]
            if found:
                self._vectors[name] = torch.stack(found)


def discs_of(grams: Tensor) -> Tensor:
    """The fields of :class:`engine.theory.gershgorin.Gershgorin` of each G, (m, 6), in their order."""
    diagonal = grams.diagonal(dim1=1, dim2=2)
    off = grams.clone()
    off.diagonal(dim1=1, dim2=2).fill_(-math.inf)
    largest = off.amax(dim=(1, 2))
    off.diagonal(dim1=1, dim2=2).zero_()
    off.abs_()
    largest_abs, radii = off.amax(dim=(1, 2)), off.sum(dim=2)
    if diagonal.shape[1] == 1:
        largest = largest_abs = torch.full_like(largest, math.nan)
    numbers = [radii.amax(dim=1), diagonal.amin(dim=1), largest, largest_abs]
    return torch.stack([*numbers, (diagonal - radii).amin(dim=1), (diagonal + radii).amax(dim=1)], dim=1)


def _probes(matrices: Tensor) -> Tensor:
    """The same start for each matrix."""
    return torch.from_numpy(probe(matrices.shape[2])).to(matrices).expand(len(matrices), -1)
