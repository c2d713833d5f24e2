"""A network of one linear layer, o = Wx: kernel, Hessian, gradient norms and curvature in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.measure.gram import feature_gram
from engine.measure.row_norms import row_norms
from engine.model import loss as losses
from engine.model.mlp import MLP
from engine.theory.activation import TANH
from tests.closed_form.kernels import kernel_of, table_of
from tests.rounding import rounding

N, D, K = 5, 4, 3


def layer(bias: bool):
    rng = np.random.default_rng(0)
    weight = torch.tensor(rng.normal(size=(K, D)))
    shift = torch.tensor(rng.normal(size=K)) if bias else None
    x, y = torch.tensor(rng.normal(size=(N, D))), torch.tensor(rng.integers(0, K, size=N))
    model = MLP([weight], None if shift is None else [shift], TANH, renormalize=False)
    # With a bias the input has one more coordinate, always 1.
    extended = torch.cat([x, torch.ones(N, 1, dtype=x.dtype)], dim=1) if bias else x
    return model, x, y, extended, model.forward(x)


def in_the_engines_order(matrix: torch.Tensor, bias: bool) -> torch.Tensor:
    """From rows (class, input), the bias being the last input, to all weights and then all biases."""
    if not bias:
        return matrix
    weights = [c * (D + 1) + j for c in range(K) for j in range(D)]
    order = torch.tensor(weights + [c * (D + 1) + D for c in range(K)])
    return matrix[order][:, order]


@pytest.mark.parametrize("bias", [False, True])
def test_the_tangent_kernel_is_that_of_the_inputs_for_every_class_alike(bias: bool) -> None:
    _, x, _, extended, run = layer(bias)
    expected = torch.kron(extended @ extended.T, torch.eye(K, dtype=torch.float64))
    table, _ = table_of(run)
    slack = rounding(D + 1) * float(expected.max())
    torch.testing.assert_close(kernel_of(run), expected, rtol=0, atol=slack)
    torch.testing.assert_close(table.compressed(), extended @ extended.T, rtol=0, atol=slack)
    v = torch.tensor(np.random.default_rng(1).normal(size=(N, K)))
    slack = rounding(N * K) * float(torch.linalg.matrix_norm(expected) * v.norm())
    torch.testing.assert_close(
        run.kernel_product([feature_gram(x)])(v).reshape(-1), expected @ v.reshape(-1), rtol=0, atol=slack
    )


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("loss", ["mse_logits", "cross_entropy"])
def test_the_hessian_of_linear_and_of_softmax_regression_is_the_closed_form(loss: str, bias: bool) -> None:
    """(1/n) Σ_i C_i ⊗ x_i x_iᵀ, C = I for least squares and diag p − ppᵀ for softmax regression."""
    model, _, y, extended, run = layer(bias)
    rows = losses.evaluate(loss, run.logits, y)
    product = run.hessian_product(run.backward(rows.gradient), rows)
    expected = torch.zeros(K * extended.shape[1], K * extended.shape[1], dtype=torch.float64)
    for i in range(N):
        p = torch.exp(run.logits[i]) / torch.exp(run.logits[i]).sum()
        C = torch.eye(K, dtype=p.dtype) if loss == "mse_logits" else torch.diag(p) - torch.outer(p, p)
        expected += torch.kron(C, torch.outer(extended[i], extended[i])) / N
    found = product(torch.eye(model.dimension, dtype=torch.float64))
    torch.testing.assert_close(
        found, in_the_engines_order(expected, bias), rtol=0, atol=rounding(N * D) * float(expected.max())
    )


@pytest.mark.parametrize("bias", [False, True])
def test_gradients_of_softmax_regression_are_those_of_the_textbook(bias: bool) -> None:
    _, _, y, extended, run = layer(bias)
    rows = losses.evaluate("cross_entropy", run.logits, y)
    signals = run.backward(rows.gradient)
    p = torch.softmax(run.logits, dim=1)
    residual = p - torch.eye(K, dtype=p.dtype)[y]
    whole = residual.T @ extended / N
    found = run.gradients(signals)
    slack = rounding(N) * float(extended.abs().max())
    torch.testing.assert_close(found["W1"], whole[:, :D], rtol=0, atol=slack)
    if bias:
        torch.testing.assert_close(found["b1"], whole[:, D], rtol=0, atol=slack)
    squares = residual.square().sum(dim=1) * extended.square().sum(dim=1)
    found_squares = torch.from_numpy(row_norms(run, signals).sample_gradients())
    torch.testing.assert_close(found_squares, squares, rtol=rounding(D + K), atol=0.0)
