"""The interval in which a stored number's quantity lies, and whether it is narrow."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import RunConfig, Trainer
from engine.catalogue import CATALOGUE
from engine.catalogue.certainty import NARROW, UNCERTAIN, certain, informative, interval, resolved
from engine.measure.kernel_table import is_singular
from tests.closed_form.kernels import kernel_of
from tests.closed_form.small_networks import small

EPS = 2.0**-52
KERNEL = {
    "ntk_lambda_min": 4.0, "ntk_lambda_min_low": 2.0, "ntk_lambda_min_high": 4.5, "ntk_lambda_max": 100.0,
    "ntk_lambda_max_low": 99.0, "ntk_lambda_max_high": 101.0, "ntk_log10_cond": math.log10(25),
}  # fmt: skip
GRAM = {"lambda_max": 10.0, "lambda_resolution": 1e-13, "log10_cond": 13.0}
WITH_ENDS = sorted(name for name, entry in CATALOGUE.items() if entry.ends is not None)
BOTH = [name for name in WITH_ENDS if f"{name}_low" in CATALOGUE and f"{name}_high" in CATALOGUE]


def test_every_rule_is_about_metrics_of_the_catalogue():
    named = {
        name
        for found in UNCERTAIN.values()
        for name in (found.error, found.residual, found.bound, *found.quotient)
        if name
    }
    assert set(UNCERTAIN) | named <= set(CATALOGUE)
    assert {end for found in UNCERTAIN.values() for end in found.quotient} <= set(UNCERTAIN)
    assert set(WITH_ENDS) <= set(UNCERTAIN)


@pytest.mark.parametrize("name", [name for name, entry in CATALOGUE.items() if entry.end_of])
def test_an_end_is_an_entry_like_its_metric_that_says_which_end_it_is(name):
    end = CATALOGUE[name]
    of = CATALOGUE[end.end_of]
    assert name.removeprefix(of.name) in {"_low", "_high"}
    assert (end.unit, end.scope, end.cost, end.measured_in, end.log) == (
        of.unit, of.scope, of.cost, of.measured_in, of.log,
    )  # fmt: skip
    assert end.kind == ("lower" if name.endswith("_low") else "upper")
    for dtype in ("float32", "float64"):
        probabilistic = dtype == "float32" and end.scope == "step" and end.end_of != "smoothness_hessian"
        assert end.kind_in(RunConfig(dtype=dtype)) == ("probabilistic" if probabilistic else end.kind)


@given(st.sampled_from(BOTH), *[st.floats(1e-9, 1e9)] * 3)
def test_stored_ends_are_the_interval_and_a_narrow_one_is_resolved(name, a, b, c):
    low, value, high = sorted((a, b, c))
    values = {name: value, f"{name}_low": low, f"{name}_high": high}
    assert interval(name, values, 9) == (low, high)
    scale = 1.0 if "log10" in name else high
    assert bool(resolved(name, values, 9)) == (high - low <= NARROW * scale)
    end = high if UNCERTAIN[name].sign == "≤" else low
    assert certain(name, values, 9) == (value if resolved(name, values, 9) else end)


@pytest.mark.parametrize("name", WITH_ENDS)
def test_what_was_not_computed_has_no_interval(name):
    values = {name: math.nan, f"{name}_low": 1.0, f"{name}_high": 2.0}
    assert np.isnan(interval(name, values, 1)).all()
    assert not resolved(name, values, 1)


@pytest.mark.parametrize(
    ("name", "value", "error", "expected"),
    [
        ("lambda_min", 1e-13, 1e-13, (0.0, 1e-13)), ("lambda_min", 3e-13, 1e-13, (2e-13, 3e-13)),
        ("lambda_min", -1.0, 1e-13, (0.0, 1e-13)), ("lambda_min", 1.0, math.nan, (1.0, 1.0)),
        ("smoothness_step", -2.0, 1.0, (-3.0, -1.0)), ("lambda_min", math.nan, 0.0, (math.nan, math.nan)),
    ],
)  # fmt: skip
def test_without_ends_a_value_that_was_computed_densely_is_known_up_to_its_resolution(name, value, error, expected):
    values = {name: value, UNCERTAIN[name].error: error}
    assert interval(name, values, 1) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("name", ["pntk_lambda_min", "infinite_lambda_min", "infinite_ntk_lambda_min"])
def test_where_no_resolution_is_stored_it_is_that_of_float64(name):
    largest = UNCERTAIN[name].error
    low, high = interval(name, {name: 300 * EPS, largest: 2.0}, 100)
    assert (low, high) == pytest.approx((100 * EPS, 300 * EPS))
    assert interval(name, {name: 200 * EPS, largest: 2.0}, 100)[0] == 0.0
    assert interval(name, {name: 1.0, largest: 2.0}, 3)[0] == 1.0 - 32 * EPS


def test_a_ritz_value_of_an_earlier_session_is_one_end_whatever_its_residual():
    assert interval("ntk_lambda_min", {"ntk_lambda_min": 5.0, "ntk_residual": 2.0}, 1) == (0.0, 5.0)
    assert interval("ntk_lambda_min", {"ntk_lambda_min": 2.0, "ntk_residual": 5.0}, 1) == (0.0, 5.0)
    assert interval("ntk_lambda_max", {"ntk_lambda_max": 9.0, "ntk_lambda_max_residual": 1e-9}, 1) == (9.0, math.inf)
    hessian = {"smoothness_hessian": 9.0, "smoothness_hessian_residual": 0.0}
    assert interval("smoothness_hessian", hessian, 1) == (9.0, math.inf)
    followed = GRAM | {"lambda_max_residual": 1e-9}
    assert interval("lambda_max", followed, 1)[1] == math.inf
    assert interval("lambda_max", followed | {"gersh_upper": 12.0}, 1)[1] == pytest.approx(12.0)
    assert interval("lambda_max", GRAM | {"lambda_max_residual": 0.0}, 1) == (10.0 - 1e-13, 10.0 + 1e-13)


def test_the_certificate_of_an_earlier_session_is_a_low_end_less_the_rounding_of_a_dense_spectrum():
    values = {"lambda_min": 3.0, "lambda_min_low": 2.0, "lambda_resolution": 0.5}
    assert interval("lambda_min", values, 1) == (1.5, 3.0)
    assert interval("lambda_min", values | {"lambda_min_high": 3.0}, 1) == (2.0, 3.0)


def test_the_hessian_is_known_from_below_only():
    values = {"smoothness_hessian": 5.0, "smoothness_hessian_low": 4.9}
    assert interval("smoothness_hessian", values, 1) == (4.9, math.inf)
    assert certain("smoothness_hessian", values, 1) == 4.9
    assert interval("unstable_directions", {"unstable_directions": 2.0}, 1) == (2.0, math.inf)
    assert interval("weight_norm", {"weight_norm": 2.0, "weight_norm_high": 2.5}, 1) == (2.0, 2.5)
    assert interval("loss", {"loss": 1.0}, 1) == (1.0, 1.0)


def test_without_ends_of_its_own_a_condition_number_has_those_of_the_spectrum():
    low, high = interval("ntk_log10_cond", KERNEL, 1)
    assert (low, high) == pytest.approx((math.log10(99 / 4.5), math.log10(101 / 2)))
    assert interval("ntk_log10_cond", KERNEL | {"ntk_lambda_min_low": 0.0}, 1)[1] == math.inf
    assert interval("log10_cond", GRAM | {"lambda_min": 0.0}, 1)[1] == math.inf
    # A session that has nothing but the quotient says nothing against it.
    assert resolved("ntk_log10_cond", {"ntk_log10_cond": 4.0}, 1)


def test_both_ends_are_informative_where_they_are_of_one_size():
    for low, high, expected in ((1.0, 9.0, True), (1.0, 11.0, False), (0.0, 1.0, False), (1.0, math.inf, False)):
        values = {"ntk_lambda_min": 1.0, "ntk_lambda_min_low": low, "ntk_lambda_min_high": high}
        assert bool(informative("ntk_lambda_min", values, 1)) == expected


def test_layers_are_decided_one_by_one():
    values = {name: np.full(3, number) for name, number in GRAM.items()} | {
        "lambda_min": np.array([1.0, 0.0, math.nan]),
        "log10_cond": np.array([1.0, 13.0, 4.0]),
    }
    assert resolved("lambda_min", values, 1).tolist() == [True, False, False]
    assert resolved("log10_cond", values, 1).tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("n", "width", "bias", "singular"), [(8, 9, False, False), (30, 3, False, True), (30, 3, True, True)]
)
def test_a_kernel_whose_rank_is_below_its_order_is_known_to_be_singular(n, width, bias, singular):
    case = small("tanh", False, bias, "mse", n=n, d=5, width=width, depth=3, classes=4)
    run = case.training_pass().run
    values = np.linalg.eigvalsh(kernel_of(run).numpy())
    assert is_singular(run.model, *run.logits.shape) == singular
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
