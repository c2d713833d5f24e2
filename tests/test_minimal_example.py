"""The one-file version of the method gives the engine's numbers: two programs that share no code agree."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from engine import RunConfig, Trainer
from engine.data.dataset import DataSet
from engine.measure.kernel_spectrum import KernelSpectrum
from engine.measure.standard import standard

EXAMPLE = Path(__file__).parents[1] / "examples" / "minimal.py"
# Far above what rounding leaves after some steps of networks 30 wide, far below what a wrong factor would.
STEP_TOLERANCES = {
    "loss": 1e-12, "grad_norm": 1e-11, "pl": 1e-11, "ratio_null": 1e-12, "predicted_descent": 1e-9,
    "ratio_descent": 1e-9, "smoothness_step": 1e-6, "ntk_lambda_max": 1e-10, "ntk_lambda_min": 1e-9,
}  # fmt: skip
LAYERED = ("lambda_min", "lambda_max", "log10_cond", "gersh_row_sum", "gersh_lower", "gersh_upper", "eq13_op")


@pytest.fixture(scope="module")
def minimal():
    spec = importlib.util.spec_from_file_location("minimal_example", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("activation", "n"), [("tanh", 12), ("relu", 12), ("gelu", 12), ("tanh", 25)])
def test_its_rows_are_the_engines(minimal, activation, n):
    d, width, depth, classes, lr, steps, seed = 20, 30, 3, 3, 0.05, 6, 4
    x, y = minimal.on_the_sphere(n, d, classes, seed=1)
    weights = minimal.initialise([d, *[width] * (depth - 1), classes], seed)
    found = list(minimal.train(x, y, weights, activation, lr, steps))

    data = DataSet("sphere", x.numpy(), y.numpy(), x.numpy()[:0], y.numpy()[:0], classes, None, "")
    config = RunConfig(
        width=width, depth=depth, examples=n, test_examples=0, activation=activation, loss="mse", lr=lr, steps=steps,
        seed=seed, dtype="float64", device="cpu",
    )  # fmt: skip
    # A live row stops iterating where it cannot afford more; here it goes on until the residual is small.
    kernel = KernelSpectrum()
    trainer = Trainer(config, data, measurements=standard("all", kernel))
    records = list(trainer.run())
    assert len(found) == len(records) == steps + 1
    for row, record in zip(found, records, strict=True):
        names = set(row) - set(LAYERED)
        assert names == set(STEP_TOLERANCES) & set(record.values)
        for name in names:
            tolerance = STEP_TOLERANCES[name]
            assert row[name] == pytest.approx(record.values[name], rel=tolerance), (name, record.step)
        for name in LAYERED:
            expected = record.layers[name][:depth]
            np.testing.assert_allclose(row[name], expected, rtol=1e-8, atol=1e-11, err_msg=name)


def test_it_holds_what_it_shows(minimal, capsys):
    minimal.main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 22
    losses = [float(line.split()[1]) for line in lines[1:]]
    assert losses == sorted(losses, reverse=True)


def test_it_is_short_and_stands_alone():
    text = EXAMPLE.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else alias.name).split(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    assert imported - set(sys.stdlib_module_names) == {"numpy", "torch"}
