"""The empirical tangent kernel against torch.func (always there) and nngeometry."""

from __future__ import annotations

import pytest
import torch
from torch.func import functional_call, jacrev, vmap

from tests.closed_form.kernels import kernel_of
from tests.closed_form.small_networks import CASES, small
from tests.model.module_model import module_of
from tests.oracles.modules import parameters_of


def dense_kernel(case) -> torch.Tensor:
    return kernel_of(case.model.forward(case.x))


@pytest.mark.parametrize(("activation", "renormalize", "bias"), CASES)
def test_the_tangent_kernel_is_that_of_torch_func(activation, renormalize, bias):
    """One example at a time: vmap of reverse-mode Jacobians of the module, contracted over its parameters."""
    case = small(activation, renormalize, bias)
    module = module_of(case.model)
    parameters = {name: value.detach() for name, value in module.named_parameters()}

    def one(values, x):
        return functional_call(module, values, (x[None],))[0]

    jacobians = vmap(jacrev(one), (None, 0))(parameters, case.x)
    flat = torch.cat([part.flatten(2) for part in jacobians.values()], dim=2).flatten(0, 1)
    torch.testing.assert_close(dense_kernel(case), flat @ flat.T, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("activation", "renormalize", "bias"), CASES)
def test_the_tangent_kernel_is_that_of_nngeometry(activation, renormalize, bias):
    gram = pytest.importorskip("nngeometry.gram", reason="nngeometry is not installed: pip install wnt-tui[oracles]")
    case = small(activation, renormalize, bias)
    module = module_of(case.model)
    assert len(parameters_of(module)) == len(case.model.parameters.values())
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(case.x, case.y), batch_size=len(case.x))
    theirs = gram.GramMatrix(module, loader, function=lambda x, _: module(x)).data  # (k, n, k, n)
    k, n = theirs.shape[:2]
    expected = theirs.permute(1, 0, 3, 2).reshape(n * k, n * k)
    torch.testing.assert_close(dense_kernel(case), expected, rtol=1e-9, atol=1e-11)
