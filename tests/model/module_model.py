"""A model that is any ``nn.Sequential`` whose parameters are those of its linear layers, by torch.func alone.

It shares nothing with the closed recursions of :mod:`engine.model.mlp`: features come from hooks, signals from vjp, the
Jacobian from jacrev, and products with the Hessian from vjp of vjp.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vjp, vmap

from engine.model.base import BlockProduct, Chain, Model, Pass, Product, Site
from engine.model.loss import LossRows
from engine.model.mlp import MLP
from engine.theory.activation import NormalizedActivation
from tests.closed_form.functions import PHI, normalisation


class Activation(nn.Module):
    """φ̄."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._phi, (self._scale, self._offset) = PHI[name], normalisation(name)

    def forward(self, h: Tensor) -> Tensor:
        return self._scale * self._phi(h) + self._offset


class Renormalisation(nn.Module):
    """Rows rescaled to norm √width."""

    def forward(self, u: Tensor) -> Tensor:
        return u * (math.sqrt(u.shape[-1]) / u.norm(dim=-1, keepdim=True))


class ModuleModel(Model):
    """A sequence of modules; ``activation`` describes it as a chain, where that is wanted."""

    def __init__(self, module: nn.Sequential, activation: NormalizedActivation | None = None) -> None:
        self.module, self.activation = module.requires_grad_(False), activation
        linear = [(name, part) for name, part in module.named_children() if isinstance(part, nn.Linear)]
        self.sites = [
            Site(f"{name}.weight", f"{name}.bias" if part.bias is not None else None) for name, part in linear
        ]
        self._inputs: list[Tensor] = []
        self._scales: list[Tensor] = []
        self._offsets: tuple[Tensor, ...] = ()
        for _, part in linear:
            part.register_forward_hook(self._at_site)
        for part in module:
            if isinstance(part, Renormalisation):
                part.register_forward_hook(self._at_renormalisation)

    @property
    def parameters(self) -> dict[str, Tensor]:
        """All weights, then all biases."""
        named = dict(self.module.named_parameters())
        return {name: named[name] for name in sorted(named, key=lambda name: name.endswith("bias"))}

    def forward(self, x: Tensor) -> ModulePass:
        logits = self.call(self.parameters, x)
        chain = None
        if self.activation is not None:
            chain = Chain(self.activation, bool(self.biases), list(self._scales) or None)
        return ModulePass(self, list(self._inputs), logits, chain)

    def logits(self, x: Tensor) -> Tensor:
        return self.call(self.parameters, x)

    def call(self, parameters: dict[str, Tensor], x: Tensor, offsets: tuple[Tensor, ...] = ()) -> Tensor:
        """The logits at some parameters, with something added to the output of every site."""
        self._inputs, self._scales, self._offsets = [], [], offsets
        return functional_call(self.module, parameters, (x,))

    def _at_site(self, _: nn.Module, args: tuple[Tensor], output: Tensor) -> Tensor:
        self._inputs.append(args[0])
        return output + self._offsets[len(self._inputs) - 1] if self._offsets else output

    def _at_renormalisation(self, _: nn.Module, args: tuple[Tensor], output: Tensor) -> None:
        self._scales.append(output.norm(dim=-1, keepdim=True) / args[0].norm(dim=-1, keepdim=True))


class ModulePass(Pass):
    """A pass of a :class:`ModuleModel`; every product runs the module again."""

    model: ModuleModel

    def _logits(self, parameters: dict[str, Tensor]) -> Tensor:
        return self.model.call(parameters, self.features[0])

    def backward(self, cotangents: Tensor) -> list[Tensor]:
        offsets = [self.logits.new_zeros(len(self.logits), weight.shape[0]) for weight in self.model.weights]
        _, pull = vjp(lambda *added: self.model.call(self.model.parameters, self.features[0], added), *offsets)
        *batch, n, k = cotangents.shape
        signals = vmap(pull)(cotangents.reshape(-1, n, k))
        return [signal.reshape(*batch, *signal.shape[1:]) for signal in signals]

    def gradients(self, signals: Sequence[Tensor]) -> dict[str, Tensor]:
        _, pull = vjp(self._logits, self.model.parameters)
        (gradients,) = pull(signals[-1] / len(self.logits))
        return gradients

    def hessian_product(self, signals: Sequence[Tensor], loss: LossRows) -> BlockProduct:
        """JᵀH_ℓJv/n, and the derivative of Jᵀg, g held fixed, for what is left."""
        parameters, J, shape = self.model.parameters, self._jacobian(), self.logits.shape
        sizes = [parameter.numel() for parameter in parameters.values()]
        _, pull = vjp(lambda at: vjp(self._logits, at)[1](signals[-1])[0], parameters)

        def one(flat: Tensor) -> Tensor:
            parts = zip(parameters.items(), flat.split(sizes), strict=True)
            (rest,) = pull({name: part.view_as(parameter) for (name, parameter), part in parts})
            curved = loss.hessian_product((J @ flat).view(shape)).reshape(-1)
            return (J.T @ curved + torch.cat([part.reshape(-1) for part in rest.values()])) / len(self.logits)

        def product(block: Tensor, out: Tensor | None = None) -> Tensor:
            found = torch.stack([one(flat) for flat in block])
            return found if out is None else out.copy_(found)

        return product

    def kernel_product(self, grams: Sequence[Tensor]) -> Product:
        J = self._jacobian()
        return lambda v: (v.reshape(-1, len(J)) @ J @ J.T).view(v.shape)

    def _jacobian(self) -> Tensor:
        """J of all logits, (n·k, parameters)."""
        blocks = jacrev(self._logits)(self.model.parameters).values()
        return torch.cat([block.reshape(self.logits.numel(), -1) for block in blocks], dim=1)


def module_of(mlp: MLP) -> nn.Sequential:
    """The same network of ``nn.Linear`` layers, with copies of its parameters."""
    parts: list[nn.Module] = []
    for weight, site in zip(mlp.weights, mlp.sites, strict=True):
        if parts:
            parts.append(Activation(mlp.activation.name))
            parts += [Renormalisation()] if mlp.renormalize else []
        linear = nn.Linear(weight.shape[1], weight.shape[0], bias=site.bias is not None, dtype=weight.dtype)
        with torch.no_grad():
            linear.weight.copy_(weight)
            if site.bias is not None:
                linear.bias.copy_(mlp.parameters[site.bias])
        parts.append(linear)
    return nn.Sequential(*parts)
