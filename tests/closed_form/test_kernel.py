"""The tangent kernel against J Jᵀ, J by autograd of the definition."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from engine import RunConfig
from engine.measure.gram import feature_gram
from engine.measure.kernel_spectrum import KernelSpectrum, trace_shares
from engine.measure.kernel_table import forming_error
from engine.model.mlp import initialise
from tests.closed_form.functions import LOSS_NAMES, NAMES, kept_curvature
from tests.closed_form.kernels import by_example, grams_of, kernel_of, kernel_values, row_measured, table_of
from tests.closed_form.row_contexts import begun
from tests.closed_form.small_networks import CASES, dense_jacobian, small
from tests.rounding import rounding

INTERVALS = ("ntk_lambda_min", "ntk_lambda_max", "pntk_lambda_min", "pntk_lambda_max", "smoothness_ggn")


@pytest.mark.parametrize(("activation", "renormalize", "bias"), CASES)
def test_the_table_and_products_are_those_of_the_jacobian(activation, renormalize, bias):
    case = small(activation, renormalize, bias)
    jacobian = dense_jacobian(case)
    expected = jacobian @ jacobian.T
    run = case.model.forward(case.x)
    n, k = run.logits.shape
    product = run.kernel_product(grams_of(run))
    columns = product(torch.eye(n * k, dtype=torch.float64).view(n * k, n, k)).reshape(n * k, n * k)
    torch.testing.assert_close(columns, expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(kernel_of(run), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("activation", "renormalize", "bias"), CASES)
@pytest.mark.parametrize("kernel", ["dense", "products"])
def test_layer_traces_are_those_of_the_jacobians_column_blocks_and_shares_add_up_to_one(
    activation, renormalize, bias, kernel
):
    case = small(activation, renormalize, bias)
    jacobian = dense_jacobian(case)
    sizes = [p.numel() for p in case.model.parameters.values()]
    squares = torch.stack([block.square().sum() for block in jacobian.split(sizes, dim=1)])
    depth = case.model.depth
    expected = squares[:depth] + (squares[depth:] if bias else 0.0)
    found, _ = row_measured(begun(KernelSpectrum(), case, kernel=kernel), case.training_pass())
    shares = found.layers["ntk_trace_share"]
    assert math.isnan(shares[0])
    assert shares[1:].sum() == pytest.approx(1.0)
    assert shares[1:] == pytest.approx((expected / expected.sum()).numpy(), rel=1e-10)


def test_shares_are_those_of_traces_of_any_size_and_not_defined_for_a_kernel_of_zero_or_beyond_numbers():
    for size in (1e-200, 1e-6, 1e200):
        np.testing.assert_allclose(trace_shares(np.array([size, 3 * size])), [math.nan, 0.25, 0.75])
    for traces in ((0.0, 0.0), (math.inf, 1.0), (math.nan, 1.0)):
        assert np.isnan(trace_shares(np.array(traces))).all()


@pytest.mark.parametrize(("activation", "renormalize", "bias"), CASES)
def test_the_compressed_kernel_is_the_jacobian_seen_through_one_cotangent(activation, renormalize, bias):
    case = small(activation, renormalize, bias)
    table, _ = table_of(case.model.forward(case.x))
    n = len(case.x)
    isometry = torch.kron(torch.eye(n, dtype=torch.float64), torch.full((1, 3), 3**-0.5, dtype=torch.float64))
    seen = isometry @ dense_jacobian(case)
    torch.testing.assert_close(table.compressed(), seen @ seen.T, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("loss", LOSS_NAMES)
@pytest.mark.parametrize(("activation", "renormalize", "bias"), CASES)
def test_ends_are_those_of_the_jacobian_and_interlace(activation, renormalize, bias, loss):
    case = small(activation, renormalize, bias, loss, width=20)
    jacobian = dense_jacobian(case)
    dense = torch.linalg.eigvalsh(jacobian @ jacobian.T)
    values = kernel_values(case, case.training_pass())
    low, high = float(dense[0]), float(dense[-1])
    slack = rounding(jacobian.shape[1]) * high
    assert values["ntk_lambda_min"] == pytest.approx(low, abs=slack, rel=0)
    assert values["ntk_lambda_max"] == pytest.approx(high, abs=slack, rel=0)
    assert values["ntk_lambda_min_low"] - slack <= low <= values["ntk_lambda_min_high"] + slack
    assert values["ntk_lambda_max_low"] - slack <= high <= values["ntk_lambda_max_high"] + slack
    assert low - slack <= values["pntk_lambda_min"] <= values["pntk_lambda_max"] <= high + slack
    condition = values["ntk_log10_cond"]
    assert condition == pytest.approx(math.log10(values["ntk_lambda_max"] / values["ntk_lambda_min"]))
    assert values["ntk_log10_cond_low"] <= condition <= values["ntk_log10_cond_high"]


@pytest.mark.parametrize("kernel", ["dense", "products"])
@pytest.mark.parametrize("loss", LOSS_NAMES)
@pytest.mark.parametrize(("activation", "renormalize", "bias"), CASES)
def test_gauss_newton_is_that_of_the_jacobian_and_the_logit_hessian(activation, renormalize, bias, loss, kernel):
    case = small(activation, renormalize, bias, loss)
    found = case.training_pass()
    jacobian = dense_jacobian(case)
    n, k = found.run.logits.shape
    total = torch.zeros(jacobian.shape[1], jacobian.shape[1], dtype=torch.float64)
    for i in range(n):
        block = jacobian[i * k : (i + 1) * k]
        total += block.T @ kept_curvature(loss, found.run.logits[i]) @ block / n
    values, vectors = torch.linalg.eigh(total)
    expected = float(values[-1])
    findings, row = row_measured(begun(KernelSpectrum(), case, kernel=kernel), found)
    assert findings.values["smoothness_ggn"] == pytest.approx(expected, rel=1e-5)
    assert findings.values["smoothness_ggn_low"] <= expected <= findings.values["smoothness_ggn_high"]
    # Its cotangent, pulled back, is the eigenvector.
    pulled = jacobian.T @ row.gauss_newton_vector.reshape(-1)
    assert abs(float(pulled @ vectors[:, -1])) / float(pulled.norm()) == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize("changes", [{"renormalize": True}, {"bias": True}, {"activation": "relu"}, {}])
def test_the_mu_chain_holds_for_mse_on_logits(changes):
    case = small(loss="mse_logits", width=20, **changes)
    found = case.training_pass()
    n = len(case.x)
    dense, r = kernel_of(found.run), found.rows.gradient.reshape(-1)
    mu = float(r @ dense @ r) / (n * float(r.square().sum()))
    assert mu == pytest.approx(found.grad_norm**2 / (2 * found.loss))
    eigenvalues = torch.linalg.eigvalsh(dense)
    features = torch.linalg.eigvalsh(feature_gram(found.run.features[-1]))
    width = found.run.features[-1].shape[1]
    slack = rounding(width) * float(eigenvalues[-1]) / n
    assert width * float(features[0]) / n <= float(eigenvalues[0]) / n + slack
    assert float(eigenvalues[0]) / n - slack <= mu <= float(eigenvalues[-1]) / n + slack


def test_with_one_class_the_ends_are_those_of_the_compressed_kernel():
    case = small("tanh", loss="mse_logits", classes=1)
    values = kernel_values(case, case.training_pass())
    for end in ("min", "max"):
        assert values[f"ntk_lambda_{end}"] == pytest.approx(values[f"pntk_lambda_{end}"], rel=1e-12)


@pytest.mark.parametrize("kernel", ["dense", "products"])
def test_where_nothing_is_left_to_learn_all_is_measured(kernel):
    case = small("tanh", loss="mse_logits")
    found = case.training_pass()
    found.rows.gradient.zero_()
    values = kernel_values(case, found, kernel=kernel)
    eigenvalues = torch.linalg.eigvalsh(kernel_of(found.run))
    assert values["ntk_lambda_max"] == pytest.approx(float(eigenvalues[-1]), rel=1e-6)
    assert values["ntk_lambda_min"] >= float(eigenvalues[0]) * (1 - 1e-9)


@pytest.mark.parametrize("loss", LOSS_NAMES)
@pytest.mark.parametrize(("activation", "renormalize", "bias"), CASES)
def test_products_give_the_same_largest_eigenvalues_and_ends_that_hold_for_all(activation, renormalize, bias, loss):
    case = small(activation, renormalize, bias, loss, width=20, n=9)
    found = case.training_pass()
    dense, products = (kernel_values(case, found, kernel=kernel) for kernel in ("dense", "products"))
    for name in ("ntk_lambda_max", "pntk_lambda_min", "pntk_lambda_max", "smoothness_ggn"):
        assert products[name] == pytest.approx(dense[name], rel=1e-4)
    for name in INTERVALS:
        assert products[f"{name}_low"] <= dense[f"{name}_high"]
        assert dense[f"{name}_low"] <= products[f"{name}_high"]
    assert products["ntk_lambda_min_low"] <= dense["ntk_lambda_min"] <= products["ntk_lambda_min_high"]


@pytest.mark.parametrize(
    ("activation", "renormalize", "bias", "width", "depth"),
    [(*which, *size) for which, size in itertools.product(CASES, ((40, 4), (150, 3), (64, 12)))],
)
def test_forming_k_in_float32_is_off_by_no_more_than_is_said(activation, renormalize, bias, width, depth):
    options = RunConfig(width=width, depth=depth, activation=activation, renormalize=renormalize, bias=bias)
    model = initialise(options, 30, 4, torch.device("cpu"))
    x = torch.randn(25, 30, generator=torch.Generator().manual_seed(0))
    run = model.forward(x * (30**0.5 / x.norm(dim=1, keepdim=True)))
    (coarse, traces), (fine, _) = table_of(run, torch.float32), table_of(run, torch.float64)
    off = float(torch.linalg.matrix_norm(coarse.matrix.double() - fine.matrix, 2))
    bound = forming_error(torch.float32, run, float(traces.sum()), float(fine.matrix.norm()))
    assert 0.0 < off <= bound


@pytest.mark.parametrize("activation", NAMES)
def test_forming_k_in_float64_is_off_by_no_more_than_is_said(activation):
    # Sums in another order, of permuted neurons, are rounded otherwise.
    case = small(activation, width=60, n=20, depth=4)
    run = case.model.forward(case.x)
    n, k = run.logits.shape
    order = torch.randperm(60, generator=torch.Generator().manual_seed(0))
    signals = run.backward(torch.eye(k, dtype=torch.float64)[:, None].expand(k, n, k).contiguous())
    other = torch.zeros(n * k, n * k, dtype=torch.float64)
    for a, b in zip(run.features, signals, strict=True):
        a, b = (part[..., order] if part.shape[-1] == 60 else part for part in (a, b.reshape(n * k, -1)))
        other += (a @ a.T).repeat(k, k) * (b @ b.T)
    table, traces = table_of(run)
    bound = forming_error(torch.float64, run, float(traces.sum()), 0.0)
    assert float(torch.linalg.matrix_norm(table.matrix - other, 2)) <= 2.0 * bound


def test_rows_of_a_table_belong_to_classes_and_examples_in_the_order_that_is_said():
    run = small("tanh", n=4).training_pass().run
    table, _ = table_of(run)
    n, k = run.logits.shape
    jacobian = kernel_of(run)
    assert float(table.matrix[1 * n + 2, 2 * n + 3]) == float(jacobian[2 * k + 1, 3 * k + 2])
    assert torch.equal(by_example(table.matrix, n, k), jacobian)
