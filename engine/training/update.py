"""The update θ ← θ − ηg in place, with the same bits at once or as a part of a recorded row."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import torch
from torch import Tensor


def update(parameters: Mapping[str, Tensor], gradients: Mapping[str, Tensor], lr: float) -> None:
    """θ ← θ − ηg."""
    for name, gradient in gradients.items():
        parameters[name].add_(gradient, alpha=-lr)


class RecordedUpdate:
    """The update as a part of a program that is replayed: its rate and its gradients lie at fixed addresses.

    Args:
        parameters: Of the model, updated in place.

    Attributes:
        gradients: ∂f/∂θ of the last row by parameter.
    """

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        self._parameters = parameters
        self.gradients = {name: torch.empty_like(parameter) for name, parameter in parameters.items()}
        like = next(iter(parameters.values()))
        self._lr = 0.0
        self._minus_lr = torch.zeros((), dtype=like.dtype, device=like.device)
        # One multiplication and addition, rounded once or twice: that depends on the device and on torch's version.
        self._rate_in_tensor = _same_bits(like)

    def keep(self, gradients: Mapping[str, Tensor]) -> None:
        """Copy the gradients of a row."""
        torch._foreach_copy_(list(self.gradients.values()), [gradients[name] for name in self.gradients])

    def prepare(self, lr: float) -> Hashable:
        """Set η; returns what tells programs apart whose update differs."""
        if lr != self._lr:
            self._lr = lr
            self._minus_lr.fill_(-lr)
        return None if self._rate_in_tensor else lr

    def launch(self, lr: float) -> None:
        """θ ← θ − ηg with the rate that was set; the number is used only where a tensor would round otherwise."""
        if not self._rate_in_tensor:
            update(self._parameters, self.gradients, lr)
            return
        for name, gradient in self.gradients.items():
            self._parameters[name].addcmul_(gradient, self._minus_lr)


def _same_bits(like: Tensor) -> bool:
    """Whether θ − ηg has the same bits with η in a tensor, tried on numbers of all sizes."""
    draw = torch.Generator().manual_seed(0)
    theta, gradient = (torch.randn(4099, generator=draw, dtype=torch.float64).to(like) for _ in range(2))
    for lr in (0.01, 0.1234567, 3.0):
        rate = torch.full((), -lr, dtype=like.dtype, device=like.device)
        if not torch.equal(theta.add(gradient, alpha=-lr), torch.addcmul(theta, gradient, rate)):
            return False
    return True
