"""The small networks of the closed-form tests as modules of torch.nn, which other libraries can read."""

from __future__ import annotations

from torch import Tensor, nn

from tests.closed_form.functions import LOSS


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
        return LOSS[self._name].rows(o, y).mean()
