"""The extremes of the tangent kernel where products are so few that Lanczos alone would be far off."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.measure.gram import feature_gram
from engine.measure.kernel import TangentKernel
from engine.measure.kernel_spectrum import KernelSpectrum, _noise, trace_shares
from tests.closed_form.small_networks import CASES, dense_jacobian, small


def quotient(dense: Tensor, v: Tensor) -> float:
    return float(v @ dense @ v) / float(v @ v)


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize(("activation", "renormalize", "bias"), CASES)
def test_with_one_product_each_end_is_the_best_of_the_start_the_gradient_and_the_compressed_modes(
    activation, renormalize, bias, known
):
    for seed in range(4):
        case = small(activation, renormalize, bias, seed=seed)
        found = case.training_pass()
        kernel = TangentKernel(case.network, found.run, [feature_gram(a) for a in found.run.inputs])
        jacobian = dense_jacobian(case)
        dense, (n, k) = jacobian @ jacobian.T, kernel.shape
        isometry = torch.kron(torch.eye(n, dtype=torch.float64), torch.full((k, 1), k**-0.5, dtype=torch.float64))
        modes = isometry @ torch.linalg.eigh(isometry.T @ dense @ isometry).eigenvectors
        candidates = [_noise(n * k, dense), found.rows.gradient.reshape(-1), modes[:, 0], modes[:, -1]]
        quotients = [quotient(dense, v) for v in candidates]
        spectrum = KernelSpectrum(products=1, warm_products=1)
        values = spectrum.measure(kernel, found.rows, "mse", found.grad_norm if known else None)
        assert values["ntk_lambda_max"] == pytest.approx(max(quotients), rel=1e-10)
        assert values["ntk_lambda_min"] == pytest.approx(min(quotients), rel=1e-10)


def test_where_nothing_is_left_to_learn_any_vector_stands_in_for_the_gradient():
    case = small("tanh", loss="mse_logits")
    found = case.training_pass()
    found.rows.gradient.zero_()
    kernel = TangentKernel(case.network, found.run, [feature_gram(a) for a in found.run.inputs])
    values = KernelSpectrum(largest_tolerance=1e-12, smallest_tolerance=1e-12).measure(
        kernel, found.rows, "mse_logits", 0.0
    )
    eigenvalues = torch.linalg.eigvalsh(kernel.dense())
    assert values["ntk_lambda_max"] == pytest.approx(float(eigenvalues[-1]), rel=1e-9)
    ones = torch.ones(len(eigenvalues), dtype=torch.float64)
    few = KernelSpectrum(products=1, warm_products=1).measure(kernel, found.rows, "mse_logits", 0.0)
    assert few["ntk_lambda_max"] >= quotient(kernel.dense(), ones) * (1 - 1e-12)


@pytest.mark.parametrize("scale", [1e-4, 1.0])
def test_a_small_gradient_is_as_good_a_witness_as_a_large_one(scale):
    case = small("tanh", loss="mse_logits")
    found = case.training_pass()
    kernel = TangentKernel(case.network, found.run, [feature_gram(a) for a in found.run.inputs])
    dense = kernel.dense()
    top = torch.linalg.eigh(dense).eigenvectors[:, -1]
    found.rows.gradient.copy_(scale * top.view(kernel.shape))
    values = KernelSpectrum(products=1, warm_products=1).measure(kernel, found.rows, "mse_logits", None)
    assert values["ntk_lambda_max"] == pytest.approx(float(torch.linalg.eigvalsh(dense)[-1]), rel=1e-10)


def test_conditioning_of_a_singular_kernel_stops_at_the_resolution_of_its_order():
    case = small("tanh", n=8)
    case.x[1] = case.x[0]
    found = case.training_pass()
    kernel = TangentKernel(case.network, found.run, [feature_gram(a) for a in found.run.inputs])
    n, k = kernel.shape
    null = torch.zeros(n, k, dtype=torch.float64)
    null[0, 0], null[1, 0] = 1.0, -1.0  # two equal examples
    spectrum = KernelSpectrum()
    spectrum._starts["smallest"] = null.reshape(-1)
    values = spectrum.measure(kernel, found.rows, "mse", found.grad_norm)
    assert abs(values["ntk_lambda_min"]) < 1e-15 * values["ntk_lambda_max"]
    expected = -math.log10(n * k * np.finfo(np.float64).eps)
    assert values["ntk_log10_cond"] == pytest.approx(expected, rel=1e-12)


class _Traces:
    """A kernel whose layers have these traces."""

    def __init__(self, *traces: float) -> None:
        self._traces = traces

    def layer_traces(self) -> Tensor:
        return torch.tensor(self._traces, dtype=torch.float64)


def test_shares_are_those_of_traces_of_any_size_and_not_defined_for_a_kernel_of_zero_or_beyond_numbers():
    for size in (1e-200, 1e-6, 1e200):
        np.testing.assert_allclose(trace_shares(_Traces(size, 3 * size)), [math.nan, 0.25, 0.75])
    for traces in ((0.0, 0.0), (math.inf, 1.0), (math.nan, 1.0)):
        assert np.isnan(trace_shares(_Traces(*traces))).all()
