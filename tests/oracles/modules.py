"""The small networks of the closed-form tests as modules of torch.nn, which other libraries can read."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from tests.closed_form.functions import LOSS_ROWS, normalised
from tests.closed_form.small_networks import Small


class Activation(nn.Module):
    """φ̄, and renormalisation where the network has it."""

    def __init__(self, case: Small) -> None:
        super().__init__()
        self._activation, self._renormalize = case.model.activation.name, case.model.renormalize

    def forward(self, h: Tensor) -> Tensor:
        u = normalised(self._activation, h)
        return u * math.sqrt(u.shape[1]) / u.norm(dim=1, keepdim=True) if self._renormalize else u


def module_of(case: Small) -> nn.Sequential:
    """nn.Linear layers that share their values with the case, in its order."""
    parts: list[nn.Module] = []
    biases = case.model.biases
    for index, weight in enumerate(case.model.weights):
        if index:
            parts.append(Activation(case))
        linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bool(biases), dtype=weight.dtype)
        with torch.no_grad():
            linear.weight.copy_(weight)
            if biases:
                linear.bias.copy_(biases[index])
        parts.append(linear)
    return nn.Sequential(*parts)


def parameters_of(module: nn.Sequential) -> list[nn.Parameter]:
    """In the order of the engine: all weights, then all biases."""
    linears = [part for part in module if isinstance(part, nn.Linear)]
    return [part.weight for part in linears] + [part.bias for part in linears if part.bias is not None]


class Loss(nn.Module):
    """The mean of one of the engine's losses, written for logits and labels."""

    reduction = "mean"

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def forward(self, o: Tensor, y: Tensor) -> Tensor:
        return LOSS_ROWS[self._name](o, y).mean()
