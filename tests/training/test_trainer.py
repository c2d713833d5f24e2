"""The trainer as a library: rows, determinism, what is and is not measured."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine import RunConfig, Trainer
from engine.catalogue import CATALOGUE, LAYER_COLUMNS, STEP_COLUMNS, STEP_METRICS
from engine.errors import ConfigError

SMALL = {"width": 24, "depth": 4, "examples": 20, "steps": 4, "data": "gaussian", "lr": 0.05}
TIMES = {"step_seconds", "measure_seconds", "layers_seconds", "curvature_seconds", "kernel_seconds"}


def rows(**changes):
    return list(Trainer(RunConfig(**(SMALL | changes))).run())


def without_times(record):
    return {name: value for name, value in record.values.items() if name not in TIMES}


def test_an_update_leads_down_the_gradient_from_a_row_to_the_next():
    trainer = Trainer(RunConfig(**(SMALL | {"lr": 1e-3})))
    first = trainer.observe()
    trainer.advance()
    assert trainer.step == 1
    second = trainer.observe()
    assert second.step == 1
    # To first order, by η‖∇f‖².
    assert first["loss"] - second["loss"] == pytest.approx(1e-3 * first["grad_norm"] ** 2, rel=0.05)


def test_t_steps_leave_t_plus_one_rows_each_with_the_learning_rate_that_it_is_left_with():
    records = rows()
    assert [record.step for record in records] == [0, 1, 2, 3, 4]
    assert [record["lr"] for record in records] == [0.05] * 5


@pytest.mark.parametrize(
    "changes", [{}, {"renormalize": True, "activation": "tanh"}, {"bias": True, "loss": "mse_logits"}]
)
def test_equal_configurations_give_bit_identical_rows(changes):
    for first, second in zip(rows(**changes), rows(**changes), strict=True):
        assert without_times(first) == without_times(second)
        for name, values in first.layers.items():
            np.testing.assert_array_equal(values, second.layers[name])


def test_training_is_bit_identical_whatever_is_measured():
    everything, core, none = rows(measure="all"), rows(measure="core"), rows(measure="none")
    sparse = rows(measure="all", every=3)
    for name in ("loss", "accuracy", "grad_norm"):
        for others in (core, none, sparse):
            assert [r.values[name] for r in others] == [r.values[name] for r in everything]


def test_measure_none_computes_only_what_training_needs():
    expected = {m.name for m in STEP_METRICS if m.measured_in == "none"}
    for record in rows(measure="none"):
        assert set(record.values) == expected
        assert record.layers == {}


@pytest.mark.parametrize("measure", ["core", "all"])
def test_every_metric_of_the_set_appears_and_no_other(measure):
    contained = {"none", "core"} | ({"all"} if measure == "all" else set())
    expected = {name for name in STEP_COLUMNS + LAYER_COLUMNS if CATALOGUE[name].measured_in in contained}
    found = set()
    for record in rows(measure=measure, activation="tanh"):
        found |= {n for n, v in record.values.items() if math.isfinite(v)}
        found |= {n for n, v in record.layers.items() if np.isfinite(v).any()}
    assert found == expected


def test_rows_hold_nothing_that_the_catalogue_does_not_know():
    for record in rows():
        assert set(record.values) <= set(STEP_COLUMNS)
        assert set(record.layers) <= set(LAYER_COLUMNS)


def test_with_every_what_lacks_its_inputs_is_absent_and_never_carried_forward():
    for record in rows(every=3, measure="all", steps=8):
        measured = record.step in {0, 3, 6, 8}  # and the last one
        assert ("pl" in record.values) == measured
        assert bool(record.layers) == measured
        # only the row after a measured one has the Hessian that lemma 1 predicts with
        assert ("predicted_lemma1" in record.values) == (record.step in {1, 4, 7})
        # losses and gradient norms are in every row: what follows from them is there wherever it is asked for
        assert ("smoothness_step" in record.values) == (record.step > 0 and record.step not in {2, 5})


def step_length(trainer):
    before = [p.clone() for p in trainer.model.parameters.values()]
    trainer.advance()
    pairs = zip(before, trainer.model.parameters.values(), strict=True)
    return math.sqrt(sum(float((now - then).double().square().sum()) for then, now in pairs))


def test_a_gradient_step_moves_the_parameters_by_lr_times_the_gradient():
    trainer = Trainer(RunConfig(**SMALL))
    record = trainer.observe()
    assert step_length(trainer) == pytest.approx(0.05 * record.values["grad_norm"], rel=1e-5)


def test_a_change_of_the_learning_rate_holds_from_the_next_row_on():
    trainer = Trainer(RunConfig(**SMALL))
    for lr, rate in ((0.5, 0.05), (0.25, 0.5)):
        record = trainer.observe()
        trainer.set_lr(lr)
        assert record["lr"] == rate
        assert step_length(trainer) == pytest.approx(rate * record["grad_norm"], rel=1e-5)
    with pytest.raises(ConfigError, match="above 0"):
        trainer.set_lr(-1.0)


def test_a_diverging_run_ends_with_the_row_that_is_not_finite_and_says_so():
    records = rows(loss="mse_logits", lr=50.0, steps=200)
    assert len(records) < 200
    assert all(math.isfinite(r.values["loss"]) for r in records[:-1])
    (event,) = records[-1].events
    assert event.kind == "diverged"
    assert event.message.startswith(f"Diverged at step {records[-1].step}: ")


def test_subsets_are_nested_in_n_and_weights_do_not_depend_on_n():
    few, many = (Trainer(RunConfig(**(SMALL | {"examples": n, "data": "digits", "center": False}))) for n in (10, 30))
    np.testing.assert_array_equal(few.data.x_train, many.data.x_train[:10])
    for a, b in zip(few.model.weights, many.model.weights, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("one example", {"examples": 1}),
        ("more examples than neurons", {"examples": 60, "width": 8}),
        ("width one", {"width": 1}),
        ("no test set", {"test_examples": 0}),
        ("depth two", {"depth": 2}),
    ],
)
def test_extreme_shapes_have_defined_results(name, changes):
    for record in rows(**changes, renormalize=True, activation="tanh"):
        assert math.isfinite(record.values["loss"])
        assert all(math.isfinite(v) for v in record.values.values())
        if changes.get("examples") == 1:
            assert "generalization_bound" not in record.values
        if name == "more examples than neurons":
            np.testing.assert_array_equal(record.layers["lambda_min"][1:4], 0.0)
        if name == "no test set":
            assert "test_loss" not in record.values
