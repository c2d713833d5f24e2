"""Losses and their logit Hessians against the definitions."""

from __future__ import annotations

import pytest
import torch

from engine.model.loss import TENSOR_LOSSES, evaluate
from engine.theory.loss_constants import LOSSES
from tests.closed_form.functions import LOSS, LOSS_NAMES, kept_curvature


@pytest.mark.parametrize("name", LOSS_NAMES)
def test_values_gradients_and_hessians_are_those_of_the_definition(name):
    generator = torch.Generator().manual_seed(0)
    o = 2 * torch.randn(5, 4, generator=generator, dtype=torch.float64)
    y = torch.tensor([0, 3, 1, 1, 2])
    rows = evaluate(name, o, y)
    torch.testing.assert_close(rows.values, LOSS[name].rows(o, y))
    for i in range(5):
        one = lambda v, i=i: LOSS[name].rows(v[None], y[i : i + 1])[0]  # ruff: ignore[lambda-assignment] a closure for autograd
        gradient = torch.autograd.functional.jacobian(one, o[i])
        hessian = torch.autograd.functional.hessian(one, o[i])
        torch.testing.assert_close(rows.gradient[i], gradient)
        for v in torch.eye(4, dtype=torch.float64):
            product = rows.hessian_product(v.expand(5, 4).clone())[i]
            torch.testing.assert_close(product, hessian @ v)


@pytest.mark.parametrize("name", LOSS_NAMES)
def test_the_gauss_newton_factor_squares_to_the_kept_part_of_the_logit_hessian(name):
    o = torch.tensor([[0.3, -1.0, 2.0, 0.1]], dtype=torch.float64)
    rows = evaluate(name, o, torch.tensor([1]))
    eye = torch.eye(4, dtype=torch.float64)
    factor = torch.stack([rows.gauss_newton_factor(v[None])[0] for v in eye], dim=1)
    transpose = torch.stack([rows.gauss_newton_factor_transpose(v[None])[0] for v in eye], dim=1)
    torch.testing.assert_close(factor @ transpose, kept_curvature(name, o[0]))
    torch.testing.assert_close(transpose, factor.T)


def test_a_confidently_wrong_example_has_a_finite_cross_entropy():
    rows = evaluate("cross_entropy", torch.tensor([[0.0, 2000.0]]), torch.tensor([0]))
    assert float(rows.values) == pytest.approx(2000.0)


def test_the_tables_of_theory_and_of_tensors_have_the_same_names():
    assert set(LOSSES) == set(TENSOR_LOSSES) == set(LOSS_NAMES)
