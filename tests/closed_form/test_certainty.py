"""Whether a stored number is resolved, and in which interval its quantity lies."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine import RunConfig, Trainer
from engine.catalogue import CATALOGUE
from engine.catalogue.certainty import (
    UNCERTAIN,
    certain,
    interval,
    resolved,
)
from engine.measure.kernel import TangentKernel
from tests.closed_form.small_networks import small

EPS = 2.0**-52
KERNEL = {"ntk_lambda_max": 100.0, "ntk_lambda_max_residual": 1.0, "ntk_log10_cond": 4.0}
GRAM = {"lambda_max": 10.0, "lambda_resolution": 1e-13, "lambda_max_residual": 0.0, "log10_cond": 13.0}


def test_every_rule_is_about_metrics_of_the_catalogue():
    named = {name for found in UNCERTAIN.values() for name in (found.error, found.lower, *found.ends) if name}
    assert set(UNCERTAIN) | named <= set(CATALOGUE)
    assert {end for found in UNCERTAIN.values() for end in found.ends} <= set(UNCERTAIN)
    assert all(bool(found.ends) != bool(found.error) for found in UNCERTAIN.values())


@pytest.mark.parametrize(
    ("name", "value", "error", "expected"),
    [
        ("lambda_min", 1e-13, 1e-13, False), ("lambda_min", 2e-13, 1e-13, True), ("lambda_min", -1.0, 1e-13, False),
        ("lambda_min", 0.0, 0.0, False), ("ntk_lambda_min", 2.0, 2.0, False), ("ntk_lambda_min", 2.0, 1.9, True),
        ("ntk_lambda_max", 2.0, 3.0, False), ("smoothness_hessian", 2.0, 2.0, False),
        ("smoothness_hessian", -2.0, 1.0, True), ("smoothness_step", -2.0, 1.0, True),
        ("smoothness_step", -1.0, 1.0, False), ("lambda_min", math.nan, 0.0, False),
        ("lambda_min", 1.0, math.nan, True),
    ],
)  # fmt: skip
def test_a_value_is_resolved_where_it_exceeds_its_residual_or_resolution(name, value, error, expected):
    values = {name: value, UNCERTAIN[name].error: error}
    assert bool(resolved(name, values, 1)) == expected


@pytest.mark.parametrize("name", ["pntk_lambda_min", "infinite_lambda_min", "infinite_ntk_lambda_min"])
def test_where_no_resolution_is_stored_it_is_that_of_float64(name):
    largest = UNCERTAIN[name].error
    assert resolved(name, {name: 201 * EPS, largest: 2.0}, 100)
    assert not resolved(name, {name: 200 * EPS, largest: 2.0}, 100)
    assert not resolved(name, {name: 31 * EPS, largest: 2.0}, 3)


def test_a_condition_number_is_resolved_where_both_ends_of_the_spectrum_are():
    for smallest, residual, expected in ((3.0, 1.0, True), (3.0, 3.0, False)):
        values = KERNEL | {"ntk_lambda_min": smallest, "ntk_residual": residual}
        assert bool(resolved("ntk_log10_cond", values, 1)) == expected
    assert not resolved("ntk_log10_cond", KERNEL | {"ntk_lambda_min": 3.0, "ntk_lambda_max_residual": 100.0}, 1)
    # A session that has nothing but the quotient says nothing against it.
    assert resolved("ntk_log10_cond", {"ntk_log10_cond": 4.0}, 1)


def test_what_is_certain_is_an_upper_end_of_lambda_min_and_a_lower_end_of_all_else():
    assert [UNCERTAIN[name].sign for name in ("lambda_min", "ntk_lambda_max", "log10_cond", "smoothness_step")] == list(
        "≤≥≥±"
    )
    assert certain("ntk_lambda_min", {"ntk_lambda_min": 2.0, "ntk_residual": 5.0}, 1) == 5.0
    assert certain("ntk_lambda_min", {"ntk_lambda_min": 5.0, "ntk_residual": 2.0}, 1) == 5.0
    assert certain("ntk_lambda_max", {"ntk_lambda_max": 2.0, "ntk_lambda_max_residual": 5.0}, 1) == 2.0
    assert math.isnan(certain("ntk_lambda_min", {"ntk_residual": 5.0}, 1))


def test_intervals_reach_to_the_side_on_which_a_ritz_value_may_miss():
    assert interval("ntk_lambda_min", {"ntk_lambda_min": 5.0, "ntk_residual": 2.0}, 1) == (3.0, 5.0)
    assert interval("ntk_lambda_min", {"ntk_lambda_min": 2.0, "ntk_residual": 5.0}, 1) == (0.0, 5.0)
    assert interval("ntk_lambda_max", KERNEL, 1) == (100.0, 101.0)
    assert interval("smoothness_step", {"smoothness_step": 1.0, "smoothness_step_resolution": 3.0}, 1) == (-2.0, 4.0)
    assert interval("loss", {"loss": 1.0}, 1) == (1.0, 1.0)
    low, high = interval("lambda_min", {"lambda_min": 3.0, "lambda_min_lower": 2.0, "lambda_resolution": 0.5}, 1)
    assert (low, high) == (1.5, 3.0)


def test_the_interval_of_a_condition_number_has_no_upper_end_where_lambda_min_may_be_zero():
    values = KERNEL | {"ntk_lambda_min": 4.0, "ntk_residual": 2.0, "ntk_log10_cond": math.log10(25)}
    assert interval("ntk_log10_cond", values, 1) == pytest.approx((math.log10(25), math.log10(101 / 2)))
    assert interval("ntk_log10_cond", values | {"ntk_residual": 4.0}, 1)[1] == math.inf
    assert interval("log10_cond", GRAM | {"lambda_min": 0.0}, 1) == (13.0, math.inf)


def test_layers_are_decided_one_by_one():
    values = {name: np.full(3, number) for name, number in GRAM.items()} | {
        "lambda_min": np.array([1.0, 0.0, math.nan])
    }
    assert resolved("lambda_min", values, 1).tolist() == [True, False, False]
    assert resolved("log10_cond", values, 1).tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("n", "width", "bias", "singular"), [(8, 9, False, False), (30, 3, False, True), (30, 3, True, True)]
)
def test_a_kernel_whose_rank_is_below_its_order_is_known_to_be_singular(n, width, bias, singular):
    case = small("tanh", False, bias, "mse", n=n, d=5, width=width, depth=3, classes=4)
    found = case.training_pass()
    grams = [a @ a.T / a.shape[1] for a in found.run.features]
    kernel = TangentKernel(found.run, grams)
    values = np.linalg.eigvalsh(kernel.dense().numpy())
    assert kernel.is_singular == singular
    # The converse does not hold: a kernel of full rank by this count may still be singular.
    assert not singular or values[0] <= len(values) * EPS * values[-1]


@pytest.mark.parametrize("bias", [False, True])
def test_conditioning_of_a_singular_kernel_is_one_lower_bound_at_every_row(bias):
    config = RunConfig(width=6, depth=3, examples=30, lr=0.5, steps=6, data="digits", device="cpu", bias=bias)
    limit = -math.log10(300 * EPS)
    for record in Trainer(config).run():
        assert record.values["ntk_lambda_min"] == 0.0
        assert record.values["ntk_log10_cond"] == pytest.approx(limit)
        assert not resolved("ntk_log10_cond", record.values, 30)


def test_conditioning_of_a_kernel_that_is_not_resolved_is_held_against_the_residual():
    # More parameters than outputs, but few: λ_min is not found in the products there are.
    config = RunConfig(width=8, depth=3, examples=30, lr=0.5, steps=3, data="digits", device="cpu")
    for record in Trainer(config).run():
        values = record.values
        least = max(values["ntk_lambda_min"], values["ntk_residual"])
        assert values["ntk_log10_cond"] == pytest.approx(math.log10(values["ntk_lambda_max"] / least))
        assert bool(resolved("ntk_log10_cond", values, 30)) == (values["ntk_residual"] < values["ntk_lambda_min"])
