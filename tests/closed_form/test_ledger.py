"""The ledger: no theorem fails in a sound run, and of a doctored row each inequality that it breaks is reported."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import RunConfig, Trainer
from engine.catalogue import CATALOGUE
from engine.catalogue.certainty import with_ends
from engine.measure.violations import Violations
from engine.theory.inequality import Inequality, Row, Side, Term, exactly
from engine.theory.ledger import LEDGER
from engine.theory.loss_constants import LOSSES
from engine.theory.recursion import output_constants, smoothness_bound, smoothness_over_ball
from tests.closed_form.functions import KINKED, LOSS, LOSS_NAMES, NAMES
from tests.closed_form.small_networks import small

NETWORKS = list(itertools.product(NAMES, LOSS_NAMES, [False, True], [False, True], ["float32", "float64"]))
SMALL = {"data": "gaussian", "test_examples": 10, "steps": 4}


def rows(config):
    before = {}
    for record in Trainer(config).run():
        values, layers = (with_ends(found, config.examples) for found in (record.values, record.layers))
        yield record, Row(config, values, layers, before)
        before = record.values


@pytest.mark.parametrize(("activation", "loss", "renormalize", "bias", "dtype"), NETWORKS)
def test_no_theorem_fails_in_a_sound_run(activation, loss, renormalize, bias, dtype):
    network = {"activation": activation, "loss": loss, "renormalize": renormalize, "bias": bias, "dtype": dtype}
    for index, shape in enumerate([(20, 3, 12), (6, 4, 10), (9, 2, 1)]):
        width, depth, examples = shape
        lr = [1e-4, 0.05][(index + (dtype == "float32")) % 2]
        config = RunConfig(**SMALL, **network, width=width, depth=depth, examples=examples, lr=lr)
        seen = set()
        for record, row in rows(config):
            for entry in LEDGER.values():
                terms = entry.at(row)
                seen |= {entry.name} if terms else set()
                if entry.kind != "assumption":
                    assert all(term.truth != "violated" for term in terms), (entry.name, shape, lr, record.step, terms)
            assert [e for e in record.events if e.data.get("kind") == "theorem"] == []
        expected = set(LEDGER) - {"radius"}  # not defined for η ≥ 2/L
        if activation in KINKED:
            expected -= {"descent", "secant_segment", "hessian_bound"}
        if not LOSS[loss].quadratic:
            expected -= {"chain_low", "chain_high"}
        if examples == 1:  # Lemma 2 divides by n − 1
            expected -= {"risk_floor", "bound_floor", "gap_bound"}
        if renormalize and lr > 1e-3:  # the ball may reach a row of norm 0
            seen |= {"descent", "secant_segment"} & expected
        assert seen - {"radius"} == expected


def test_a_sound_run_promises_a_decrease_somewhere():
    # The descent lemma is not only kept by being vacuous: with a small step it promises, and the loss obeys.
    config = RunConfig(**SMALL, activation="tanh", width=8, depth=2, examples=6, lr=1e-3, dtype="float64", loss="mse")
    terms = [term for _, row in rows(config) for term in LEDGER["descent"].at(row)]
    assert len(terms) == 4
    for term in terms:
        assert not term.vacuous
        assert term.slack < 1e-9


@pytest.fixture(scope="module")
def sound():
    """A row in which every inequality has its numbers, the step after it, and all of them hold."""
    config = RunConfig(
        **SMALL, activation="tanh", loss="mse_logits", width=30, depth=3, examples=8, lr=1e-5, dtype="float64"
    )
    *_, (_, row) = rows(config)
    values, layers = dict(row.values), dict(row.layers)
    for name, entry in CATALOGUE.items():  # in float64 and at this size every end is close to its value
        if entry.end_of in layers:
            layers[name] = layers[entry.end_of]
        if entry.end_of in values:
            values[name] = values[entry.end_of] * (1 + (1e-9 if name.endswith("_high") else -1e-9))
    row = Row(row.config, values, layers, row.before)
    assert all(term.truth == "holds" for entry in LEDGER.values() for term in entry.at(row))
    assert all(entry.at(row) for entry in LEDGER.values())
    return row


# How to break one inequality: the metric to change, and what to make of it.
DOCTORED = {
    "gershgorin_lower": ("gersh_lower", lambda row, m: row.layer("lambda_min", m) * 1.01),
    "gershgorin_upper": ("gersh_upper", lambda row, m: row.layer("lambda_max", m) * 0.99),
    "eq13_op_holds": ("eq13_op", lambda row, m: row.layer("lambda_min", m) * 1.01),
    "eq13_features_op_holds": ("eq13_features_op", lambda row, m: row.layer("lambda_min", m) * 1.01),
    "eq13_order_gram": ("eq13_op", lambda row, m: row.layer("eq13_fro", m) - 0.01),
    "eq13_order_features": ("eq13_features_op", lambda row, m: row.layer("eq13_features", m) * 0.99),
    "eq13_order_weights": ("eq13_features", lambda row, m: row.layer("eq13_weights", m) * 0.99),
    "interlacing_low": ("pntk_lambda_min", lambda row: row.value("ntk_lambda_min") * 0.9),
    "interlacing_high": ("pntk_lambda_max", lambda row: row.value("ntk_lambda_max") * 1.1),
    "descent": ("loss", lambda row: LEDGER["descent"].at(row)[0].right.value * 1.0001),
    "secant_segment": ("smoothness_secant", lambda row: row.value("smoothness_segment") * 1.001),
    "hessian_bound": ("smoothness_hessian", lambda row: row.value("smoothness_bound") * 1.1),
    "gradient_bound": ("lipschitz_bound", lambda row: row.value("sample_grad_norm_max") * 0.999),
    "pl_jensen": ("pl_samplewise", lambda row: row.value("pl") * 0.999),
    "bound_floor": ("generalization_bound", lambda row: row.value("generalization_floor") * 0.999),
    "risk_floor": ("loss_bound", lambda row: row.value("loss_bound") * 100),
    "gap_bound": ("generalization_gap", lambda row: row.value("generalization_bound") * 1.001),
    "radius": ("distance_init", lambda row: row.value("radius_bound") * 1.001),
}


def broken(row, name, change):
    """The row with another value of a metric, and of its ends."""
    if name in row.layers:
        column = np.array(row.layers[name])
        column[1] = change(row, 1)
        ends = {end: column for end in (f"{name}_low", f"{name}_high") if end in row.layers}
        return Row(row.config, row.values, dict(row.layers) | {name: column} | ends, row.before)
    names = [each for each in (name, f"{name}_low", f"{name}_high") if each == name or each in row.values]
    return Row(row.config, dict(row.values) | dict.fromkeys(names, change(row)), row.layers, row.before)


@pytest.mark.parametrize("name", DOCTORED)
def test_a_doctored_row_yields_exactly_the_event_of_its_inequality(sound, name):
    metric, change = DOCTORED[name]
    (event,) = Violations().check(7, broken(sound, metric, change))
    assert (event.step, event.kind) == (7, "violation")
    assert event.data["inequality"] == name
    assert event.data["kind"] == LEDGER[name].kind
    assert event.layer == (1 if metric in sound.layers else None)
    assert event.data["left"] > event.data["right"] + event.data["slack"]
    assert LEDGER[name].formula in event.message
    assert LEDGER[name].violated in event.message
    assert ("bug" in event.message) == (LEDGER[name].kind == "theorem")


# These cannot fail alone: what breaks them breaks a stronger one that shares their metric.
@pytest.mark.parametrize(
    ("metric", "change", "expected"),
    [
        ("lambda_min", lambda row, m: 0.0, {f"{bound}_holds" for bound in CATALOGUE if bound.startswith("eq13_")}),
        ("eq13_fro", lambda row, m: 1e3, {"eq13_fro_holds", "eq13_order_gram"}),
        ("eq13_features", lambda row, m: 1e3, {"eq13_features_holds", "eq13_order_features"}),
        ("eq13_weights", lambda row, m: 1e3, {"eq13_weights_holds", "eq13_order_weights"}),
        ("ntk_lambda_min", lambda row: 0.0, {"chain_gram"}),
        ("ntk_lambda_min", lambda row: 1e6, {"chain_low", "interlacing_low"}),
        ("pntk_lambda_min", lambda row: row.value("ntk_lambda_max") * 2, {"interlacing_middle"}),
        ("ntk_lambda_max", lambda row: row.value("ntk_lambda_min") / 2, {"chain_high", "interlacing_high"}),
        ("grad_norm", lambda row: row.value("sample_grad_norm_max") * 2, {"gradient_mean"}),
        ("pl", lambda row: 1e6, {"pl_jensen", "chain_high"}),
    ],
)
def test_what_breaks_several_is_reported_for_each(sound, metric, change, expected):
    events = Violations().check(7, broken(sound, metric, change))
    found = {event.data["inequality"] for event in events}
    assert found == expected or (metric == "lambda_min" and found == expected | {"gershgorin_lower"})


def test_every_inequality_can_fail(sound):
    reported = set(DOCTORED) | {"chain_gram", "chain_low", "chain_high", "interlacing_middle", "gradient_mean"}
    reported |= {"eq13_fro_holds", "eq13_features_holds", "eq13_weights_holds"}
    assert reported == set(LEDGER)


@pytest.mark.parametrize("entry", LEDGER.values(), ids=lambda entry: entry.name)
def test_an_inequality_holds_up_to_its_slack_and_no_further(sound, entry):
    for term in entry.at(sound):
        assert term.slack > 0
        edge = term.right.low + term.slack
        assert Term(term.layer, exactly(edge), term.right, term.slack).truth == "holds"
        between = Term(term.layer, exactly(math.nextafter(edge, math.inf)), term.right, term.slack)
        assert between.truth == ("violated" if term.right.low == term.right.high else "undecided")
        beyond = exactly(math.nextafter(term.right.high + term.slack, math.inf))
        assert Term(term.layer, beyond, term.right, term.slack).truth == "violated"
        # Room for rounding, not for errors: far below what the two sides are apart or large.
        assert term.slack < 2e-2 * max(abs(term.left.value), abs(term.right.value))


ends = st.tuples(*[st.floats(-1e6, 1e6)] * 3).map(sorted)


@given(ends, ends, st.floats(0, 10), st.floats(0, 1), st.floats(0, 1))
def test_what_holds_or_is_violated_is_so_for_all_numbers_in_both_intervals(left, right, slack, s, t):
    (a, x, b), (c, y, d) = left, right
    term = Term(None, Side(x, a, b), Side(y, c, d), slack)
    for low, high in ((a, c), (a, d), (b, c), (b, d), (x, y), (a + s * (b - a), c + t * (d - c))):
        low, high = min(max(low, a), b), min(max(high, c), d)
        assert term.truth == "undecided" or (low <= high + slack) == (term.truth == "holds")
    # Undecided is what holds for some numbers and fails for others.
    if term.truth == "undecided":
        assert a <= d + slack
        assert b > c + slack


def test_float32_widens_what_training_computes_and_not_the_spectra(sound):
    coarse = Row(RunConfig(**sound.config.to_dict() | {"dtype": "float32"}), sound.values, sound.layers, sound.before)
    for name in ("gradient_mean", "descent", "secant_segment"):
        assert LEDGER[name].at(coarse)[0].slack > 1e6 * LEDGER[name].at(sound)[0].slack
    for name in ("gershgorin_lower", "eq13_op_holds"):
        assert LEDGER[name].at(coarse) == LEDGER[name].at(sound)


def test_what_was_not_computed_is_not_checked(sound):
    bare = Row(sound.config, {"loss": 1.0, "grad_norm": 1.0})
    assert all(entry.at(bare) == () for entry in LEDGER.values())
    gone = broken(sound, "sample_grad_norm_max", lambda row: math.nan)
    assert LEDGER["gradient_mean"].at(gone) == ()
    assert LEDGER["gershgorin_lower"].at(gone)


def test_a_violation_is_reported_once_and_its_end_once_in_the_tenth_row_that_holds(sound):
    bad = broken(sound, *DOCTORED["radius"])
    watch = Violations()
    reported = [event for step in range(3) for event in watch.check(step, bad)]
    assert [event.step for event in reported] == [0]
    # Flickering is one violation.
    reported = [event for step in range(3, 40) for event in watch.check(step, sound if step % 3 else bad)]
    assert reported == []
    reported = [event for step in range(40, 80) for event in watch.check(step, sound)]
    assert [(event.step, event.kind) for event in reported] == [(49, "notice")]
    assert reported[0].data["since"] == 40
    (again,) = watch.check(80, bad)
    assert again.kind == "violation"


def test_many_layers_make_one_event_about_the_worst(sound):
    column = np.array(sound.layers["gersh_upper"])
    column[0], column[2] = 0.0, -5.0
    changed = Row(sound.config, sound.values, dict(sound.layers) | {"gersh_upper": column}, sound.before)
    (event,) = Violations().check(0, changed)
    worst = max((0, 2), key=lambda m: sound.layer("lambda_max", m) - column[m])
    assert event.layer == worst
    assert event.data["terms"] == 2
    assert "other layer" in event.message


def test_a_row_that_does_not_decide_neither_begins_nor_ends_nor_prolongs_a_violation(sound):
    wide = Row(sound.config, dict(sound.values) | {"ntk_lambda_min_low": 0.0, "ntk_lambda_min_high": 1e9}, sound.layers)
    assert {term.truth for term in LEDGER["interlacing_low"].at(wide)} == {"undecided"}
    bad = broken(sound, *DOCTORED["interlacing_low"])
    watch = Violations()
    assert list(watch.check(0, wide)) == []
    (event,) = watch.check(1, bad)
    assert event.data["inequality"] == "interlacing_low"
    # Nine rows that hold, any number that do not decide, and one more that holds.
    rows = [sound] * 9 + [wide] * 20 + [sound]
    over = [event for step, row in enumerate(rows, start=2) for event in watch.check(step, row)]
    assert [(event.step, event.data["since"]) for event in over] == [(31, 2)]


def test_the_trainer_hands_violations_on_with_the_row(monkeypatch):
    false = Inequality(
        "false", "false", "theorem", "", "f", "0", ("loss",), "", "No.", "nothing",
        lambda row: [Term(None, row.side("loss"), exactly(0.0), 0.0)],
    )  # fmt: skip
    monkeypatch.setitem(LEDGER, "false", false)
    config = RunConfig(**SMALL, width=6, depth=2, examples=4, every=2)
    events = [(record.step, event) for record in Trainer(config).run() for event in record.events]
    assert [(step, event.step, event.data["inequality"]) for step, event in events] == [(0, 0, "false")]


def test_metrics_of_the_ledger_are_in_the_catalogue_and_names_are_its_own():
    for entry in LEDGER.values():
        assert set(entry.metrics) <= set(CATALOGUE)
    assert not set(LEDGER) & set(CATALOGUE)


@pytest.mark.parametrize("loss", LOSS_NAMES)
@pytest.mark.parametrize(("renormalize", "bias"), list(itertools.product([False, True], repeat=2)))
def test_the_segments_smoothness_bounds_the_hessian_at_every_point_of_the_ball(loss, renormalize, bias):
    import torch

    from engine.measure.network_bounds import NetworkBounds
    from engine.measure.row_norms import row_norms

    case = small("tanh", renormalize, bias, loss, n=3, d=3, width=4, depth=3, classes=2)
    norms = [float(torch.linalg.matrix_norm(w, 2)) for w in case.model.weights]
    found = case.training_pass()
    bounds = NetworkBounds(found.run.chain, row_norms(found.run, found.signals), norms, LOSSES[loss])
    generator = torch.Generator().manual_seed(3)
    theta = case.flat()
    for radius in (0.0, 0.01, 0.2):
        L = bounds.over_ball(radius)
        if math.isnan(L):
            assert renormalize
            continue
        assert bounds.at_theta()["smoothness_bound"] * (1 - 1e-12) <= L
        for _ in range(4):
            direction = torch.randn(theta.numel(), generator=generator, dtype=torch.float64)
            point = theta + radius * direction / direction.norm()
            hessian = torch.autograd.functional.hessian(case.mean_loss, point, vectorize=True)
            assert float(torch.linalg.eigvalsh(hessian).abs().max()) <= L


def test_over_a_ball_the_loss_gradient_is_bounded_by_its_supremum_or_by_how_far_outputs_move():
    from engine.theory.activation import TANH

    constants = output_constants([1.0, 2.0], [[1.0], [1.5]], TANH, radius=0.1)
    J = float(constants.lipschitz[0])
    for name, loss in LOSSES.items():
        gradient = min(LOSS[name].ceiling, 0.3 + loss.smoothness * J * 0.1)
        assert smoothness_over_ball(constants, [0.3], loss, 0.1) == pytest.approx(
            smoothness_bound(constants, [gradient], loss.smoothness), rel=1e-14
        )
