"""What is recorded of the tangent kernel at every row of runs, against dense solvers of K of the row's own pass.

K is formed in float64 from the pass; intervals are held against K of a pass wholly in float64 as well, with what
rounding a forward pass in the training precision may change.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from engine import RunConfig, Trainer
from engine.data import load
from engine.measure.base import Findings, RowContext
from engine.measure.kernel_spectrum import KernelSpectrum
from engine.measure.standard import standard
from engine.model.base import Pass
from engine.model.mlp import MLP
from tests.closed_form.functions import kept_curvature

Array = NDArray[np.float64]
SMALL = {"width": 48, "depth": 4, "examples": 30, "data": "digits", "device": "cpu", "steps": 12, "lr": 0.05}
# λ_max(K) overtaken; λ_min(K) far below what float32 resolves; K that is singular; a run that diverges.
RUNS: dict[str, dict[str, Any]] = {
    "relu mse": {},
    "tanh cross-entropy, renormalised": {"activation": "tanh", "loss": "cross_entropy", "renormalize": True},
    "relu mse on logits, biased": {"loss": "mse_logits", "lr": 0.002, "bias": True},
    "tanh at the edge of stability": {"activation": "tanh", "loss": "mse_logits", "lr": 0.01, "steps": 20},
    "every third row, in float64": {"every": 3, "dtype": "float64", "loss": "cross_entropy", "bias": True},
    "diverges": {"loss": "mse_logits", "lr": 0.06, "steps": 40},
    "overtaken": {
        "width": 64, "depth": 5, "examples": 25, "activation": "tanh", "loss": "mse_logits", "renormalize": True,
        "lr": 0.004, "seed": 12, "steps": 40,
    },
    "ill-conditioned": {
        "width": 80, "examples": 40, "activation": "tanh", "loss": "mse", "bias": True, "center": False, "lr": 0.5,
        "seed": 11, "steps": 25,
    },
}  # fmt: skip


def dense_kernel(run: Pass) -> Array:
    """K in float64, rows in the order (example, class)."""
    n, k = run.logits.shape
    cotangents = torch.eye(k, dtype=torch.float64)[:, None, :].expand(k, n, k).contiguous()
    total = torch.zeros(n, k, n, k, dtype=torch.float64)
    for a, b, site in zip(run.features, run.backward(cotangents), run.model.sites, strict=True):
        gram = a.double() @ a.double().T + float(site.bias is not None)
        total += gram[:, None, :, None] * torch.einsum("ciw,djw->icjd", b, b)
    return total.reshape(n * k, n * k).numpy()


def largest_gauss_newton(kernel: Array, loss: str, logits: torch.Tensor) -> float:
    """λ_max(JᵀHJ)/n of the kept curvature H of the logits."""
    n, k = logits.shape
    blocks = kernel.reshape(n, k, n, k)
    values, vectors = torch.linalg.eigh(torch.stack([kept_curvature(loss, o.double()) for o in logits]))
    roots = ((vectors * values.clamp(min=0.0).sqrt()[:, None]) @ vectors.mT).numpy()
    seen = np.einsum("iab,ibjc,jcd->iajd", roots, blocks, roots, optimize=True).reshape(n * k, n * k)
    return float(np.linalg.eigvalsh(seen)[-1]) / n


def in_float64(run: Pass) -> Pass:
    """The pass of the same parameters, wholly in float64."""
    model = run.model
    assert isinstance(model, MLP)
    biases = [bias.double() for bias in model.biases] or None
    wide = MLP([weight.double() for weight in model.weights], biases, model.activation, model.renormalize)
    return wide.forward(run.features[0].double())


class Compared(KernelSpectrum):
    """The measurement, held against dense solvers at every row that it makes."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = 0

    def collect(self, row: RowContext) -> Findings:
        found, run = super().collect(row), row.current.run
        n, k = run.logits.shape
        kernel = dense_kernel(run)
        compressed = kernel.reshape(n, k, n, k).sum(axis=(1, 3)) / k
        (low, high), (least, most) = (np.linalg.eigvalsh(m)[[0, -1]].tolist() for m in (kernel, compressed))
        values, norm, at = found.values, high, f"row {row.step}"
        formed = self.config.kernel != "products"
        expected = {"ntk_lambda_max": high, "pntk_lambda_min": least, "pntk_lambda_max": most}
        for name, true in (expected | ({"ntk_lambda_min": low} if formed else {})).items():
            assert values[name] == pytest.approx(true, rel=1e-4, abs=1e-6 * norm), (at, name)
        curved = largest_gauss_newton(kernel, self.config.loss, run.logits)
        assert values["smoothness_ggn"] == pytest.approx(curved, rel=1e-3), at
        wide = in_float64(run)
        exact = dense_kernel(wide)
        ends = np.linalg.eigvalsh(exact)[[0, -1]].tolist()
        forward = 1e-12 if run.logits.dtype == torch.float64 else 3e-5
        truths = {"ntk_lambda_min": [low, ends[0]], "ntk_lambda_max": [high, ends[1]], "pntk_lambda_min": [least],
                  "pntk_lambda_max": [most], "smoothness_ggn": [curved]}  # fmt: skip
        for name, true in truths.items():
            slack = 1e-13 * norm / (n if name == "smoothness_ggn" else 1.0)
            assert values[f"{name}_low"] - slack <= true[0] <= values[f"{name}_high"] + slack, (at, name)
            assert values[f"{name}_low"] <= values[name] <= values[f"{name}_high"], (at, name)
            assert all(
                values[f"{name}_low"] - forward * norm <= t <= values[f"{name}_high"] + forward * norm for t in true
            )
        if row.spectra_due and formed:
            np.testing.assert_allclose(found.spectra["K", None], np.linalg.eigvalsh(kernel), rtol=0, atol=1e-5 * norm)
        self.rows += 1
        return found


def compared(options: dict[str, Any]) -> Compared:
    """What has compared the rows of a run."""
    kernel = Compared()
    for _ in Trainer(RunConfig(**(SMALL | options)), measurements=standard("all", kernel)).run():
        pass
    return kernel


@pytest.mark.parametrize("run", RUNS)
def test_every_row_holds_what_dense_solvers_find_and_intervals_that_contain_it(run: str) -> None:
    assert compared(RUNS[run]).rows >= 3


@pytest.mark.parametrize("loss", ["mse", "mse_logits"])
def test_where_k_is_not_formed_its_ends_hold_and_the_largest_eigenvalues_are_found(loss: str) -> None:
    compared({"loss": loss, "lr": 0.002, "kernel": "products"})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_two_equal_examples_make_k_singular_which_the_interval_of_its_smallest_eigenvalue_holds(dtype: str) -> None:
    data = load(RunConfig(**SMALL))
    data.x_train[1] = data.x_train[0]
    trainer = Trainer(RunConfig(**(SMALL | {"dtype": dtype, "steps": 4})), data)
    for record in trainer.run():
        values = record.values
        assert values["ntk_lambda_min_low"] == 0.0
        assert values["ntk_lambda_min"] <= 1e-6 * values["ntk_lambda_max"]
