"""The hand-written pass against the definition differentiated by autograd."""

from __future__ import annotations

import pytest
import torch

from engine.measure.block_krylov import krylov, ritz, small_products
from engine.measure.row_norms import row_norms
from engine.model.renormalisation import row_scale, row_scale_derivative
from tests.closed_form.functions import LOSS_NAMES
from tests.closed_form.small_networks import CASES, dense_hessian, small
from tests.rounding import rounding


@pytest.mark.parametrize("loss", LOSS_NAMES)
@pytest.mark.parametrize(("activation", "renormalize", "bias"), CASES)
def test_loss_and_gradient_are_those_of_the_definition(activation, renormalize, bias, loss):
    case = small(activation, renormalize, bias, loss)
    flat = case.flat().requires_grad_()
    value = case.mean_loss(flat)
    (expected,) = torch.autograd.grad(value, flat)
    found = case.training_pass()
    assert found.loss == pytest.approx(float(value.detach()), rel=1e-12)
    torch.testing.assert_close(
        torch.cat([g.reshape(-1) for g in found.gradients.values()]), expected, rtol=1e-10, atol=1e-13
    )


@pytest.mark.parametrize("loss", LOSS_NAMES)
@pytest.mark.parametrize(("activation", "renormalize", "bias"), CASES)
def test_sample_gradient_norms_are_those_of_single_examples(activation, renormalize, bias, loss):
    case = small(activation, renormalize, bias, loss)
    jacobian = torch.autograd.functional.jacobian(case.sample_losses, case.flat())
    found = case.training_pass()
    squares = torch.from_numpy(row_norms(found.run, found.signals).sample_gradients())
    torch.testing.assert_close(squares, jacobian.square().sum(dim=1), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("loss", LOSS_NAMES)
@pytest.mark.parametrize(("activation", "renormalize", "bias"), CASES)
def test_hessian_products_are_those_of_the_dense_hessian(activation, renormalize, bias, loss):
    case = small(activation, renormalize, bias, loss)
    dense = dense_hessian(case)
    found = case.training_pass()
    operator = found.run.hessian_product(found.signals, found.rows)
    assert case.model.dimension == dense.shape[0]
    columns = operator(torch.eye(dense.shape[0], dtype=torch.float64))
    torch.testing.assert_close(columns, dense, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("loss", LOSS_NAMES)
def test_the_largest_hessian_eigenvalue_is_the_dense_one_even_where_a_negative_one_is_larger_in_modulus(loss):
    case = small("tanh", False, True, loss)
    dense = torch.linalg.eigvalsh(dense_hessian(case))
    found = case.training_pass()
    operator = found.run.hessian_product(found.signals, found.rows)
    start = torch.cat([g.reshape(-1) for g in found.gradients.values()])[None, :, None]
    space = krylov(lambda block: operator(block[0].mT).mT[None], start, 60)
    pairs = ritz(small_products(*space)[0].numpy())
    slack = rounding(len(dense)) * float(dense.abs().max())
    for end in (0, -1):
        assert pairs.values[end] == pytest.approx(float(dense[end]), rel=1e-6, abs=slack)


def test_a_row_of_any_length_is_rescaled_and_a_row_of_zeros_stays_what_it_is():
    lengths = torch.tensor([1e-30, 1e-3, 0.9, 1.1, 1e30, 0.0], dtype=torch.float64)
    u = lengths[:, None] * torch.tensor([0.6, 0.0, -0.8, 0.0], dtype=torch.float64)
    torch.testing.assert_close((row_scale(u) * u).norm(dim=1), torch.tensor([2.0, 2, 2, 2, 2, 0], dtype=torch.float64))


@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
def test_the_derivative_of_rescaling_is_nu_times_the_projection_across_the_row_in_every_batch(batch):
    generator = torch.Generator().manual_seed(0)
    u, z = (torch.randn(*batch, 5, 7, generator=generator, dtype=torch.float64) for _ in range(2))
    nu = 7**0.5 / u.norm(dim=-1, keepdim=True)
    found = row_scale_derivative(nu * u, nu, z)
    slack = rounding(7) * float((nu * z.norm(dim=-1, keepdim=True)).max())
    rows = zip(*(t.reshape(-1, t.shape[-1]) for t in (u, nu, z, found)), strict=True)
    for of, scale, v, product in rows:
        along = of / of.norm()
        torch.testing.assert_close(product, scale * (v - along * torch.dot(along, v)), rtol=0, atol=slack)


def test_products_of_a_block_lie_where_they_are_asked_for_whatever_was_there():
    case = small("tanh", True, True, "mse")
    found = case.training_pass()
    operator = found.run.hessian_product(found.signals, found.rows)
    block = torch.eye(case.model.dimension, dtype=torch.float64)[:4]
    room = torch.full((7, case.model.dimension), float("nan"), dtype=torch.float64)
    operator(block, room[2:6])
    torch.testing.assert_close(room[2:6], operator(block), rtol=0, atol=0)
    assert torch.isnan(room[:2]).all()
    assert torch.isnan(room[6:]).all()
