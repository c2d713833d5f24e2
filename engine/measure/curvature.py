"""λ_max of the Hessian along a run, by Rayleigh–Ritz in a subspace that begins with what is known of the row."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.device.transfer import Arrival, to_host
from engine.measure.base import Findings, Measurement, RowContext, State, number, part, vector
from engine.measure.ritz_space import RitzSpace, ritz_pairs
from engine.model.base import BlockProduct, Pass

# Vectors that are followed: where two cross, the second has been there before.
_KEPT = 3
# Residuals by which a subspace is extended at once: those of the top Ritz pairs.
_WIDTH = 2
# Extensions of a row at least, and as planned at most.
_LEAST, _PLANNED = 1, 4
# Most products of a first row, and the residual at which it counts as converged.
_COLD_PRODUCTS, _COLD_TOLERANCE = 60, 5e-3
# The error that residual² over the gap suggests, and the least gap, relative; measured errors are a tenth of it.
_ERROR = 5e-3
_ROOM = 14
_ROOM_BYTES = 4 << 30
_COUNTED = 3
# Share of a fixed random vector beside the unit change of the gradient.
_NOISE = 0.3
# Rounding of a quotient: multiples of the largest |⟨u, Hv⟩ − ⟨v, Hu⟩| that products show, and of eps·‖T‖.
_ASYMMETRY = 8.0
_ROUNDING = 32.0


@dataclass(frozen=True, slots=True)
class _Queued:
    """What a launched row leaves.

    Attributes:
        product: The Hessian.
        size: Dimension of the subspace.
        small, numbers: The small matrices; the top Ritz value and its residual.
    """

    product: BlockProduct
    size: int
    small: Arrival
    numbers: Arrival


class Curvature(Measurement):
    """Largest eigenvalue of ∇²f (not the largest in modulus), and how many eigenvalues exceed 2/η at least.

    The subspace of a row begins with the last row's top Ritz vectors, Jᵀ of the top Gauss–Newton vector where K is
    measured, and the change of the gradient along the step, which is a product with a mean Hessian; with a share of a
    fixed random vector, so that no eigenvector is out of reach. It is extended by residuals as often as it had to be
    at the row before, and on the host, in the same row, where that is not enough.

    Cost: Hessian products, several at once: seven where the run is calm, more where λ_max jumps.

    Args:
        tolerance: Residual above which λ_max does not count as found, relative. Its error is of the order of the square
            of the residual over the spectral gap, so that a small gap asks for less.
        products: Most products at a row that follows another.
    """

    name = "curvature"
    provides = ("smoothness_hessian", "smoothness_hessian_low", "smoothness_hessian_residual", "unstable_directions")
    measured_in = "all"
    costly = True

    def __init__(self, *, tolerance: float = 4.5e-2, products: int = 30) -> None:
        self._tolerance, self._most = tolerance, products
        self.products = 0
        self._space: RitzSpace | None = None
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._kept, self._extensions, self._pulls = 0, 0, False

    @property
    def eigenvector(self) -> Tensor | None:
        """A copy of the unit Ritz vector found last, (parameters,)."""
        return self._vectors[0].clone() if self._kept else None

    def variant(self) -> Hashable:
        """What is known of the row before, and how often the subspace is extended."""
        return self._kept, self._pulls, self._extensions

    def prepare(self, row: RowContext) -> None:
        """Make the buffers, once."""
        if self._space is None:
            like, order = next(iter(self.model.parameters.values())), self.model.dimension
            least = _KEPT + 2 + _WIDTH
            room = max(least, min(_ROOM, _ROOM_BYTES // (2 * order * like.element_size())))
            self._vectors = like.new_zeros(_KEPT, order)
            self._space = RitzSpace(room, like, order, self._vectors)
            noise = torch.randn(order, generator=torch.Generator(device="cpu").manual_seed(0), dtype=torch.float32)
            self._noise = (noise * (_NOISE / float(noise.norm()))).to(like)
            self._cotangent = like.new_zeros(len(row.data.y_train), row.data.classes)

    def launch(self, row: RowContext) -> _Queued:
        """Products, and the top Ritz pairs."""
        current, space = row.current, self._space
        assert space is not None
        product = current.run.hessian_product(current.signals, current.rows)
        starts = list(self._vectors[: self._kept])
        cotangent = row.gauss_newton_vector
        if cotangent is None and self._pulls:
            cotangent = self._cotangent
        if cotangent is not None:
            starts.append(_pulled_back(current.run, cotangent))
        change = _flat(current.gradients)
        if row.gradients_before is not None:
            change -= _flat(row.gradients_before)
        change /= torch.linalg.vector_norm(change).clamp(min=torch.finfo(change.dtype).tiny)
        starts.append(change.add_(self._noise))
        starts = starts[: space.order]
        space.start(starts, product)
        for _ in range(self._extensions):
            if space.size + _WIDTH <= min(space.room, space.order):
                space.extend(_WIDTH, product)
        numbers = row.transfer.add(space.ritz(min(_KEPT, space.size)))
        return _Queued(product, space.size, row.transfer.add(space.small()), numbers)

    def collect(self, row: RowContext) -> Findings:
        """The top Ritz value, its residual, and how many Ritz values exceed 2/η; extends the subspace if it has to."""
        queued, space = row.launched[self.name], self._space
        assert isinstance(queued, _Queued)
        assert space is not None
        space.size = products = queued.size
        found = _Pairs.read(queued.small.array(), queued.numbers.array(), space.epsilon)
        cold, exact, extensions, at_once = self._kept == 0, row.gauss_newton_vector, self._extensions, True
        tolerance = min(self._tolerance, _COLD_TOLERANCE) if cold else self._tolerance
        most = max(self._most, _COLD_PRODUCTS) if cold else self._most
        while found.finite and products < most:
            if found.converged(tolerance) and extensions >= _LEAST:
                break
            width = min(_WIDTH, space.order - space.size, space.size)
            if width == 0:  # the subspace is all
                break
            if space.size + width > space.room:
                space.restart(_KEPT)
            if exact is not None:
                space.include(_pulled_back(row.current.run, exact), queued.product)
                exact, products = None, products + 1
            space.extend(width, queued.product)
            products, extensions, at_once = products + width, extensions + 1, False
            small, numbers = to_host([space.small(), space.ritz(min(_KEPT, space.size))])
            found = _Pairs.read(small, numbers, space.epsilon)
        self.products = products
        if not found.finite:
            self._begin_anew()
            return Findings()
        if row.gauss_newton_vector is not None:
            self._pulls = True
            self._cotangent.copy_(row.gauss_newton_vector)
        self._kept = min(_KEPT, space.size)
        self._extensions = max(_LEAST, extensions - 1) if at_once or cold else min(extensions, _PLANNED)
        self._extensions = min(self._extensions, _PLANNED)
        unstable = found.values - found.rounding > 2.0 / row.lr
        return Findings({
            "smoothness_hessian": found.value,
            "smoothness_hessian_low": found.value - found.rounding,
            "smoothness_hessian_residual": found.residual,
            "unstable_directions": float(min(int(unstable.sum()), _COUNTED)),
        })  # fmt: skip

    def state(self) -> State:
        """The top Ritz vectors, and what decides about the next row."""
        if not self._kept:
            return {}
        vectors = {str(i): one for i, one in enumerate(self._vectors[: self._kept])}
        cotangent = {"cotangent": self._cotangent.view(-1)} if self._pulls else {}
        return {"vectors": vectors, "extensions": self._extensions, **cotangent}

    def restore(self, state: State, row: RowContext) -> None:
        """Take up a state; without Ritz vectors the next row begins anew."""
        self._begin_anew()
        if "vectors" not in state:
            return
        self.prepare(row)
        held = part(state, "vectors")
        for i in range(min(len(held), _KEPT)):
            one = vector(held, str(i), self.model.dimension)
            if one is None:
                raise ValueError(f"vector {i} is missing")
            self._vectors[i].copy_(one)
        cotangent = vector(state, "cotangent", self._cotangent.numel())
        self._extensions, self._kept = min(int(number(state, "extensions")), _PLANNED), min(len(held), _KEPT)
        if cotangent is not None:
            self._pulls = True
            self._cotangent.copy_(cotangent.view_as(self._cotangent))


@dataclass(frozen=True, slots=True)
class _Pairs:
    """What the host makes of the small matrices.

    Attributes:
        value, residual: Of the top Ritz pair.
        values: All Ritz values, largest first.
        rounding: Of a quotient.
    """

    value: float
    residual: float
    values: NDArray[np.float64]
    rounding: float

    @classmethod
    def read(cls, small: NDArray[np.floating], numbers: NDArray[np.floating], epsilon: float) -> _Pairs:
        """From what comes of the device."""
        table = small.astype(np.float64)
        products = table[1]
        rounding = max(_ASYMMETRY * float(np.abs(products - products.T).max()),
                       _ROUNDING * epsilon * float(np.abs(products).max()))  # fmt: skip
        return cls(float(numbers[0]), float(numbers[1]), ritz_pairs(table)[0], rounding)

    @property
    def finite(self) -> bool:
        """Whether they are numbers."""
        return len(self.values) > 0 and math.isfinite(self.value) and math.isfinite(self.residual)

    def converged(self, tolerance: float) -> bool:
        """Whether the residual is small, also beside the gap to the second Ritz value, or nothing but rounding."""
        second = float(self.values[1]) if len(self.values) > 1 else -math.inf
        scale = max(abs(self.value), self.rounding) or 1.0  # saturated units have no curvature at all
        gap = (self.value - second) / scale
        close = min(tolerance, math.sqrt(_ERROR * max(gap, _ERROR)))
        return self.residual <= max(close * abs(self.value), self.rounding)


def _pulled_back(run: Pass, cotangent: Tensor) -> Tensor:
    """Jᵀ of a cotangent, (n, k), up to length."""
    return _flat(run.gradients(run.backward(cotangent.to(run.logits.dtype))))


def _flat(parts: Mapping[str, Tensor]) -> Tensor:
    return torch.cat([part.reshape(-1) for part in parts.values()])
