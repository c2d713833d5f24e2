"""The extremes of the tangent kernel where products are so few that Lanczos alone would be far off."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.config import RunConfig
from engine.device.transfer import Transfer
from engine.measure.gram import feature_gram
from engine.measure.kernel import TangentKernel
from engine.measure.kernel_spectrum import KernelSpectrum, trace_shares
from engine.model import loss as losses
from engine.model.mlp import initialise
from tests.closed_form.functions import LOSS_NAMES
from tests.closed_form.row_contexts import begun, row_of
from tests.closed_form.small_networks import CASES, dense_jacobian, small
from tests.rounding import rounding


def noise(order: int) -> Tensor:
    """The start of an iteration of which nothing is known."""
    return torch.randn(order, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def quotient(dense: Tensor, v: Tensor) -> float:
    return float(v @ dense @ v) / float(v @ v)


@pytest.mark.parametrize(("activation", "renormalize", "bias"), CASES)
def test_with_one_product_each_end_is_the_best_of_the_start_the_gradient_and_the_compressed_modes(
    activation, renormalize, bias
):
    for seed in range(4):
        case = small(activation, renormalize, bias, seed=seed)
        found = case.training_pass()
        kernel = TangentKernel(found.run, [feature_gram(a) for a in found.run.features])
        jacobian = dense_jacobian(case)
        dense, (n, k) = jacobian @ jacobian.T, kernel.shape
        isometry = torch.kron(torch.eye(n, dtype=torch.float64), torch.full((k, 1), k**-0.5, dtype=torch.float64))
        modes = isometry @ torch.linalg.eigh(isometry.T @ dense @ isometry).eigenvectors
        candidates = [noise(n * k), found.rows.gradient.reshape(-1), modes[:, 0], modes[:, -1]]
        quotients = [quotient(dense, v) for v in candidates]
        spectrum = KernelSpectrum(products=1, warm_products=(1, 1))
        values = spectrum.measure(kernel, found.rows, "mse", found.grad_norm)
        assert values["ntk_lambda_max"] == pytest.approx(max(quotients), rel=1e-10)
        assert values["ntk_lambda_min"] == pytest.approx(min(quotients), rel=1e-10)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 1.1])
def test_a_gradient_counts_for_what_its_quotient_is(share):
    case = small("tanh", loss="mse_logits")
    found = case.training_pass()
    kernel = TangentKernel(found.run, [feature_gram(a) for a in found.run.features])
    dense, (n, k) = kernel.dense(), kernel.shape
    mode = torch.linalg.eigh(kernel.compressed()).eigenvectors[:, -1, None].expand(n, k).reshape(-1)
    best = max(quotient(dense, mode), quotient(dense, noise(n * k)))
    values, vectors = torch.linalg.eigh(dense)
    # Between the eigenvectors of both ends there is one with every quotient.
    t = float((share * best - values[0]) / (values[-1] - values[0]))
    g = math.sqrt(t) * vectors[:, -1] + math.sqrt(1 - t) * vectors[:, 0]
    assert quotient(dense, g) == pytest.approx(share * best)
    found.rows.gradient.copy_(1e-3 * g.view(n, k))
    norm = 1e-3 * math.sqrt(share * best) / n  # n²‖∇f‖² = gᵀKg
    few = KernelSpectrum(products=1, warm_products=(1, 1)).measure(kernel, found.rows, "mse_logits", norm)
    assert few["ntk_lambda_max"] == pytest.approx(max(best, share * best), rel=1e-10)


def test_with_one_class_the_extremes_are_those_of_the_compressed_kernel():
    case = small("tanh", loss="mse_logits", classes=1)
    found = case.training_pass()
    kernel = TangentKernel(found.run, [feature_gram(a) for a in found.run.features])
    values = KernelSpectrum(largest_tolerance=1e-13, smallest_tolerance=1e-13).measure(
        kernel, found.rows, "mse_logits", found.grad_norm
    )
    for end in ("min", "max"):
        slack = rounding(case.model.weights[0].shape[0]) * values["pntk_lambda_max"]
        assert values[f"ntk_lambda_{end}"] == pytest.approx(values[f"pntk_lambda_{end}"], rel=0, abs=slack)


def test_where_nothing_is_left_to_learn_the_compressed_modes_still_count():
    case = small("tanh", loss="mse_logits")
    found = case.training_pass()
    found.rows.gradient.zero_()
    kernel = TangentKernel(found.run, [feature_gram(a) for a in found.run.features])
    values = KernelSpectrum(largest_tolerance=1e-12, smallest_tolerance=1e-12).measure(
        kernel, found.rows, "mse_logits", 0.0
    )
    eigenvalues = torch.linalg.eigvalsh(kernel.dense())
    assert values["ntk_lambda_max"] == pytest.approx(float(eigenvalues[-1]), rel=1e-9)
    few = KernelSpectrum(products=1, warm_products=(1, 1)).measure(kernel, found.rows, "mse_logits", 0.0)
    slack = rounding(len(eigenvalues)) * few["pntk_lambda_max"]
    assert few["ntk_lambda_max"] >= few["pntk_lambda_max"] - slack
    assert few["ntk_lambda_min"] <= few["pntk_lambda_min"] + slack


@pytest.mark.parametrize("scale", [1e-4, 1.0])
def test_a_small_gradient_counts_as_much_as_a_large_one(scale):
    case = small("tanh", loss="mse_logits")
    found = case.training_pass()
    kernel = TangentKernel(found.run, [feature_gram(a) for a in found.run.features])
    dense = kernel.dense()
    top = torch.linalg.eigh(dense).eigenvectors[:, -1]
    found.rows.gradient.copy_(scale * top.view(kernel.shape))
    norm = scale * math.sqrt(quotient(dense, top)) / len(case.x)  # n²‖∇f‖² = gᵀKg
    values = KernelSpectrum(products=1, warm_products=(1, 1)).measure(kernel, found.rows, "mse_logits", norm)
    assert values["ntk_lambda_max"] == pytest.approx(float(torch.linalg.eigvalsh(dense)[-1]), rel=1e-10)


def test_conditioning_of_a_singular_kernel_stops_at_the_resolution_of_its_order():
    case = small("tanh", n=8)
    case.x[1] = case.x[0]
    found = case.training_pass()
    kernel = TangentKernel(found.run, [feature_gram(a) for a in found.run.features])
    n, k = kernel.shape
    null = torch.zeros(n, k, dtype=torch.float64)
    null[0, 0], null[1, 0] = 1.0, -1.0  # two equal examples
    spectrum = begun(KernelSpectrum(), case)
    spectrum.restore({"smallest": {"last": null.reshape(-1)}}, row_of(found))
    values = spectrum.measure(kernel, found.rows, "mse", found.grad_norm)
    assert abs(values["ntk_lambda_min"]) < rounding(n * k, sums=1) * values["ntk_lambda_max"]
    expected = -math.log10(n * k * np.finfo(np.float64).eps)
    assert values["ntk_log10_cond"] == pytest.approx(expected, rel=1e-12)


class Traces:
    """A kernel whose layers have these traces."""

    def __init__(self, *traces: float) -> None:
        self.traces = traces

    shape = (5, 3)

    def layer_traces(self, signs: Tensor | None) -> Tensor:
        assert signs is None  # so few examples are not worth an estimate
        return torch.tensor(self.traces, dtype=torch.float64)


def test_shares_are_those_of_traces_of_any_size_and_not_defined_for_a_kernel_of_zero_or_beyond_numbers():
    for size in (1e-200, 1e-6, 1e200):
        np.testing.assert_allclose(trace_shares(Traces(size, 3 * size)), [math.nan, 0.25, 0.75])
    for traces in ((0.0, 0.0), (math.inf, 1.0), (math.nan, 1.0)):
        assert np.isnan(trace_shares(Traces(*traces))).all()


@pytest.mark.parametrize(("activation", "renormalize", "bias"), CASES)
def test_random_signs_estimate_the_traces_and_are_exact_in_the_mean(activation, renormalize, bias):
    case = small(activation, renormalize, bias)
    found = case.training_pass()
    kernel = TangentKernel(found.run, [feature_gram(a) for a in found.run.features])
    n, k = kernel.shape
    # All patterns of one example's signs: cross terms cancel, whatever the other examples have.
    patterns = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=k)), dtype=torch.float64)
    mean = sum(kernel.layer_traces(pattern.expand(n, k)) for pattern in patterns) / len(patterns)
    torch.testing.assert_close(mean, kernel.layer_traces(), rtol=1e-12, atol=0.0)
    torch.testing.assert_close(kernel.layer_traces().sum(), kernel.dense().trace(), rtol=1e-12, atol=0.0)


def test_shares_of_many_examples_are_estimated_to_a_few_percent_and_the_same_at_each_call():
    case = small("relu", n=80, width=60, depth=4)
    found = case.training_pass()
    kernel = TangentKernel(found.run, [feature_gram(a) for a in found.run.features])
    shares, exact = trace_shares(kernel), kernel.layer_traces().numpy()
    np.testing.assert_allclose(shares[1:], exact / exact.sum(), rtol=0.05)
    assert not np.array_equal(shares[1:], exact / exact.sum())
    np.testing.assert_array_equal(shares, trace_shares(kernel))


@pytest.mark.parametrize("conditioned", [True, False])
def test_a_smallest_eigenvalue_is_within_its_residual_however_near_the_rounding_of_float32(conditioned):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(6, 40, generator=generator)
    if not conditioned:
        x[1] = x[0] + 1e-3 * x[2]
    model = initialise(RunConfig(width=50, depth=3, activation="tanh"), 40, 2, torch.device("cpu"))
    run = model.forward(x)
    rows = losses.evaluate("mse", run.logits, torch.tensor([0, 1, 0, 1, 0, 1]))
    kernel = TangentKernel(run, [feature_gram(a) for a in run.features])
    g = rows.gradient.double().reshape(-1)
    norm = math.sqrt(float(g @ kernel.dense() @ g)) / len(x)
    spectrum = KernelSpectrum(largest_tolerance=1e-6, smallest_tolerance=1e-2)
    values = spectrum.measure(kernel, rows, "mse_logits", norm)
    exact = torch.linalg.eigvalsh(kernel.dense())
    assert values["ntk_lambda_max"] == pytest.approx(float(exact[-1]), rel=1e-4)
    slack = rounding(50) * float(exact[-1])
    assert abs(values["ntk_lambda_min"] - float(exact[0])) <= values["ntk_residual"] + slack
    if conditioned:
        # The residual was seen through rounded products, and is never below their rounding.
        assert values["ntk_residual"] >= np.finfo(np.float32).eps * values["pntk_lambda_max"]
    else:
        assert values["ntk_lambda_min"] == pytest.approx(float(exact[0]), rel=1e-2)
        assert values["ntk_residual"] <= 1e-2 * values["ntk_lambda_min"]


def test_a_product_in_float32_is_off_by_no_more_than_is_said():
    case = small("relu", n=30, width=60, depth=5)
    found = case.training_pass()
    kernel = TangentKernel(found.run, [feature_gram(a) for a in found.run.features])
    v = torch.randn(kernel.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    off = float((kernel(v) - kernel(v.float()).double()).norm()) / float(v.norm())
    assert 0.0 < off <= 8 * 2.0**-23 * float(torch.linalg.eigvalsh(kernel.dense())[-1])


@pytest.mark.parametrize("loss", LOSS_NAMES)
@pytest.mark.parametrize(("n", "warm"), [(12, (3, 9)), (12, (7, 2)), (2, (8, 12))])
def test_products_that_are_queued_find_what_as_many_products_one_by_one_find(
    loss: str, n: int, warm: tuple[int, int]
) -> None:
    case = small("tanh", loss=loss, n=n)
    # With a tolerance of 0 every product that is allowed is made.
    one_by_one, queued = (
        KernelSpectrum(largest_tolerance=0.0, smallest_tolerance=0.0, warm_products=warm) for _ in range(2)
    )
    for row in range(4):
        found = case.training_pass()
        kernel = TangentKernel(found.run, [feature_gram(a) for a in found.run.features])
        expected = one_by_one.measure(kernel, found.rows, loss, found.grad_norm)
        queued.queue(kernel, found.rows, loss, Transfer())
        values = queued.measure(kernel, found.rows, loss, found.grad_norm)
        assert set(values) == set(expected)
        for name, value in values.items():
            assert value == pytest.approx(expected[name], rel=1e-7, abs=1e-11 * values["ntk_lambda_max"]), (row, name)
        for parameter, gradient in zip(case.model.parameters.values(), found.gradients.values(), strict=True):
            parameter.sub_(0.5 * gradient)
