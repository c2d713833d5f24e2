"""Measurements know a model by its interface alone: a module differentiated by torch.func gives the MLP's numbers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from engine import RunConfig, Trainer
from engine.catalogue import CATALOGUE
from engine.data import DataSet
from engine.measure.base import Measurement
from engine.measure.curvature import Curvature
from engine.measure.kernel_spectrum import KernelSpectrum
from engine.measure.standard import standard
from engine.model.mlp import initialise
from engine.record import StepRecord
from tests.closed_form.functions import LOSS_NAMES, NAMES
from tests.closed_form.problems import sphere
from tests.model.module_model import ModuleModel, module_of

N, D, CLASSES, TESTS = 5, 4, 2, 3
NETWORKS = list(itertools.product(NAMES, [False, True], [False, True], LOSS_NAMES))
CLOCK = {name for name in CATALOGUE if name.endswith("seconds")}
# At convergence it is rounding.
RESIDUALS = {"smoothness_hessian_residual"}
OF_CHAINS = {"lipschitz_bound", "smoothness_bound", "smoothness_segment", "generalization_bound_compositional",
             "smoothness_step_resolution", "eq13_weights", *(name for name in CATALOGUE if "infinite" in name),
             "lemma12_lambda_min", "definition6_lambda_max"}  # fmt: skip


def data_set() -> DataSet:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, CLASSES, size=N + TESTS)
    return DataSet("made", sphere(rng, N, D), labels[:N], sphere(rng, TESTS, D), labels[N:], CLASSES, None, "")


def config(**changes: object) -> RunConfig:
    options: dict[str, object] = {"width": 6, "depth": 3, "examples": N, "test_examples": TESTS, "steps": 2, "lr": 0.02}
    return RunConfig(**(options | {"dtype": "float64", "device": "cpu"} | changes))  # type: ignore[arg-type]


def module_model(options: RunConfig, *, described: bool = True) -> ModuleModel:
    mlp = initialise(options, D, CLASSES, torch.device("cpu"))
    return ModuleModel(module_of(mlp), mlp.activation if described else None)


def converging(measure: str) -> list[Measurement]:
    """Measurements that iterate until rounding stops them: where an iteration stops earlier is a matter of rounding."""
    curvature = Curvature(tolerance=1e-11, products=400)
    kernel = KernelSpectrum()
    return standard(measure, *([curvature, kernel] if measure == "all" else []))


def assert_same(found: StepRecord, expected: StepRecord, *, without: frozenset[str] | set[str] = frozenset()) -> None:
    compared = set(expected.values) - CLOCK - without
    assert set(found.values) - CLOCK == compared
    for name in compared - RESIDUALS:
        assert found.values[name] == pytest.approx(expected.values[name], rel=1e-9, abs=1e-12), (found.step, name)
    assert set(found.layers) == set(expected.layers) - (without - {"eq13_weights"})
    for name in set(found.layers) - without:
        np.testing.assert_allclose(
            found.layers[name], expected.layers[name], rtol=1e-9, atol=1e-12, err_msg=f"{found.step} {name}"
        )


@pytest.mark.parametrize("measure", ["core", "all"])
@pytest.mark.parametrize(("activation", "renormalize", "bias", "loss"), NETWORKS)
def test_every_measurement_of_a_module_is_that_of_the_mlp(
    activation: str, renormalize: bool, bias: bool, loss: str, measure: str
) -> None:
    options = config(activation=activation, renormalize=renormalize, bias=bias, loss=loss, measure=measure)
    rows = Trainer(options, data_set(), None, converging(measure)).run()
    others = Trainer(options, data_set(), module_model(options), converging(measure)).run()
    for found, expected in zip(others, rows, strict=True):
        assert_same(found, expected)


def test_a_model_that_is_no_chain_has_all_measurements_but_those_of_chains() -> None:
    options = config(activation="tanh", bias=True)
    rows = Trainer(options, data_set(), None, converging("all")).run()
    others = Trainer(options, data_set(), module_model(options, described=False), converging("all")).run()
    for found, expected in zip(others, rows, strict=True):
        assert_same(found, expected, without=OF_CHAINS)
        assert np.isnan(found.layers["eq13_weights"][1:]).all()
