"""Small networks in float64 whose derivatives autograd gives by brute force: the oracle of many tests.

The function below is written from the definition of the network, not from the engine's code.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.config import RunConfig
from engine.device.transfer import Transfer
from engine.model import loss as losses
from engine.model.mlp import MLP, initialise
from engine.model.training_pass import TrainingPass
from tests.closed_form.functions import LOSS, NAMES, normalised

CASES = list(itertools.product(NAMES, [False, True], [False, True]))


@dataclass(frozen=True)
class Small:
    model: MLP
    x: Tensor
    y: Tensor
    loss: str

    def output(self, flat: Tensor, x: Tensor | None = None) -> Tensor:
        """Logits as a function of the flattened parameters, by the definition."""
        shapes = [p.shape for p in self.model.parameters.values()]
        parts = [p.view(s) for p, s in zip(flat.split([s.numel() for s in shapes]), shapes, strict=True)]
        depth = self.model.depth
        a = self.x if x is None else x
        for m in range(depth):
            h = a @ parts[m].T
            if self.model.biases:
                h = h + parts[depth + m]
            if m == depth - 1:
                return h
            a = normalised(self.model.activation.name, h)
            if self.model.renormalize:
                a = a * (a.shape[1] ** 0.5 / a.norm(dim=1, keepdim=True))
        raise AssertionError

    def sample_losses(self, flat: Tensor) -> Tensor:
        return LOSS[self.loss].rows(self.output(flat), self.y)

    def mean_loss(self, flat: Tensor) -> Tensor:
        return self.sample_losses(flat).mean()

    def flat(self) -> Tensor:
        return torch.cat([p.reshape(-1) for p in self.model.parameters.values()])

    def training_pass(self) -> TrainingPass:
        run = self.model.forward(self.x)
        rows = losses.evaluate(self.loss, run.logits, self.y)
        signals = run.backward(rows.gradient)
        gradients = run.gradients(signals)
        flat = torch.cat([g.reshape(-1) for g in gradients.values()])
        accuracy = (self.output(self.flat()).argmax(1) == self.y).double().mean()
        numbers = [rows.values.mean(), accuracy, rows.values.max(), flat.square().sum()]
        norms = [gradient.norm() for gradient in gradients.values()]
        return TrainingPass(Transfer().add(torch.stack([*numbers, *norms])), run, rows, signals, gradients)


def small(
    activation: str = "tanh",
    renormalize: bool = False,
    bias: bool = False,
    loss: str = "mse",
    *,
    n: int = 6,
    d: int = 5,
    width: int = 7,
    depth: int = 3,
    classes: int = 3,
    seed: int = 1,
) -> Small:
    config = RunConfig(
        width=width, depth=depth, activation=activation, renormalize=renormalize, bias=bias, seed=seed, dtype="float64"
    )
    model = initialise(config, d, classes, torch.device("cpu"))
    generator = torch.Generator().manual_seed(seed + 100)
    for shift in model.biases:
        shift.copy_(0.3 * torch.randn(shift.shape, generator=generator, dtype=shift.dtype))
    x = torch.randn(n, d, generator=generator, dtype=torch.float64)
    x = x * (d**0.5 / x.norm(dim=1, keepdim=True))
    y = torch.randint(classes, (n,), generator=generator)
    return Small(model, x, y, loss)


def dense_hessian(case: Small) -> Tensor:
    return torch.autograd.functional.hessian(case.mean_loss, case.flat(), vectorize=True)


def dense_jacobian(case: Small) -> Tensor:
    """J of all logits, (n·k, parameters)."""
    j = torch.autograd.functional.jacobian(case.output, case.flat(), vectorize=True)
    return j.reshape(-1, j.shape[-1])
