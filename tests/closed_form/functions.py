"""Activations and losses as the tests define them, one entry each; nothing of the engine is used.

What is normalised, differentiated or integrated is so by quadrature and autograd, in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

PHI: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "gelu": torch.nn.functional.gelu,
}
KINKED = {"relu"}
NAMES = list(PHI)


def _probabilities_mse(o: Tensor, y: Tensor) -> Tensor:
    return _logits_mse(torch.exp(o) / torch.exp(o).sum(dim=1, keepdim=True), y)


def _logits_mse(o: Tensor, y: Tensor) -> Tensor:
    return ((o - torch.eye(o.shape[1], dtype=o.dtype)[y]) ** 2).sum(dim=1) / 2


def _cross_entropy(o: Tensor, y: Tensor) -> Tensor:
    return torch.logsumexp(o, dim=1) - o[torch.arange(len(y)), y]


@dataclass(frozen=True)
class Loss:
    """A loss of logits (n, k) and labels (n,).

    Attributes:
        rows: The loss of every example, (n,).
        kept: The part of an example's ∇²ℓ that Gauss–Newton keeps, from S = diag p − ppᵀ.
        ceiling: sup‖∇ℓ‖.
        curvature: sup‖∇²ℓ‖₂.
        bound: sup ℓ.
        infimum: An f* for runs.
        quadratic: Whether ∇²ℓ = I.
    """

    rows: Callable[[Tensor, Tensor], Tensor]
    kept: Callable[[Tensor], Tensor]
    ceiling: float
    curvature: float
    bound: float
    infimum: float
    quadratic: bool = False


_Q = (15 - math.sqrt(33)) / 24
LOSS: dict[str, Loss] = {
    "mse": Loss(
        _probabilities_mse, lambda s: s @ s, 8 * math.sqrt(2) / 27, 4 * _Q * _Q * (1 - _Q) * (2 - 3 * _Q), 1.0, 0.02
    ),
    "mse_logits": Loss(
        _logits_mse, lambda s: torch.eye(len(s), dtype=s.dtype), math.inf, 1.0, math.inf, 0.0, quadratic=True
    ),
    "cross_entropy": Loss(_cross_entropy, lambda s: s, math.sqrt(2), 0.5, math.inf, -0.1),
}
LOSS_NAMES = list(LOSS)


def kept_curvature(loss: str, o: Tensor) -> Tensor:
    """The part of ∇²ℓ that Gauss–Newton keeps, at the logits (k,) of one example."""
    p = torch.exp(o) / torch.exp(o).sum()
    return LOSS[loss].kept(torch.diag(p) - torch.outer(p, p))


@cache
def normalisation(activation: str) -> tuple[float, float]:
    """Scale and offset of φ̄: closed form where there is a kink, else quadrature."""
    if activation == "relu":
        return math.sqrt(2 * math.pi / (math.pi - 1)), -1 / math.sqrt(math.pi - 1)
    z = np.arange(-1536, 1537) / 128  # steps that are exact
    weights = np.exp(-z * z / 2) / math.sqrt(2 * math.pi) / 128
    phi = derivative(activation, 0)(z)
    mean = math.fsum(weights * phi)
    scale = 1 / math.sqrt(math.fsum(weights * (phi - mean) ** 2))
    return scale, -mean * scale


def normalised(activation: str, h: Tensor) -> Tensor:
    """φ̄(h)."""
    scale, offset = normalisation(activation)
    return scale * PHI[activation](h) + offset


def derivative(activation: str, order: int) -> Callable[[np.ndarray], np.ndarray]:
    """φ and its derivatives entrywise, by autograd."""

    def values(t: np.ndarray) -> np.ndarray:
        x = torch.tensor(np.asarray(t), dtype=torch.float64, requires_grad=order > 0)
        y = PHI[activation](x)
        for left in reversed(range(order)):
            (y,) = torch.autograd.grad(y.sum(), x, create_graph=left > 0)
        return np.asarray(y.detach().numpy())

    return values


@cache
def supremum(activation: str, order: int) -> float:
    """sup|φ̄'| or sup|φ̄''|: the best of a grid, refined; NaN where a kink leaves no second derivative."""
    if order == 2 and activation in KINKED:
        return math.nan
    f, t = derivative(activation, order), np.linspace(-6.0, 6.0, 2400)
    best = float(t[np.argmax(np.abs(f(t)))])
    found = minimize_scalar(
        lambda x: -float(np.abs(f(np.array(x)))), bounds=(best - 0.01, best + 0.01), options={"xatol": 1e-9}
    )
    return normalisation(activation)[0] * max(-float(found.fun), float(np.abs(f(np.array(best)))))


@cache
def dual(activation: str, rho: float) -> float:
    """σ̂(ρ): the arc-cosine kernel for ReLU, else two-dimensional quadrature."""
    if rho >= 1.0 - 1e-13:
        return 1.0
    if activation == "relu":
        angle = math.acos(rho)
        raw = (math.sin(angle) + (math.pi - angle) * math.cos(angle)) / (2 * math.pi)  # E max(X,0) max(Y,0)
        return (raw - 1 / (2 * math.pi)) / (0.5 - 1 / (2 * math.pi))
    scale, offset = normalisation(activation)
    phi = derivative(activation, 0)
    return _correlation(lambda t: scale * phi(t) + offset, rho)


@cache
def dual_slope(activation: str, rho: float) -> float:
    """σ̂'(ρ) = E[φ̄'(X)φ̄'(Y)]: the chance that both are positive for ReLU, else two-dimensional quadrature."""
    rho = min(max(rho, -1.0), 1.0)
    scale, _ = normalisation(activation)
    if activation == "relu":
        return scale**2 * (0.25 + math.asin(rho) / (2 * math.pi))
    return scale**2 * _correlation(derivative(activation, 1), rho)


def _correlation(f: Callable[[np.ndarray], np.ndarray], rho: float) -> float:
    """E[f(X)f(Y)] by the trapezoid rule, 145 nodes on [−9, 9] each."""
    x = np.arange(-72, 73) / 8
    w = np.exp(-x * x / 2) / math.sqrt(2 * math.pi) / 8
    y = rho * x[:, None] + math.sqrt(max(0.0, 1 - rho * rho)) * x[None, :]
    return float((w * f(x)) @ (f(y) @ w))
