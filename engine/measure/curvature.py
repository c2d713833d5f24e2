"""λ_max of the Hessian along a run, by Rayleigh–Ritz in a subspace that begins with what is known of the row."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.device.transfer import Arrival, to_host
from engine.measure.base import Findings, Measurement, RowContext, State, number, vector
from engine.measure.ritz_space import RitzSpace, ritz_pairs
from engine.model.base import BlockProduct, Pass

_COLD_TOLERANCE = 2e-2
_ROOM = 12
_ROOM_BYTES = 4 << 30
_LEAST_ROOM = 6
_KEPT = 2
_COUNTED = 3
# λ_max that changes by such a share from row to row may have another eigenvector. The subspace is then extended by
# two residuals at a time, at least so many times, also at the row after; by a smaller share, once at the end.
_JUMP = 0.12
_WIDE = 2
_MOVE = 0.04
_MANY = 5
_PLANNED = 4
# The second eigenvector is followed where its value, with this factor, exceeds 2/η.
_NEAR = 1.2
# Shares, beside the unit change of the gradient, of a fixed random vector and of the second Ritz vector.
_NOISE = 0.3
_SHARE = 1.0
# A gap between the top Ritz values that is below this share of the first asks for a smaller residual, down to a least.
_GAP = 0.1
_LEAST_GAP = 0.005
# Rounding of a quotient: multiples of the largest |⟨u, Hv⟩ − ⟨v, Hu⟩| that products show, and of eps·‖T‖.
_ASYMMETRY = 8.0
_ROUNDING = 32.0


@dataclass(frozen=True, slots=True)
class _Queued:
    """What a launched row leaves.

    Attributes:
        product: The Hessian.
        started, size: Dimensions of the subspace, before and after it was extended.
        small, numbers: The small matrices; the top Ritz value and its residual.
    """

    product: BlockProduct
    started: int
    size: int
    small: Arrival
    numbers: Arrival


class Curvature(Measurement):
    """Largest eigenvalue of ∇²f (not the largest in modulus), and how many eigenvalues exceed 2/η at least.

    The subspace of a row begins with the last row's top Ritz vector, Jᵀ of the top Gauss–Newton vector where one is
    known, and the change of the gradient along the step, which is a product with a mean Hessian, mixed with the second
    Ritz vector and a fixed random one, so that no eigenvector is out of reach. It is extended by residuals as often as
    it had to be at the row before. Where that is not enough, or λ_max has moved, it is extended further in the same
    row: by the Gauss–Newton vector of this very row, and by two residuals at a time.

    The rounding of a quotient is estimated: eight times the largest |⟨u, Hv⟩ − ⟨v, Hu⟩| that the row's products show,
    and at least 32 eps·max|⟨u, Hv⟩|.

    Cost: Hessian products, of about 1.5 steps each: three or four where the run is calm, up to 17 where λ_max jumps;
    all else takes about two steps.

    Args:
        tolerance: Residual at which λ_max counts as found, relative. Its error is of the order of the square of the
            residual over the spectral gap: a few thousandths.
        products: Most products at a row.
    """

    name = "curvature"
    provides = ("smoothness_hessian", "smoothness_hessian_low", "smoothness_hessian_residual", "unstable_directions")
    measured_in = "all"
    costly = True

    def __init__(self, *, tolerance: float = 4.5e-2, products: int = 16) -> None:
        self._tolerance, self._most = tolerance, products
        self.products = 0
        self._space: RitzSpace | None = None
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._value, self._kept, self._extensions, self._jumped, self._pulls = math.nan, 0, 0, False, False

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
            room = max(_LEAST_ROOM, min(_ROOM, _ROOM_BYTES // (2 * order * like.element_size())))
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
        if self._kept == 1:
            change.add_(self._vectors[1], alpha=_SHARE)
        starts.append(change.add_(self._noise))
        space.start(starts, product)
        for _ in range(self._extensions):
            space.extend(1, product)
        numbers = row.transfer.add(space.ritz(min(_KEPT, space.size)))
        return _Queued(product, len(starts), space.size, row.transfer.add(space.small()), numbers)

    def collect(self, row: RowContext) -> Findings:
        """The top Ritz value, its residual, and how many Ritz values exceed 2/η; extends the subspace if it has to."""
        queued, space = row.launched[self.name], self._space
        assert isinstance(queued, _Queued)
        assert space is not None
        space.size = products = queued.size
        found = _Pairs.read(queued.small.array(), queued.numbers.array(), space.epsilon)
        wide, extensions = 0, self._extensions
        converged = found.levels(queued.started, self._tolerance)
        cold, before, exact = self._kept == 0, self._jumped, row.gauss_newton_vector
        while found.finite and products < self._most:
            moved = self._change(found.value)
            jumps = cold or before or extensions > _MANY or moved > _JUMP
            tolerance = min(_COLD_TOLERANCE, self._tolerance) if cold else self._tolerance
            done = found.converged(tolerance)
            if done and converged is None:
                converged = extensions
            wanted = _WIDE if jumps else int(moved > _MOVE or (converged is not None and converged > 1))
            if (done and wide >= wanted) or space.size == space.order:
                break
            width = 2 if (jumps or done) and space.size > 1 and space.order > space.size + 1 else 1
            if space.size + width > space.room:
                space.restart(_KEPT)
            if exact is not None:
                space.include(_pulled_back(row.current.run, exact), queued.product)
                products, wide, exact = products + 1, wide + 1, None
            else:
                space.extend(width, queued.product)
                products, extensions, wide = products + width, extensions + 1, wide + (width == 2)
            small, numbers = to_host([space.small(), space.ritz(_KEPT)])
            found = _Pairs.read(small, numbers, space.epsilon)
        self.products = products
        if not found.finite:
            self._begin_anew()
            return Findings()
        if row.gauss_newton_vector is not None:
            self._pulls = True
            self._cotangent.copy_(row.gauss_newton_vector)
        self._jumped = cold or self._change(found.value) > _JUMP
        self._value = found.value
        self._extensions = min(extensions if converged is None else converged, _PLANNED)
        unstable = found.values - found.rounding > 2.0 / row.lr
        self._kept = 2 if found.second * _NEAR > 2.0 / row.lr else 1
        return Findings({
            "smoothness_hessian": found.value,
            "smoothness_hessian_low": found.value - found.rounding,
            "smoothness_hessian_residual": found.residual,
            "unstable_directions": float(min(int(unstable.sum()), _COUNTED)),
        })  # fmt: skip

    def _change(self, value: float) -> float:
        """Of λ_max since the row before, relative."""
        largest = max(abs(value), abs(self._value))
        return abs(value - self._value) / largest if largest > 0.0 else 0.0

    def state(self) -> State:
        """The top Ritz vectors, and what decides about the next row."""
        if not self._kept:
            return {}
        state: dict[str, Any] = {
            "value": self._value, "kept": self._kept, "extensions": self._extensions, "jumped": int(self._jumped),
            "first": self._vectors[0], "second": self._vectors[1],
        }  # fmt: skip
        if self._pulls:
            state["cotangent"] = self._cotangent.view(-1)
        return state

    def restore(self, state: State, row: RowContext) -> None:
        """Take up a state; without Ritz vectors the next row begins anew."""
        self._begin_anew()
        held = [vector(state, name, self.model.dimension) for name in ("first", "second")]
        if held[0] is None or held[1] is None:
            return
        self.prepare(row)
        cotangent = vector(state, "cotangent", self._cotangent.numel())
        self._value, self._jumped = number(state, "value"), bool(number(state, "jumped"))
        self._extensions = min(max(int(number(state, "extensions")), 0), _PLANNED)
        self._kept = min(max(int(number(state, "kept")), 1), _KEPT)
        self._vectors.copy_(torch.stack([one for one in held if one is not None]))
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
        small: ⟨q_i, q_j⟩ and ⟨q_i, Hq_j⟩, (2, r, r).
    """

    value: float
    residual: float
    values: NDArray[np.float64]
    rounding: float
    small: NDArray[np.float64]

    @classmethod
    def read(cls, small: NDArray[np.floating], numbers: NDArray[np.floating], epsilon: float) -> _Pairs:
        """From what comes of the device."""
        table = small.astype(np.float64)
        products = table[1]
        rounding = max(_ASYMMETRY * float(np.abs(products - products.T).max()),
                       _ROUNDING * epsilon * float(np.abs(products).max()))  # fmt: skip
        return cls(float(numbers[0]), float(numbers[1]), ritz_pairs(table)[0], rounding, table)

    @property
    def finite(self) -> bool:
        """Whether they are numbers."""
        return len(self.values) > 0 and math.isfinite(self.value) and math.isfinite(self.residual)

    @property
    def second(self) -> float:
        """The second Ritz value, −∞ where there is none."""
        return float(self.values[1]) if len(self.values) > 1 else -math.inf

    def converged(self, tolerance: float) -> bool:
        """Whether the residual is small, also beside the gap to the second Ritz value, or nothing but rounding."""
        scale = max(abs(self.value), self.rounding) or 1.0  # saturated units have no curvature at all
        gap = (self.value - self.second) / scale
        close = min(1.0, math.sqrt(max(gap, _LEAST_GAP) / _GAP))
        return self.residual <= max(tolerance * close * abs(self.value), self.rounding)

    def levels(self, started: int, tolerance: float) -> int | None:
        """After how many of the extensions by one residual the top pair had converged; None if after none."""
        if not self.finite:
            return None
        for size in range(started, len(self.small[0])):
            values, weights = ritz_pairs(self.small[:, :size, :size])
            # The vector that follows is the unit residual.
            if abs(float(weights[:, 0] @ self.small[1, :size, size])) <= tolerance * abs(float(values[0])):
                return size - started
        return None


def _pulled_back(run: Pass, cotangent: Tensor) -> Tensor:
    """Jᵀ of a cotangent, (n, k), up to length."""
    return _flat(run.gradients(run.backward(cotangent.to(run.logits.dtype))))


def _flat(parts: Mapping[str, Tensor]) -> Tensor:
    return torch.cat([part.reshape(-1) for part in parts.values()])
