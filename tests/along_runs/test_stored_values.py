"""Extremes along runs: at every row the stored values are those of dense solvers, and the intervals hold the truth."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import numpy as np
import pytest

from engine.config import RunConfig
from engine.training.trainer import Trainer
from tests.along_runs.exact import ExactRow, exact_row, forward_rounding

GRAM_CLOSE, DENSE_CLOSE, KERNEL_CLOSE, GAUSS_NEWTON_CLOSE = 1e-4, 1e-6, 1e-4, 1e-3
OF_NORM = 1e-6  # of ‖K‖: where λ_min is too small for a share of itself
DENSE_UP_TO = 128
STEPS = 8

SMALL = {"width": 48, "depth": 4, "examples": 30, "test_examples": 0, "data": "gaussian", "seed": 11}
RUNS = {
    "relu mse": {"activation": "relu", "loss": "mse", "lr": 0.01},
    "tanh cross-entropy renormalised": {"activation": "tanh", "loss": "cross_entropy", "lr": 0.01, "renormalize": True},
    "relu mse_logits": {"activation": "relu", "loss": "mse_logits", "lr": 0.001},
    "tanh mse_logits at the edge of stability": {"activation": "tanh", "loss": "mse_logits", "lr": 0.035},
    "relu mse_logits that diverges": {"activation": "relu", "loss": "mse_logits", "lr": 0.3},
    "tanh mse with biases and hardly a λ_min": {"activation": "tanh", "loss": "mse", "lr": 20.0, "bias": True},
    "tanh mse with a K that is singular in float32": {"activation": "tanh", "loss": "mse", "lr": 2000.0, "bias": True},
}


def assert_row(record, exact: ExactRow, config: RunConfig, measured: set[str], *, throughout: bool = True):
    """Every stored extreme of a row against dense solvers."""
    layers, values = record.layers, record.values
    rounding = forward_rounding(config.dtype, config.depth) if throughout else math.inf
    if "layers" in measured:
        for m, (own, truth) in enumerate(zip(exact.grams, exact.grams_throughout, strict=True)):
            close = DENSE_CLOSE if config.examples <= DENSE_UP_TO else GRAM_CLOSE
            at = {name: float(layers[name][m]) for name in layers if name.startswith("lambda_")}
            assert_extreme(
                at, "lambda_min", max(own[0], 0.0), max(truth[0], 0.0), close, 1e-12 * own[-1], rounding * own[-1]
            )
            assert_extreme(at, "lambda_max", own[-1], truth[-1], close, 0.0, rounding * own[-1])
    if "kernel" in measured:
        own, truth = exact.kernel, exact.kernel_throughout if throughout else exact.kernel
        slack = OF_NORM * own[-1]
        assert_extreme(
            values, "ntk_lambda_min", max(own[0], 0.0), max(truth[0], 0.0), KERNEL_CLOSE, slack, rounding * own[-1]
        )
        assert_extreme(values, "ntk_lambda_max", own[-1], truth[-1], KERNEL_CLOSE, slack, rounding * own[-1])
        own = exact.compressed
        assert_extreme(values, "pntk_lambda_min", max(own[0], 0.0), None, KERNEL_CLOSE, OF_NORM * own[-1], 0.0)
        assert_extreme(values, "pntk_lambda_max", own[-1], None, KERNEL_CLOSE, OF_NORM * own[-1], 0.0)
        assert_extreme(values, "smoothness_ggn", exact.gauss_newton, None, GAUSS_NEWTON_CLOSE, 0.0, 0.0)


def assert_extreme(values, name, own, truth, close, slack, rounding):
    """A value is that of the matrix formed from the row's pass; its interval holds that of an exact pass too."""
    value, low, high = values[name], values[f"{name}_low"], values[f"{name}_high"]
    assert abs(value - own) <= max(close * own, slack), f"{name} is {value}, not {own}"
    assert low <= value <= high
    own_rounding = 1e-14 * abs(own) + 1e-300
    assert low - own_rounding - slack * 1e-6 <= own <= high + own_rounding + slack * 1e-6, (
        f"{own} is outside [{low}, {high}] of {name}"
    )
    if truth is not None:
        assert low - rounding <= truth <= high + rounding, f"{truth} is outside [{low}, {high}] of {name}"


def measured(record):
    return {name.removesuffix("_seconds") for name in record.values if name.endswith("_seconds")}


def follow(config: RunConfig, well_conditioned: bool = True):
    """Run and check every row; the steps at which the kernel was measured.

    Where a network is not well conditioned, rounding in its pass is no small share of K, and a loss by definition
    overflows: rows are checked against their own pass only.
    """
    trainer, at = Trainer(config), []
    before = None
    while True:
        record = trainer.observe(final=trainer.step >= config.steps)
        if trainer.diverged:
            return at
        made = measured(record)
        if made & {"layers", "kernel", "curvature"}:
            exact = exact_row(trainer)
            assert_row(record, exact, config, made, throughout=well_conditioned)
            if well_conditioned and "curvature" in made:
                before = assert_hessian(record, exact, before)
        if "kernel" in made:
            at.append(trainer.step)
        if trainer.step >= config.steps:
            return at
        trainer.advance()


def assert_hessian(record, exact: ExactRow, before: float | None) -> float:
    top = exact.hessian
    value = record.values["smoothness_hessian"]
    fast = before is None or abs(top[-1] - before) > 0.2 * abs(before)
    assert value <= top[-1] * (1 + 1e-4) + 1e-9
    assert value >= top[-1] * (1 - (0.05 if fast and before is not None else 0.01)), f"{value} is not {top[-1]}"
    assert record.values["smoothness_hessian_low"] <= top[-1]
    unstable = record.values["unstable_directions"]
    assert unstable <= int(np.sum(top > 2 / record.values["lr"]))
    return float(top[-1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("run", RUNS)
def test_every_row(run, dtype):
    config = RunConfig(**SMALL, **RUNS[run], dtype=dtype, steps=STEPS)
    at = follow(config, well_conditioned="singular" not in run)
    assert at == list(range(len(at)))
    assert len(at) == STEPS + 1 or "diverges" in run


@pytest.mark.parametrize("examples", [140, 150])  # one below the width, and the width itself
@pytest.mark.parametrize("run", ["relu mse", "tanh cross-entropy renormalised"])
def test_layers_too_large_for_a_dense_solver(run, examples):
    options = {**SMALL, **RUNS[run], "width": 150, "examples": examples, "lr": 0.2}
    follow(RunConfig(**options, measure="core", steps=STEPS))


@pytest.mark.parametrize("options", [{"budget": 0.5}, {"budget": 2.0}, {"every": 3}], ids=str)
@pytest.mark.parametrize("run", ["relu mse", "tanh mse_logits at the edge of stability"])
def test_rows_that_are_measured_now_and_then(run, options):
    at = follow(RunConfig(**SMALL, **RUNS[run], **options, steps=2 * STEPS))
    assert {0, 2 * STEPS} <= set(at)
    assert "every" not in options or len(at) < 2 * STEPS


@pytest.mark.parametrize("run", ["relu mse", "tanh mse_logits at the edge of stability"])
def test_a_row_is_found_again_to_the_bit_after_going_back_to_an_earlier_one(run):
    config = RunConfig(**SMALL, **RUNS[run], steps=STEPS)
    trainer, rows, kept = Trainer(config), [], None
    for step in range(STEPS):
        rows.append(trainer.observe())
        if step == 3:
            kept = copy.deepcopy((list(trainer.model.parameters.values()), trainer.carried()))
        trainer.advance()
    again = Trainer(config)
    again.observe()
    again.restore(3, *kept)
    for step in range(4, STEPS):
        again.advance()
        record = again.observe()
        assert_row(record, exact_row(again), config, measured(record))
        for name, value in record.values.items():
            if not name.endswith("seconds"):
                assert value == rows[step].values[name], name
        for name, of in record.layers.items():
            np.testing.assert_array_equal(of, rows[step].layers[name], name)


@pytest.mark.parametrize("change", [{"lr": 0.05}, {"measure": "all"}])
def test_a_branch_goes_on_from_measured_rows(change):
    config = RunConfig(
        **SMALL, **RUNS["tanh cross-entropy renormalised"], measure="core" if "measure" in change else "all"
    )
    parent = Trainer(config)
    for _ in range(4):
        parent.observe()
        parent.advance()
    parent.observe()
    kept = copy.deepcopy((list(parent.model.parameters.values()), parent.carried()))
    branch = Trainer(replace(config, **change))
    branch.observe()
    branch.restore(4, *kept)
    for _ in range(4):
        branch.advance()
        record = branch.observe()
        assert {"layers", "kernel"} <= measured(record)
        assert_row(record, exact_row(branch), branch.config, measured(record))
