"""Products with the Hessian of the training loss, by Pearlmutter's R-operator on the pass of training.

Nothing is differentiated twice by autograd and the pass is not repeated: a product is one tangent forward pass and
one tangent backward pass. Reference: Pearlmutter, Fast exact multiplication by the Hessian (1994).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.model.activation import TENSOR_ACTIVATIONS
from engine.model.loss import LossRows
from engine.model.renormalisation import mean_dot

if TYPE_CHECKING:
    from engine.model.mlp import MLPPass


class HessianProduct:
    """v ↦ ∇²f(θ)v at the parameters of one pass. For ReLU this is the Hessian of the smooth piece that θ lies in.

    Args:
        run: The forward pass.
        signals: δ_1 … δ_L of single examples, of the loss.
        loss: The loss at the pass's logits.
    """

    def __init__(self, run: MLPPass, signals: Sequence[Tensor], loss: LossRows) -> None:
        self._run, self._signals, self._loss = run, signals, loss
        model = run.model
        self._shapes = [parameter.shape for parameter in model.parameters.values()]
        self._sizes = [shape.numel() for shape in self._shapes]
        hidden = range(1, model.depth)
        curvature = TENSOR_ACTIVATIONS[model.activation.name].curvature
        self._curvatures: list[Tensor] | None = None  # φ̄''(h_l)
        if curvature is not None:
            self._curvatures = [
                curvature(model.activation, run.unscaled(m), run.slopes[m - 1], partial(run.pre_activation, m))
                for m in hidden
            ]
        # z_l = δ_{l+1}W_{l+1} and y_l = D(z_l) are needed only where φ̄ bends or the rows are rescaled.
        self._z: list[Tensor] = []
        self._y: list[Tensor] = []
        if run.scales is not None or curvature is not None:
            self._z = [signals[m] @ run.weights[m] for m in hidden]
            self._y = [run.rescale(m, z) for m, z in zip(hidden, self._z, strict=True)]

    def __call__(self, block: Tensor, out: Tensor | None = None) -> Tensor:
        """Multiply several directions.

        Args:
            block: Directions of all parameters in the order of ``MLP.parameters``, (b, dimension).
            out: Where the products go, of the same shape, or None; not the block itself.

        Returns:
            ∇²f v of every direction, (b, dimension). Cost: about 1.6 gradient steps each.
        """
        run, n, depth = self._run, self._run.logits.shape[0], len(self._run.weights)
        parts = self._parts(block)
        directions, shifts = parts[:depth], parts[depth:]
        tangent_h, tangent_a, tangent_u = self._tangent_forward(directions, shifts)
        tangent_signals = self._tangent_backward(directions, tangent_h, tangent_a, tangent_u)
        found = torch.empty_like(block) if out is None else out
        products = self._parts(found)
        for m, (product, signal) in enumerate(zip(products[:depth], tangent_signals, strict=True)):
            features = run.features[m].expand(len(block), -1, -1)
            torch.baddbmm(product, signal.mT, features, beta=0.0, alpha=1.0 / n, out=product)
            if m > 0:
                signals = self._signals[m].T.expand(len(block), -1, -1)
                torch.baddbmm(product, signals, tangent_a[m], alpha=1.0 / n, out=product)
        for product, signal in zip(products[depth:], tangent_signals, strict=bool(shifts)):
            torch.sum(signal, dim=1, out=product).div_(n)
        return found

    def _parts(self, block: Tensor) -> list[Tensor]:
        """Views of a block by parameter, (b, fan_out, fan_in) or (b, fan_out)."""
        pairs = zip(torch.split(block, self._sizes, dim=1), self._shapes, strict=True)
        return [part.view(len(block), *shape) for part, shape in pairs]

    def _tangent_forward(
        self, directions: list[Tensor], shifts: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Tangents of h_1 … h_L, of a_0 … a_{L−1} (the first unused) and of u_0 … u_{L−1}, each (b, n, w)."""
        run, depth = self._run, len(self._run.weights)
        tangent_h: list[Tensor] = []
        tangent_a, tangent_u = [run.features[0]], [run.features[0]]
        for m in range(depth):
            th = torch.matmul(run.features[m], directions[m].mT)
            if m > 0:
                th += tangent_a[m] @ run.weights[m].T
            if shifts:
                th += shifts[m][:, None]
            tangent_h.append(th)
            if m < depth - 1:
                tangent_u.append(run.slopes[m] * th)
                tangent_a.append(run.rescale(m + 1, tangent_u[-1]))
        return tangent_h, tangent_a, tangent_u

    def _tangent_backward(
        self, directions: list[Tensor], tangent_h: list[Tensor], tangent_a: list[Tensor], tangent_u: list[Tensor]
    ) -> list[Tensor]:
        """Tangents of δ_1 … δ_L, each (b, n, w)."""
        run = self._run
        tangent_signals = [self._loss.hessian_product(tangent_h[-1])]
        for m in range(len(run.weights) - 1, 0, -1):
            ty = tangent_signals[-1] @ run.weights[m]
            ty += torch.matmul(self._signals[m], directions[m])
            if run.scales is not None:
                ty = self._rescaled_tangent(m, ty, tangent_a[m], tangent_u[m])
            signal = run.slopes[m - 1] * ty
            if self._curvatures is not None:
                signal += self._curvatures[m - 1] * tangent_h[m - 1] * self._y[m - 1]
            tangent_signals.append(signal)
        tangent_signals.reverse()
        return tangent_signals

    def _rescaled_tangent(self, m: int, tz: Tensor, ta: Tensor, tu: Tensor) -> Tensor:
        """The tangent of y = D(z); ν itself moves by −ν²⟨a, u̇⟩/width."""
        assert self._run.scales is not None
        a, scale, z, y = self._run.features[m], self._run.scales[m - 1], self._z[m - 1], self._y[m - 1]
        moved = tz - ta * mean_dot(a, z) - a * (mean_dot(ta, z) + mean_dot(a, tz))
        return scale * moved - (scale * mean_dot(a, tu)) * y
