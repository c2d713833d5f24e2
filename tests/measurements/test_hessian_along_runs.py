"""What is recorded of the Hessian at every row of runs, against eigenvalues that have converged in float64.

They are those of ARPACK, with products of the Hessian of the row's own pass, converted to float64; of the dense
Hessian these products are by :mod:`tests.closed_form.test_pass`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse.linalg
import torch
from numpy.typing import NDArray

from engine import RunConfig, Trainer
from engine.history.checkpoint import put_back, take
from engine.measure.base import Findings, Measurement, RowContext
from engine.measure.curvature import Curvature
from engine.measure.standard import standard
from engine.model.base import Pass
from engine.model.mlp import MLP, MLPPass

SMALL = {"width": 64, "depth": 5, "examples": 40, "data": "digits", "device": "cpu", "steps": 20, "lr": 0.01}
RUNS: dict[str, dict[str, Any]] = {
    "relu mse": {"width": 100, "lr": 0.05},
    "tanh cross-entropy, renormalised": {"activation": "tanh", "loss": "cross_entropy", "renormalize": True},
    "relu mse on logits": {"loss": "mse_logits", "lr": 0.001},
    "tanh at the edge of stability": {"activation": "tanh", "loss": "mse_logits", "lr": 0.01, "steps": 30},
    "gelu, biased": {"activation": "gelu", "bias": True, "lr": 0.1, "depth": 4},
    "every third row, in float64": {"every": 3, "dtype": "float64", "loss": "cross_entropy", "bias": True},
    "diverges": {"loss": "mse_logits", "lr": 0.03},
}
OVERTAKEN: dict[str, dict[str, Any]] = {
    "by the second eigenvector in one step": {
        "width": 120, "depth": 6, "examples": 60, "loss": "mse_logits", "lr": 0.004, "seed": 12, "steps": 4,
    },
    "along a run": {
        "width": 64, "depth": 5, "examples": 50, "activation": "tanh", "loss": "mse_logits", "renormalize": True,
        "lr": 0.004, "seed": 12, "steps": 12,
    },
}  # fmt: skip


def in_float64(run: Pass) -> Pass:
    """The same numbers in float64, nothing computed again."""
    assert isinstance(run, MLPPass)
    model = run.model
    wide = MLP([w.double() for w in model.weights], [b.double() for b in model.biases] or None, model.activation,
               model.renormalize)  # fmt: skip
    features, slopes = ([part.double() for part in parts] for parts in (run.features, run.slopes))
    scales = None if run.scales is None else [scale.double() for scale in run.scales]
    return MLPPass(wide, features, slopes, scales, run.logits.double())


def largest(row: RowContext) -> NDArray[np.float64]:
    """The four largest eigenvalues of the Hessian of a row's pass, computed in float64 from what the pass left."""
    current = row.current
    product = in_float64(current.run).hessian_product([signal.double() for signal in current.signals], current.rows)

    def one(v: NDArray[np.float64]) -> NDArray[np.float64]:
        return product(torch.from_numpy(v.reshape(1, -1).copy()))[0].numpy()

    order = current.run.model.dimension
    operator = scipy.sparse.linalg.LinearOperator((order, order), matvec=one, dtype=np.float64)
    start = np.random.default_rng(row.step).standard_normal(order)
    found = scipy.sparse.linalg.eigsh(operator, k=4, which="LA", v0=start, tol=1e-8, return_eigenvectors=False)
    return np.sort(found)[::-1]


class Compared(Curvature):
    """The measurement, held against converged eigenvalues at every row that it makes."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = 0
        self._true = math.nan

    def collect(self, row: RowContext) -> Findings:
        found, spectrum = super().collect(row), largest(row)
        values, true, before = found.values, float(spectrum[0]), self._true
        at, edge = f"row {row.step}", 2.0 / row.lr
        assert values["smoothness_hessian_low"] <= true * (1.0 + 1e-8), at
        assert values["smoothness_hessian_low"] < values["smoothness_hessian"], at
        assert values["smoothness_hessian_low"] == pytest.approx(values["smoothness_hessian"], rel=1e-4), at
        moved = not abs(true - before) <= 0.2 * before
        assert values["smoothness_hessian"] >= true * (0.95 if moved and self.rows else 0.99), (at, true)
        assert values["smoothness_hessian_residual"] <= 0.05 * true, at
        assert values["unstable_directions"] <= int((spectrum > edge).sum()), at
        if true > 1.05 * edge:
            assert values["unstable_directions"] >= 1, at
        self._true = true
        self.rows += 1
        return found


def compared(options: dict[str, Any], *without: str) -> int:
    """The number of rows compared along a run, which may do without some measurements."""
    hessian = Compared()
    measurements: list[Measurement] = [one for one in standard("all", hessian) if one.name not in without]
    for _ in Trainer(RunConfig(**(SMALL | options)), measurements=measurements).run():
        pass
    return hessian.rows


@pytest.mark.parametrize("run", RUNS)
def test_every_row_holds_the_largest_eigenvalue_to_a_hundredth_and_a_lower_bound_of_it(run: str) -> None:
    assert compared(RUNS[run]) > 3


@pytest.mark.parametrize("run", OVERTAKEN)
def test_an_eigenvector_that_overtakes_the_largest_is_found_at_once(run: str, cifar10_npz: Path) -> None:
    assert compared(OVERTAKEN[run] | {"data": str(cifar10_npz)}) > 3


def test_without_the_kernel_the_largest_eigenvalue_is_found_too() -> None:
    assert compared(RUNS["tanh at the edge of stability"], "kernel") > 3


def test_a_run_that_is_put_back_measures_the_same_to_the_bit() -> None:
    trainer = Trainer(RunConfig(**(SMALL | {"activation": "tanh", "loss": "cross_entropy", "steps": 9})))
    rows, kept = [], None
    for record in trainer.run():
        rows.append(record.values)
        if record.step == 4:
            kept = take(trainer)
    assert kept is not None
    put_back(trainer, kept)
    for expected in rows[5:]:
        trainer.advance()
        values = trainer.observe(final=trainer.step == 9).values
        for name in ("smoothness_hessian", "smoothness_hessian_low", "smoothness_hessian_residual"):
            assert values[name] == expected[name]
