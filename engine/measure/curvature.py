"""λ_max of the Hessian along a run, warm-started from row to row."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from engine.measure.hessian import HessianOperator
from engine.measure.lanczos import extreme_eigenpair
from engine.network import Network
from engine.training_pass import TrainingPass

# The eigenvalue's error is at most the residual, and of the order of its square over the spectral gap: 2·10⁻² in the
# residual is below a percent in the value.
_TOLERANCE = 2e-2
_MAX_PRODUCTS = 60
_NOISE = 0.1


class HessianCurvature:
    """Largest eigenvalue of ∇²f (not the largest in modulus), by Lanczos from the last row's eigenvector."""

    def __init__(self) -> None:
        self._vector: Tensor | None = None

    def measure(self, network: Network, current: TrainingPass) -> dict[str, float]:
        """Measure a row.

        Args:
            network: The network at the row's parameters.
            current: Its pass.

        Returns:
            ``smoothness_hessian``, a Ritz value and so a lower estimate, and its residual. Cost: Hessian products, of
            about 1.6 steps each; a few when warm, at most 60.
        """
        operator = HessianOperator(network, current.run, current.signals, current.rows)
        start = self._vector
        if start is None:
            # The gradient has a large share of the top eigenvectors; noise keeps it from lacking any.
            start = torch.cat([gradient.reshape(-1) for gradient in current.gradients])
            generator = torch.Generator(device="cpu").manual_seed(0)
            noise = torch.randn(start.numel(), generator=generator, dtype=torch.float32).to(start)
            start = torch.add(normalize(start, dim=0), normalize(noise, dim=0), alpha=_NOISE)
        pair = extreme_eigenpair(operator, start, "largest", tolerance=_TOLERANCE, max_products=_MAX_PRODUCTS)
        self._vector = pair.vector
        return {"smoothness_hessian": pair.value, "smoothness_hessian_residual": pair.residual}
