"""The losses on logits: values, gradients, and products with their Hessian, a row an example.

Their constants stand in :mod:`engine.theory.loss_constants`; torch's MSELoss divides by k and has no ½: it is none.

All of it is n×k work, so it is done in float64 whatever the training precision: the loss differences that the
predictions live on are then limited by the logits and not by the summation. Shapes: o, v (n, k); y (n,) labels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class LossRows:
    """A loss at some logits, example by example.

    Attributes:
        values: ℓ_i, (n,), float64.
        gradient: ∂ℓ_i/∂o_i, (n, k), float64.
        hessian_product: v ↦ ∇²ℓ_i v_i, (n, k) → (n, k), in the dtype of v.
        gauss_newton_factor: v ↦ B_i v_i with B_iB_iᵀ the positive part of ∇²ℓ_i that Gauss–Newton keeps.
        gauss_newton_factor_transpose: v ↦ B_iᵀ v_i.
    """

    values: Tensor
    gradient: Tensor
    hessian_product: Callable[[Tensor], Tensor]
    gauss_newton_factor: Callable[[Tensor], Tensor]
    gauss_newton_factor_transpose: Callable[[Tensor], Tensor]


def evaluate(name: str, output: Tensor, labels: Tensor) -> LossRows:
    """The loss of that name at logits (n, k) and class indices (n,), or their :func:`targets`."""
    o = output.to(torch.float64)
    return TENSOR_LOSSES[name](o, labels if labels.ndim == 2 else targets(labels, o.shape[1]))


def targets(labels: Tensor, classes: int) -> Tensor:
    """Class indices (n,) as rows of the identity, (n, k), float64."""
    return torch.nn.functional.one_hot(labels, classes).to(torch.float64)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(dim=-1, keepdim=True)


def _softmax_jacobian(p: Tensor, v: Tensor) -> Tensor:
    """S v, S = diag p − ppᵀ, with p in the dtype of v."""
    return p * (v - _dot(p, v))


def _mse(o: Tensor, y: Tensor) -> LossRows:
    p = torch.softmax(o, dim=-1)
    r = p - y

    def jacobian(v: Tensor) -> Tensor:
        return _softmax_jacobian(p.to(v.dtype), v)

    def hessian(v: Tensor) -> Tensor:
        q, s, dp = p.to(v.dtype), r.to(v.dtype), jacobian(v)
        return dp * (s - _dot(q, s)) + q * (dp - _dot(dp, s) - _dot(q, dp))

    # ∇²ℓ = S² + (indefinite rest): Gauss–Newton splits at p, so its factor is S itself.
    return LossRows(0.5 * (r * r).sum(dim=-1), p * (r - _dot(p, r)), hessian, jacobian, jacobian)


def _mse_logits(o: Tensor, y: Tensor) -> LossRows:
    r = o - y

    def identity(v: Tensor) -> Tensor:
        return v

    return LossRows(0.5 * (r * r).sum(dim=-1), r, identity, identity, identity)


def _cross_entropy(o: Tensor, y: Tensor) -> LossRows:
    p = torch.softmax(o, dim=-1)
    # By the label's index: a product of log softmax with y would make −∞·0 of an underflow.
    value = torch.nn.functional.cross_entropy(o, y.argmax(dim=-1), reduction="none")

    def hessian(v: Tensor) -> Tensor:
        return _softmax_jacobian(p.to(v.dtype), v)

    # With q = √p, B = diag q − p qᵀ satisfies BBᵀ = diag p − ppᵀ, because Σp = 1.
    def factor(v: Tensor) -> Tensor:
        q = p.to(v.dtype)
        root = q.sqrt()
        return root * v - q * _dot(root, v)

    def factor_transpose(v: Tensor) -> Tensor:
        q = p.to(v.dtype)
        return q.sqrt() * (v - _dot(q, v))

    return LossRows(value, p - y, hessian, factor, factor_transpose)


TENSOR_LOSSES: dict[str, Callable[[Tensor, Tensor], LossRows]] = {
    "mse": _mse,
    "mse_logits": _mse_logits,
    "cross_entropy": _cross_entropy,
}
