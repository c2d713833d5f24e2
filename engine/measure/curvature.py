"""λ_max of the Hessian along a run, warm-started from row to row."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from engine.device.transfer import Transfer
from engine.measure.krylov import Sweep, launch
from engine.measure.lanczos import extreme_eigenpair
from engine.measure.warm_start import WarmStart
from engine.model.base import Product
from engine.model.training_pass import TrainingPass

# The eigenvalue's error is at most the residual, and of the order of its square over the spectral gap: 3·10⁻² in the
# residual is below a percent in the value.
_TOLERANCE = 3e-2
# A cold start may settle on an eigenvalue that is not the largest: it is looked at more closely.
_COLD_TOLERANCE = 5e-3
_MAX_PRODUCTS = 60
_WARM_PRODUCTS = 6
_AHEAD_PRODUCTS = 4
_GRADIENT_SHARE = 0.5
_NOISE = 0.1


class HessianCurvature:
    """Largest eigenvalue of ∇²f (not the largest in modulus), by Lanczos from the last rows' eigenvectors."""

    def __init__(self) -> None:
        self._start = WarmStart()
        self._room: Tensor | None = None
        self._late: Sweep | None = None

    def launch(self, current: TrainingPass, transfer: Transfer) -> None:
        """Queue the products of a row on the device, to be read by :meth:`measure`; none where nothing is known yet.

        Args:
            current: The pass at the row's parameters.
            transfer: By what the row's numbers come.
        """
        start = self._start.guess()
        if start is not None:
            operator, gradient = _problem(current)
            start = torch.add(start, gradient, alpha=_GRADIENT_SHARE)
            self._late = launch(lambda v: operator(v[0])[None], start[None], _AHEAD_PRODUCTS, transfer)

    def measure(self, current: TrainingPass) -> dict[str, float]:
        """Measure a row.

        Args:
            current: The pass at the row's parameters.

        Returns:
            ``smoothness_hessian``, a Ritz value and so a lower estimate, and its residual. Cost: Hessian products, of
            about 1.6 steps each; one or two when warm, at most 60; always 4 where they were queued.
        """
        late, self._late = self._late, None
        pair = late.ritz("largest")[0] if late is not None else None
        if late is not None and pair is not None:
            self._start.found(late.vectors([pair])[0])
            return {"smoothness_hessian": pair.value, "smoothness_hessian_residual": pair.residual}
        return self._search(*_problem(current))

    def _search(self, operator: Product, gradient: Tensor) -> dict[str, float]:
        start, tolerance, most = self._start.guess(), _TOLERANCE, _WARM_PRODUCTS
        if start is None:
            tolerance, most = min(_COLD_TOLERANCE, _TOLERANCE), _MAX_PRODUCTS
            # Noise keeps the start from lacking any.
            generator = torch.Generator(device="cpu").manual_seed(0)
            noise = torch.randn(gradient.numel(), generator=generator, dtype=torch.float32).to(gradient)
            start = gradient.add_(noise, alpha=_NOISE / float(noise.norm()))
        else:
            start = torch.add(start, gradient, alpha=_GRADIENT_SHARE)
        if self._room is None or self._room.shape[1] != start.numel():
            self._room = start.new_empty(_WARM_PRODUCTS, start.numel())
        pair = extreme_eigenpair(operator, start, "largest", tolerance=tolerance, max_products=most, room=self._room)
        self._start.found(pair.vector)
        return {"smoothness_hessian": pair.value, "smoothness_hessian_residual": pair.residual}

    def state(self) -> dict[str, Tensor]:
        """What is carried from row to row.

        Returns:
            Tensors by name, for :meth:`restore`.
        """
        return self._start.state()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up what :meth:`state` gave.

        Args:
            state: Tensors by name.
        """
        self._start.restore(state)
        self._late = None


def _problem(current: TrainingPass) -> tuple[Product, Tensor]:
    """The Hessian, and the gradient's direction."""
    # The gradient has a share of all top eigenvectors: one that overtakes the one that is followed is seen by it.
    gradient = torch.cat([part.reshape(-1) for part in current.gradients.values()])
    gradient /= torch.linalg.vector_norm(gradient).clamp(min=torch.finfo(gradient.dtype).tiny)
    return current.run.hessian_product(current.signals, current.rows), gradient
