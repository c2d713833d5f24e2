"""Hessian and Gauss–Newton products against curvlinops."""

from __future__ import annotations

import pytest
import torch

from tests.closed_form.functions import LOSS_NAMES
from tests.closed_form.kernels import kernel_values
from tests.closed_form.small_networks import CASES, small
from tests.model.module_model import module_of
from tests.oracles.modules import Loss, parameters_of

curvlinops = pytest.importorskip("curvlinops", reason="curvlinops is not installed: pip install wnt-tui[oracles]")


@pytest.mark.parametrize("loss", LOSS_NAMES)
@pytest.mark.parametrize(("activation", "renormalize", "bias"), CASES)
def test_hessian_products_are_those_of_curvlinops(activation, renormalize, bias, loss):
    case = small(activation, renormalize, bias, loss)
    module = module_of(case.model)
    theirs = curvlinops.HessianLinearOperator(module, Loss(loss), parameters_of(module), [(case.x, case.y)])
    found = case.training_pass()
    ours = found.run.hessian_product(found.signals, found.rows)
    generator = torch.Generator().manual_seed(0)
    block = torch.randn(3, case.model.dimension, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(ours(block), (theirs @ block.T).T, rtol=1e-9, atol=1e-11)


# For mse their matrix is JᵀH_ℓJ with the indefinite H_ℓ, which the engine replaces by its positive part.
@pytest.mark.parametrize("loss", ["mse_logits", "cross_entropy"])
@pytest.mark.parametrize(("activation", "renormalize", "bias"), CASES)
def test_the_largest_gauss_newton_eigenvalue_is_that_of_curvlinops(activation, renormalize, bias, loss):
    case = small(activation, renormalize, bias, loss)
    module = module_of(case.model)
    theirs = curvlinops.GGNLinearOperator(module, Loss(loss), parameters_of(module), [(case.x, case.y)])
    dense = theirs @ torch.eye(theirs.shape[1], dtype=torch.float64)
    expected = float(torch.linalg.eigvalsh((dense + dense.T) / 2)[-1])
    found = kernel_values(case, case.training_pass())["smoothness_ggn"]
    assert found == pytest.approx(expected, rel=1e-8)
