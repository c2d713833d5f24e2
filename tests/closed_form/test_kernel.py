"""The tangent kernel against J Jᵀ, J by autograd of the definition."""

from __future__ import annotations

import math

import pytest
import torch

from engine.measure.gram import feature_gram
from engine.measure.kernel import TangentKernel
from engine.measure.kernel_spectrum import KernelSpectrum, trace_shares
from tests.closed_form.functions import LOSS_NAMES, kept_curvature
from tests.closed_form.small_networks import CASES, dense_jacobian, small
from tests.rounding import rounding


def kernel_of(case):
    found = case.training_pass()
    return TangentKernel(found.run, [feature_gram(a) for a in found.run.features]), found


@pytest.mark.parametrize(("activation", "renormalize", "bias"), CASES)
def test_products_and_the_dense_kernel_are_those_of_the_jacobian(activation, renormalize, bias):
    case = small(activation, renormalize, bias)
    jacobian = dense_jacobian(case)
    expected = jacobian @ jacobian.T
    kernel, _ = kernel_of(case)
    n, k = kernel.shape
    columns = torch.stack([kernel(v.view(n, k)).reshape(-1) for v in torch.eye(n * k, dtype=torch.float64)])
    torch.testing.assert_close(columns, expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(kernel.dense(), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("activation", "renormalize", "bias"), CASES)
def test_layer_traces_are_those_of_the_jacobians_column_blocks_and_shares_add_up_to_one(activation, renormalize, bias):
    case = small(activation, renormalize, bias)
    jacobian = dense_jacobian(case)
    kernel, _ = kernel_of(case)
    sizes = [p.numel() for p in case.model.parameters.values()]
    squares = torch.stack([block.square().sum() for block in jacobian.split(sizes, dim=1)])
    depth = case.model.depth
    expected = squares[:depth] + (squares[depth:] if bias else 0.0)
    torch.testing.assert_close(kernel.layer_traces(), expected, rtol=1e-10, atol=0.0)
    shares = trace_shares(kernel)
    assert math.isnan(shares[0])
    assert shares[1:].sum() == pytest.approx(1.0)
    assert shares[1:] == pytest.approx((expected / expected.sum()).numpy())


@pytest.mark.parametrize(("activation", "renormalize", "bias"), CASES)
def test_the_compressed_kernel_is_the_jacobian_seen_through_one_cotangent(activation, renormalize, bias):
    case = small(activation, renormalize, bias)
    kernel, _ = kernel_of(case)
    n, k = kernel.shape
    isometry = torch.kron(torch.eye(n, dtype=torch.float64), torch.full((1, k), k**-0.5, dtype=torch.float64))
    seen = isometry @ dense_jacobian(case)
    torch.testing.assert_close(kernel.compressed(), seen @ seen.T, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("loss", LOSS_NAMES)
@pytest.mark.parametrize(("activation", "renormalize", "bias"), CASES)
def test_extremes_enclose_as_ritz_values_must_and_interlace(activation, renormalize, bias, loss):
    case = small(activation, renormalize, bias, loss, width=20)
    jacobian = dense_jacobian(case)
    dense = torch.linalg.eigvalsh(jacobian @ jacobian.T)
    kernel, found = kernel_of(case)
    values = KernelSpectrum(largest_tolerance=1e-6, smallest_tolerance=1e-6).measure(
        kernel, found.rows, loss, found.grad_norm
    )
    low, high = float(dense[0]), float(dense[-1])
    slack = rounding(jacobian.shape[1]) * high
    assert low - slack <= values["ntk_lambda_min"] <= low + values["ntk_residual"] + slack
    assert values["ntk_lambda_min"] == pytest.approx(low, rel=1e-6)
    assert high - values["ntk_lambda_max_residual"] - slack <= values["ntk_lambda_max"] <= high + slack
    assert values["ntk_lambda_max"] == pytest.approx(high, rel=1e-9)
    # In float64 a residual is its own, with nothing added for rounding.
    assert values["ntk_residual"] <= 1e-6 * values["ntk_lambda_min"]
    assert low <= values["pntk_lambda_min"] + slack
    assert values["pntk_lambda_max"] <= high + slack
    assert values["ntk_log10_cond"] == pytest.approx(math.log10(values["ntk_lambda_max"] / values["ntk_lambda_min"]))


@pytest.mark.parametrize("loss", LOSS_NAMES)
@pytest.mark.parametrize(("activation", "renormalize", "bias"), CASES)
def test_gauss_newton_is_that_of_the_jacobian_and_the_logit_hessian(activation, renormalize, bias, loss):
    case = small(activation, renormalize, bias, loss)
    kernel, found = kernel_of(case)
    jacobian = dense_jacobian(case)
    n, k = kernel.shape
    total = torch.zeros(jacobian.shape[1], jacobian.shape[1], dtype=torch.float64)
    for i in range(n):
        block = jacobian[i * k : (i + 1) * k]
        total += block.T @ kept_curvature(loss, found.run.logits[i]) @ block / n
    expected = float(torch.linalg.eigvalsh(total)[-1])
    values = KernelSpectrum(largest_tolerance=1e-6).measure(kernel, found.rows, loss, found.grad_norm)
    assert values["smoothness_ggn"] == pytest.approx(expected, rel=1e-9)


def test_one_linear_layer_has_the_kernel_of_its_inputs():
    # Eq. 11 for o = Wx: K = XXᵀ ⊗ I. The network needs a hidden layer, so the layer's own term is taken.
    case = small("tanh", n=4, width=9, depth=2)
    kernel, found = kernel_of(case)
    features = found.run.features[-1]
    last = torch.kron(features @ features.T, torch.eye(3, dtype=torch.float64))
    rest = kernel.dense() - last
    # The other layers' terms are positive semidefinite.
    assert float(torch.linalg.eigvalsh(rest)[0]) >= -rounding(len(rest)) * float(last.trace())


@pytest.mark.parametrize("changes", [{"renormalize": True}, {"bias": True}, {"activation": "relu"}, {}])
def test_the_mu_chain_holds_for_mse_on_logits(changes):
    case = small(loss="mse_logits", width=20, **changes)
    kernel, found = kernel_of(case)
    n, _ = kernel.shape
    r = found.rows.gradient
    mu = float((r * kernel(r)).sum()) / (n * float(r.square().sum()))
    assert mu == pytest.approx(found.grad_norm**2 / (2 * found.loss))
    dense = torch.linalg.eigvalsh(kernel.dense())
    features = torch.linalg.eigvalsh(feature_gram(found.run.features[-1]))
    width = found.run.features[-1].shape[1]
    slack = rounding(width) * float(dense[-1]) / n
    assert width * float(features[0]) / n <= float(dense[0]) / n + slack
    assert float(dense[0]) / n - slack <= mu <= float(dense[-1]) / n + slack


def test_followed_values_stay_within_their_residuals_of_the_spectrum():
    # Default tolerances: what is stored may be loose, but an eigenvalue lies within the stored residual of it.
    case = small("relu", width=20, n=12)
    spectrum = KernelSpectrum(warm_products=(3, 3))
    for _ in range(4):
        kernel, found = kernel_of(case)
        values = spectrum.measure(kernel, found.rows, "mse", found.grad_norm)
        dense = torch.linalg.eigvalsh(kernel.dense())
        slack = rounding(20) * float(dense[-1])
        assert float((dense - values["ntk_lambda_min"]).abs().min()) <= values["ntk_residual"] + slack
        assert float((dense - values["ntk_lambda_max"]).abs().min()) <= values["ntk_lambda_max_residual"] + slack
        for weight, gradient in zip(case.model.weights, found.gradients.values(), strict=True):
            weight -= 0.05 * gradient
