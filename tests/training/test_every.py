"""What rows hold that are not measured in full: ``--every K``, and rows that a budget leaves out."""

from __future__ import annotations

import pytest

from engine import RunConfig, Trainer
from engine.record import StepRecord

SMALL = {"width": 16, "depth": 3, "examples": 12, "data": "gaussian", "device": "cpu", "steps": 32, "lr": 0.02}
PREDICTIONS = ("predicted_lemma1", "predicted_lemma10", "ratio_lemma1", "ratio_lemma10")
TRAINED = {"loss", "accuracy", "grad_norm", "lr", "step_seconds"}


def records(**changes: object) -> list[StepRecord]:
    return list(Trainer(RunConfig(**(SMALL | changes))).run())  # type: ignore[arg-type]


@pytest.mark.parametrize("changes", [{"every": 10}, {"every": 2}, {"budget": 0.5}, {"every": 4, "budget": 0.5}])
def test_the_row_after_one_with_a_hessian_is_predicted_from_it(changes: dict[str, object]) -> None:
    rows = records(**changes)
    predicted = [row.step for row in rows if "predicted_lemma1" in row.values]
    assert predicted == [row.step + 1 for row in rows[:-1] if "smoothness_hessian" in row.values]
    assert len(predicted) >= 2 or "budget" in changes
    for k in predicted:
        before, now = rows[k - 1].values, rows[k].values
        decrease = before["grad_norm"] ** 2 / before["smoothness_hessian"]
        assert now["predicted_lemma1"] == pytest.approx(before["loss"] - decrease / 2, rel=1e-12)
        assert now["predicted_lemma10"] == pytest.approx(before["loss"] - decrease / 8, rel=1e-12)
        assert now["ratio_lemma1"] == pytest.approx(now["loss"] / now["predicted_lemma1"], rel=1e-12)


def test_what_is_proved_along_a_step_is_there_after_every_measured_row() -> None:
    rows = records(every=10, activation="tanh")
    assert [row.step for row in rows if "smoothness_segment" in row.values] == [1, 11, 21, 31]
    for k in (11, 21, 31):
        assert rows[k]["smoothness_step"] <= rows[k]["smoothness_segment"]
        assert rows[k]["smoothness_secant"] <= rows[k]["smoothness_segment"]


def test_other_rows_have_what_training_computes_and_nothing_is_carried_forward() -> None:
    for row in records(every=10):
        if row.step % 10 == 0 or row.step == SMALL["steps"]:
            assert "sample_grad_norm_max" in row.values
        elif row.step % 10 == 1:
            assert set(PREDICTIONS) <= set(row.values)
            assert "pl" not in row.values
        else:
            assert set(row.values) <= TRAINED
            assert not row.layers


def test_a_transition_is_the_same_whether_the_rows_around_it_are_measured_or_not() -> None:
    all_rows, some = records(), records(every=10)
    for k in (1, 11, 21):
        for name in ("smoothness_step", "smoothness_secant", "lemma13_bound", "radius_bound", "ratio_descent"):
            assert some[k].values.get(name) == all_rows[k].values.get(name), (k, name)
