"""The fully connected network: initialisation, and its pass by closed recursions.

Notation of the theory: h_l = a_{l−1}W_lᵀ (+ b_l), u_l = φ̄(h_l), a_l = u_l or, renormalised, a_l = ν u_l with
ν = √width/‖u_l‖ a row; a_0 = x; the logits are h_L. The backward recursion is written out rather than left to
autograd: training needs exactly these products, and the measurements need exactly their intermediate results.

Shapes: n examples, d inputs, w = width, k classes; W_l is (fan_out, fan_in).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from engine.config import DType, RunConfig
from engine.model.activation import TENSOR_ACTIVATIONS
from engine.model.base import BlockProduct, Chain, Model, Pass, Product, Site
from engine.model.loss import LossRows
from engine.model.mlp_hessian import HessianProduct
from engine.model.renormalisation import row_scale, row_scale_derivative
from engine.theory.activation import ACTIVATIONS, NormalizedActivation

DTYPES: dict[DType, torch.dtype] = {"float32": torch.float32, "float64": torch.float64}


class MLP(Model):
    """A fully connected network.

    Args:
        weights: W_1 … W_L, W_l of shape (fan_out, fan_in).
        biases: b_1 … b_L of shape (fan_out,), or None without biases.
        activation: The normalised activation φ̄ and its constants.
        renormalize: Whether every hidden row is rescaled to norm √width.
    """

    def __init__(
        self, weights: list[Tensor], biases: list[Tensor] | None, activation: NormalizedActivation, renormalize: bool
    ) -> None:
        layers = range(1, len(weights) + 1)
        self.sites = [Site(f"W{layer}", None if biases is None else f"b{layer}") for layer in layers]
        self.activation, self.renormalize = activation, renormalize
        self._parameters = dict(zip((f"W{layer}" for layer in layers), weights, strict=True))
        if biases is not None:
            self._parameters |= zip((f"b{layer}" for layer in layers), biases, strict=True)

    @property
    def parameters(self) -> dict[str, Tensor]:
        """``W1`` … ``WL``, then ``b1`` … ``bL`` if there are any."""
        return self._parameters

    def forward(self, x: Tensor) -> MLPPass:
        """The pass at the present parameters. Cost: 2n·(number of weights) flops."""
        evaluate = TENSOR_ACTIVATIONS[self.activation.name].evaluate
        features, slopes, scales = [x], [], []
        for index in range(self.depth - 1):
            u, slope = evaluate(self.activation, self.affine(index, features[-1]))
            if self.renormalize:
                scale = row_scale(u)
                scales.append(scale)
                u = u * scale
            features.append(u)
            slopes.append(slope)
        logits = self.affine(self.depth - 1, features[-1])
        return MLPPass(self, features, slopes, scales if self.renormalize else None, logits)

    def logits(self, x: Tensor) -> Tensor:
        """The outputs alone, (n, k), with nothing kept."""
        evaluate = TENSOR_ACTIVATIONS[self.activation.name].evaluate
        a = x
        for index in range(self.depth - 1):
            a, _ = evaluate(self.activation, self.affine(index, a))
            if self.renormalize:
                a = a * row_scale(a)
        return self.affine(self.depth - 1, a)

    def affine(self, index: int, a: Tensor) -> Tensor:
        """The h = aWᵀ + b of a site."""
        site = self.sites[index]
        if site.bias is None:
            return a @ self._parameters[site.weight].T
        return torch.addmm(self._parameters[site.bias], a, self._parameters[site.weight].T)


class MLPPass(Pass):
    """The pass of an MLP.

    Attributes:
        slopes: φ̄'(h_1) … φ̄'(h_{L−1}), each (n, w).
        scales: ν of each row, each (n, 1), or None without renormalisation; 0 for a row with u = 0.
    """

    __slots__ = ("_converted", "scales", "slopes", "weights")

    model: MLP

    def __init__(
        self, model: MLP, features: list[Tensor], slopes: list[Tensor], scales: list[Tensor] | None, logits: Tensor
    ) -> None:
        super().__init__(model, features, logits, Chain(model.activation, bool(model.biases), scales))
        self.slopes, self.scales, self.weights = slopes, scales, model.weights
        self._converted: dict[torch.dtype, MLPPass] = {}

    def to(self, dtype: torch.dtype) -> MLPPass:
        """The same pass in another precision, made once."""
        if dtype == self.logits.dtype:
            return self
        if dtype not in self._converted:
            # Signals need no biases.
            model = MLP([w.to(dtype) for w in self.weights], None, self.model.activation, self.model.renormalize)
            features, slopes = ([part.to(dtype) for part in parts] for parts in (self.features, self.slopes))
            scales = None if self.scales is None else [scale.to(dtype) for scale in self.scales]
            self._converted[dtype] = MLPPass(model, features, slopes, scales, self.logits.to(dtype))
        return self._converted[dtype]

    def renew(self) -> None:
        """Convert anew what is wanted in another precision."""
        self._converted.clear()

    def backward(self, cotangents: Tensor) -> list[Tensor]:
        """Δ_L is the cotangent itself; Δ_l = φ̄'(h_l) ⊙ D(Δ_{l+1}W_{l+1}), D being 1 without renormalisation.

        Returns:
            Δ_1 … Δ_L. Cost: about the forward pass without its first layer.
        """
        run = self.to(cotangents.dtype)
        signals = [cotangents]
        for index in range(len(run.weights) - 1, 0, -1):
            signals.append(run.rescale(index, signals[-1] @ run.weights[index]).mul_(run.slopes[index - 1]))
        signals.reverse()
        return signals

    def rescale(self, index: int, z: Tensor) -> Tensor:
        """D(z) of a hidden layer, (…, n, w)."""
        return z if self.scales is None else row_scale_derivative(self.features[index], self.scales[index - 1], z)

    def unscaled(self, index: int) -> Tensor:
        """The u of a hidden layer, 0 for a row without direction."""
        a = self.features[index]
        if self.scales is None:
            return a
        scale = self.scales[index - 1]
        return torch.where(scale > 0, a / scale, torch.zeros_like(a))

    def pre_activation(self, index: int) -> Tensor:
        """The h of a hidden layer, computed again."""
        return self.model.affine(index - 1, self.features[index - 1])

    def gradients(self, signals: Sequence[Tensor]) -> dict[str, Tensor]:
        """∂f/∂W_l = δ_lᵀ a_{l−1}/n, then ∂f/∂b_l = Σ_i δ_{l,i}/n if there are biases."""
        n, sites = self.logits.shape[0], self.model.sites
        triples = zip(sites, signals, self.features, strict=True)
        gradients = {site.weight: (delta.T / n) @ a for site, delta, a in triples}
        for site, delta in zip(sites, signals, strict=True):
            if site.bias is not None:
                gradients[site.bias] = delta.sum(dim=0) / n
        return gradients

    def hessian_product(self, signals: Sequence[Tensor], loss: LossRows) -> BlockProduct:
        """See :mod:`engine.model.mlp_hessian`."""
        return HessianProduct(self, signals, loss)

    def kernel_product(self, grams: Sequence[Tensor]) -> Product:
        """The map v ↦ Kv without a vector of parameters: a backward recursion, products with G̃, a forward recursion.

        With Δ from :meth:`backward` and G̃ = AAᵀ, or AAᵀ + 1 with biases: t_1 = G̃_0Δ_1,
        t_l = D(φ̄'(h_{l−1}) ⊙ t_{l−1})W_lᵀ + G̃_{l−1}Δ_l, and Kv = t_L.

        Returns:
            Products of (…, n, k). Cost: about 0.66 gradient steps at n = width; twice that in float64. In float32 their
            rounding is about 4·10⁻⁷‖K‖.
        """
        shift = 1.0 if self.model.biases else 0.0
        shifted: dict[torch.dtype, list[Tensor]] = {}

        def product(v: Tensor) -> Tensor:
            if v.dtype not in shifted:
                pairs = zip(grams, self.features, strict=True)
                shifted[v.dtype] = [(gram * a.shape[1] + shift).to(v.dtype) for gram, a in pairs]
            run, outer = self.to(v.dtype), shifted[v.dtype]
            signals = run.backward(v)
            t = outer[0] @ signals[0]
            for m in range(1, len(run.weights)):
                t = run.rescale(m, run.slopes[m - 1] * t) @ run.weights[m].T + outer[m] @ signals[m]
            return t

        return product


def initialise(config: RunConfig, inputs: int, classes: int, device: torch.device) -> MLP:
    """The configuration's MLP with W_l ~ N(0, 1/fan_in) and b_l = 0."""
    # The gain is 1 and not √2, because φ̄ has unit second moment. Numbers are drawn layer by layer from one CPU
    # generator, in float32 whatever the dtype and device, so that runs in different precisions and places start from
    # the same network.
    generator = torch.Generator(device="cpu").manual_seed(config.seed)
    sizes = [inputs, *[config.width] * (config.depth - 1), classes]
    dtype = DTYPES[config.dtype]
    weights = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        drawn = torch.randn(fan_out, fan_in, generator=generator, dtype=torch.float32)
        weights.append(drawn.to(dtype=dtype).mul_(1.0 / math.sqrt(fan_in)).to(device))
    biases = [torch.zeros(size, dtype=dtype, device=device) for size in sizes[1:]] if config.bias else None
    return MLP(weights, biases, ACTIVATIONS[config.activation], config.renormalize)
