"""Both sides and the slack of each inequality, by hand, on rows of round numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine import RunConfig
from engine.theory.inequality import Row, Side, Term, exactly
from engine.theory.ledger import LEDGER

EPS = 2.0**-52
# Of two layers in float64, a pass is uncertain by 16·2·eps, and a spectrum of 20 examples by 20·eps.
OPTIONS = {"depth": 2, "width": 6, "examples": 20, "dtype": "float64", "activation": "tanh", "delta": 0.05}
PASS, SPECTRUM = 32 * EPS, 20 * EPS


def row(values=None, layers=None, before=None, **options):
    columns = {name: np.array([*column, math.nan]) for name, column in (layers or {}).items()}
    return Row(RunConfig(**(OPTIONS | options)), values or {}, columns, before or {})


def check(name, of, *expected):
    found = LEDGER[name].at(of)
    assert len(found) == len(expected)
    for term, (layer, left, right, slack, vacuous) in zip(found, expected, strict=True):
        assert (term.layer, term.vacuous) == (layer, vacuous)
        sides = (term.left.value, term.left.low, term.left.high, term.right.value, term.right.low, term.right.high)
        ends = [side if isinstance(side, tuple) else (side, side, side) for side in (left, right)]
        assert sides == pytest.approx(ends[0] + ends[1], rel=1e-14, abs=0)
        assert term.slack == pytest.approx(slack, rel=1e-12, abs=0)


def test_a_term_holds_within_its_slack_and_exceeds_by_what_is_beyond():
    assert Term(None, exactly(4.0), exactly(3.0), 1.0).truth == "holds"
    assert Term(None, exactly(5.0), exactly(3.0), 1.0).truth == "violated"
    assert Term(None, exactly(5.0), exactly(3.0), 1.0).excess == 1.0
    wide = Side(5.0, 4.5, 6.0)
    assert Term(None, wide, exactly(3.0), 1.0).excess == 0.5
    assert Term(None, exactly(4.75), wide, 0.0).truth == "undecided"
    assert Term(None, exactly(4.75), wide, 0.25).truth == "holds"


def test_a_pass_is_uncertain_by_sixteen_roundings_a_layer_and_a_spectrum_by_one_an_example():
    assert row().rounding == 32 * EPS
    assert row(depth=9, dtype="float32").rounding == 144 * 2.0**-23
    assert row().spectral_rounding == 20 * EPS
    assert row(examples=3).spectral_rounding == 16 * EPS


def test_the_norm_of_the_parameters_counts_every_layer_of_weights():
    norms = {"weight_norm": np.array([math.nan, 3.0, 4.0])}
    assert Row(RunConfig(**OPTIONS), {}, norms).weight_norm == 5.0
    assert math.isnan(row().weight_norm)


def test_layers_are_counted_from_the_input_and_others_are_not_known():
    of = row(layers={"lambda_min": [1.0, 2.0]})
    assert [of.layer("lambda_min", m) for m in range(2)] == [1.0, 2.0]
    assert all(math.isnan(of.layer("lambda_min", m)) for m in (-1, 2, 3))


def test_discs_are_widened_by_the_resolution_and_their_own_rounding():
    known = {"lambda_min": [1.0, 2.0], "lambda_max": [3.0, 4.0], "lambda_resolution": [2 * EPS, 7 * EPS]}
    of = row(layers=known | {"gersh_lower": [0.0, 0.5], "gersh_upper": [5.0, 8.0]})
    check("gershgorin_lower", of, (0, 0.0, 1.0, 2 * EPS, True), (1, 0.5, 2.0, 7 * EPS + 0.5 * SPECTRUM, False))
    upper = (0, 3.0, 5.0, 2 * EPS + 5 * SPECTRUM, False), (1, 4.0, 8.0, 7 * EPS + 8 * SPECTRUM, False)
    check("gershgorin_upper", of, *upper)
    below = row(layers=known | {"gersh_lower": [-3.0, -1.0]})
    assert [term.slack / EPS for term in LEDGER["gershgorin_lower"].at(below)] == [62.0, 27.0]


@pytest.mark.parametrize("name", ["eq13_op", "eq13_fro", "eq13_features_op", "eq13_features"])
def test_a_rung_is_widened_four_times_by_the_resolution_and_its_rounding(name):
    of = row(layers={name: [0.0, 0.5], "lambda_min": [1.0, 2.0], "lambda_resolution": [2 * EPS, 7 * EPS]})
    check(f"{name}_holds", of, (0, 0.0, 1.0, 8 * EPS, True), (1, 0.5, 2.0, 28 * EPS + 2 * SPECTRUM, False))


def test_the_rung_of_the_weights_is_widened_by_what_rounding_of_the_features_does_to_a_squared_singular_value():
    # The features' Frobenius norm is at most √(nλ_max): 2 and 4. (σ + ε)² − σ² = ε(2σ + ε).
    jitter = [2 * PASS, 4 * PASS]
    known = {"lambda_min": [1.0, 2.0], "lambda_max": [0.2, 0.8], "lambda_resolution": [0.0, 7 * EPS]}
    of = row(layers=known | {"eq13_weights": [0.0, 0.25]})
    expected = 28 * EPS + SPECTRUM + jitter[1] * (1 + jitter[1])
    check("eq13_weights_holds", of, (0, 0.0, 1.0, jitter[0] ** 2, True), (1, 0.25, 2.0, expected, False))


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("eq13_order_gram", "eq13_fro", "eq13_op"), ("eq13_order_features", "eq13_features", "eq13_features_op")],
)
def test_rungs_are_ordered_up_to_the_resolution_and_their_own_rounding(name, low, high):
    of = row(layers={"lambda_resolution": [2 * EPS, 7 * EPS], low: [-1.0, 0.25], high: [0.0, 0.5]})
    lowest = 4 * (2 * EPS + SPECTRUM), 4 * (7 * EPS + 0.25 * SPECTRUM)
    check(name, of, (0, -1.0, 0.0, lowest[0], True), (1, 0.25, 0.5, lowest[1], False))


def test_the_order_of_the_weights_rung_is_widened_by_the_rounding_of_the_features_as_well():
    # In float32, where that is of the order of this resolution.
    jitter = [2 * 32 * 2.0**-23, 4 * 32 * 2.0**-23]
    known = {"lambda_max": [0.2, 0.8], "lambda_resolution": [2e-8, 3e-8]}
    of = row(layers=known | {"eq13_weights": [0.0, 0.25], "eq13_features": [0.0, 0.5]}, dtype="float32")
    slack = [8e-8 + jitter[0] ** 2, 12e-8 + SPECTRUM + jitter[1] * (1 + jitter[1])]
    check("eq13_order_weights", of, (0, 0.0, 0.0, slack[0], True), (1, 0.25, 0.5, slack[1], False))


KERNEL = {
    "ntk_lambda_min": 40.0, "ntk_lambda_min_low": 39.0, "ntk_lambda_min_high": 41.0, "ntk_lambda_max": 200.0,
    "ntk_lambda_max_low": 199.0, "ntk_lambda_max_high": 201.0, "pntk_lambda_min": 60.0, "pntk_lambda_max": 100.0,
}  # fmt: skip


FORMING = 2e-10  # 10⁻¹²·λ_max(K)


@pytest.mark.parametrize(("dtype", "slack"), [("float64", FORMING), ("float32", 8 * 2.0**-23 * 200)])
def test_interlacing_compares_intervals_up_to_the_rounding_of_forming_kernels(dtype, slack):
    of = row(KERNEL, dtype=dtype)
    check("interlacing_low", of, (None, (40.0, 39.0, 41.0), 60.0, slack, False))
    check("interlacing_middle", of, (None, 60.0, 100.0, slack, False))
    check("interlacing_high", of, (None, 100.0, (200.0, 199.0, 201.0), slack, False))


def test_the_kernel_is_compared_with_the_last_gram_matrix_per_example():
    gram = {
        "lambda_min": [9.0, 0.5], "lambda_min_low": [9.0, 0.4], "lambda_min_high": [9.0, 0.6],
        "lambda_resolution": [9e-10, 1e-10],
    }  # fmt: skip
    of = row(KERNEL, gram)
    check("chain_gram", of, (None, (0.15, 0.12, 0.18), (2.0, 1.95, 2.05), (6e-10 + FORMING) / 20, False))
    nothing = row(KERNEL, {"lambda_min": [9.0, 0.0], "lambda_resolution": [9e-10, 1e-10]})
    assert LEDGER["chain_gram"].at(nothing)[0].vacuous


def test_mu_lies_between_the_kernels_extremes_up_to_what_cancels_in_the_gradient():
    # Per-example gradients three times as long as their mean: μ is as uncertain as 1 + 3 of its own roundings.
    known = KERNEL | {"grad_norm": 0.5, "sample_grad_norm_max": 1.5}
    for mu, low, high in (
        (5e6, "holds", "violated"), (1e-4, "violated", "holds"), (2.0, "undecided", "holds"),
        (10.0, "holds", "undecided"),
    ):  # fmt: skip
        of, slack = row(known | {"pl": mu}, loss="mse_logits"), FORMING / 20 + PASS * 4 * mu
        check("chain_low", of, (None, (2.0, 1.95, 2.05), mu, slack, False))
        check("chain_high", of, (None, mu, (10.0, 9.95, 10.05), slack, False))
        assert (LEDGER["chain_low"].at(of)[0].truth, LEDGER["chain_high"].at(of)[0].truth) == (low, high)
    assert LEDGER["chain_low"].at(row(known | {"pl": 2.0, "grad_norm": 0.0}, loss="mse_logits")) == ()
    for options in ({"loss": "mse"}, {"loss": "mse_logits", "f_star": 0.1}):
        assert LEDGER["chain_low"].at(row(known, **options)) == LEDGER["chain_high"].at(row(known, **options)) == ()


def step(smoothness, lr=0.5):
    values = {"loss": 0.75, "smoothness_segment": smoothness, "smoothness_secant": 1.5, "sample_grad_norm_max": 7.0}
    before = {"loss": 1.0, "grad_norm": 0.25, "lr": lr, "sample_grad_norm_max": 11.0}
    of = row(values, before=before)
    return Row(of.config, of.values, {"weight_norm": np.array([math.nan, 3.0, 4.0])}, of.before)


def test_the_descent_lemma_is_widened_by_the_rounding_of_losses_weights_and_gradient():
    # f − η(1 − ηL/2)‖g‖² with η = 1/2 and ‖g‖² = 1/16; the longest gradient of an example is that of the row before.
    for L, promised, vacuous in ((2.0, 1 - 0.5 * 0.5 / 16, False), (3.0, 1 - 0.5 * 0.25 / 16, False), (4.0, 1.0, True)):
        slack = PASS * (1.0 + 0.75 + 11 * 5 + 0.5 * 0.25 * (11 + (2 + 0.5 * L) * 0.25))
        check("descent", step(L), (None, 0.75, promised, slack, vacuous))


def test_the_secant_is_widened_by_the_rounding_of_gradients_and_weights_over_the_step():
    check("secant_segment", step(2.0), (None, 1.5, 2.0, PASS * (7 + 11 + 2 * 5) / (0.5 * 0.25), False))
    assert LEDGER["secant_segment"].at(step(2.0, lr=0.0)) == ()


def test_of_the_hessian_the_ritz_value_less_its_rounding_is_compared_with_the_bound():
    of = row({"smoothness_hessian": 3.0, "smoothness_hessian_low": 2.9, "smoothness_bound": 7.0})
    check("hessian_bound", of, (None, 2.9, 7.0, 7 * PASS, False))


@pytest.mark.parametrize(
    "name",
    [name for name, entry in LEDGER.items() if entry.group in {"gradients", "per-sample μ", "distance"}]
    + ["bound_floor"],
)
def test_two_metrics_of_one_pass_are_widened_by_the_rounding_of_both(name):
    left, right = LEDGER[name].metrics
    check(name, row({left: 3.0, right: 5.0}), (None, 3.0, 5.0, 8 * PASS, False))
    check(name, row({left: -3.0, right: 5.0}), (None, -3.0, 5.0, 8 * PASS, False))


def test_what_remains_of_the_floor_is_taken_from_the_loss_above_f_star():
    # √(24·2·(0.7 − 0.1)/0.05) = 24
    of = row({"loss": 0.7, "loss_bound": 2.0, "generalization_floor": 30.0}, f_star=0.1)
    check("risk_floor", of, (None, 24.0, 30.0, 30 * PASS, False))


def test_the_gap_is_widened_by_the_rounding_of_its_bound_and_says_nothing_beyond_the_largest_loss():
    known = {"generalization_gap": 0.25, "generalization_bound": 3.0}
    check("gap_bound", row(known | {"loss_bound": 4.0}), (None, 0.25, 3.0, 3 * PASS, False))
    check("gap_bound", row(known | {"loss_bound": 3.0}), (None, 0.25, 3.0, 3 * PASS, True))
