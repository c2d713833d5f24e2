"""λ_max of the Hessian along a run, warm-started from row to row."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.device import transfer
from engine.measure.base import Findings, Measurement, RowContext, State
from engine.measure.krylov import Sweep, launch
from engine.measure.lanczos import extreme_eigenpair
from engine.measure.warm_start import WarmStart
from engine.model.base import BlockProduct
from engine.model.training_pass import TrainingPass

# A cold start may settle on an eigenvalue that is not the largest: it is found more closely.
_COLD_TOLERANCE = 5e-3
_MAX_PRODUCTS = 60
_QUEUED_PRODUCTS = 4
_GRADIENT_SHARE = 0.5
_NOISE = 0.1


class Curvature(Measurement):
    """Largest eigenvalue of ∇²f (not the largest in modulus), by Lanczos from the last rows' eigenvectors.

    Cost: Hessian products, of about 1.6 steps each; one or two when warm, at most 60; always 4 where they are queued.

    Args:
        tolerance: Residual at which it counts as found, relative. The eigenvalue's error is at most the residual, and
            of the order of its square over the spectral gap: 3·10⁻² is below a percent in the value.
        warm_products: Most products from a warm start.
    """

    name = "curvature"
    provides = ("smoothness_hessian", "smoothness_hessian_residual")
    measured_in = "all"
    costly = True

    def __init__(self, *, tolerance: float = 3e-2, warm_products: int = 6) -> None:
        self._tolerance, self._warm_products = tolerance, warm_products
        self._start = WarmStart()
        self._room: Tensor | None = None
        self._queued: Sweep | None = None

    @property
    def eigenvector(self) -> Tensor | None:
        """The unit Ritz vector found last, (parameters,)."""
        return self._start.last

    def launch(self, row: RowContext) -> None:
        """Queue products; none where nothing is known yet: how many a cold start takes cannot be foreseen."""
        if not transfer.runs_ahead(row.current.run.logits.device):
            return
        start = self._start.guess()
        if start is not None:
            operator, gradient = _problem(row.current)
            start = torch.add(start, gradient, alpha=_GRADIENT_SHARE)
            self._queued = launch(operator, start[None], _QUEUED_PRODUCTS, row.transfer)

    def collect(self, row: RowContext) -> Findings:
        """A Ritz value, and so a lower estimate, and its residual."""
        queued, self._queued = self._queued, None
        pair = queued.ritz("largest")[0] if queued is not None else None
        if queued is not None and pair is not None:
            self._start.add(queued.vectors([pair])[0])
            return Findings({"smoothness_hessian": pair.value, "smoothness_hessian_residual": pair.residual})
        operator, gradient = _problem(row.current)
        start, tolerance, most = self._start.guess(), self._tolerance, self._warm_products
        if start is None:
            tolerance, most = min(_COLD_TOLERANCE, self._tolerance), _MAX_PRODUCTS
            # The noise keeps the start from being orthogonal to any eigenvector.
            generator = torch.Generator(device="cpu").manual_seed(0)
            noise = torch.randn(gradient.numel(), generator=generator, dtype=torch.float32).to(gradient)
            start = gradient.add_(noise, alpha=_NOISE / float(noise.norm()))
        else:
            start = torch.add(start, gradient, alpha=_GRADIENT_SHARE)
        if self._room is None:
            self._room = start.new_empty(self._warm_products, start.numel())
        found = extreme_eigenpair(
            lambda v: operator(v[None])[0], start, "largest", tolerance=tolerance, max_products=most, room=self._room
        )
        self._start.add(found.vector)
        return Findings({"smoothness_hessian": found.value, "smoothness_hessian_residual": found.residual})

    def state(self) -> State:
        """The warm start."""
        return self._start.state()

    def restore(self, state: State, row: RowContext) -> None:
        """Take up the warm start."""
        self._start.restore(state, self.model.dimension)
        self._queued = None


def _problem(current: TrainingPass) -> tuple[BlockProduct, Tensor]:
    """The Hessian, and the gradient's direction."""
    # The gradient has a share of all top eigenvectors: one that overtakes the one that is followed is seen by it.
    gradient = torch.cat([part.reshape(-1) for part in current.gradients.values()])
    gradient /= torch.linalg.vector_norm(gradient).clamp(min=torch.finfo(gradient.dtype).tiny)
    return current.run.hessian_product(current.signals, current.rows), gradient
