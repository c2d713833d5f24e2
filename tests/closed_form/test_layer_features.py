"""The layers' table along runs of networks too large for dense norms, against dense norms and spectra."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from engine import RunConfig, Trainer
from engine.catalogue.certainty import interval
from engine.measure.layer_measures import LayerMeasures
from engine.record import StepRecord
from tests.closed_form.row_contexts import begun, measured, row_of, update
from tests.closed_form.small_networks import small
from tests.rounding import rounding


def along_a_run(**options: object) -> list[tuple[StepRecord, list[torch.Tensor], list[torch.Tensor]]]:
    """Rows of a run, with A_0 … A_{L−1} and W_1 … W_L of each."""
    config = RunConfig(**{"data": "gaussian", "device": "cpu", "measure": "core"} | options)  # type: ignore[arg-type]  # RunConfig checks what it is given
    trainer, found = Trainer(config), []
    while True:
        features = [
            a.double()
            for a in trainer.model.forward(torch.as_tensor(trainer.data.x_train).to(trainer.model.dtype)).features
        ]
        weights = [w.double().clone() for w in trainer.model.weights]
        record = trainer.observe(final=trainer.step == trainer.config.steps)
        found.append((record, features, weights))
        if trainer.diverged or trainer.step == trainer.config.steps:
            return found
        trainer.advance()


RUNS = {
    "n below the width": {"width": 150, "depth": 4, "examples": 130, "steps": 5, "lr": 0.01},
    "n above the width": {"width": 90, "depth": 4, "examples": 140, "steps": 5, "lr": 0.05, "activation": "tanh"},
    "float64": {"width": 100, "depth": 3, "examples": 135, "steps": 4, "lr": 0.02, "dtype": "float64"},
    "renormalised, with biases": {
        "width": 140, "depth": 4, "examples": 150, "steps": 4, "lr": 0.01, "renormalize": True, "bias": True,
        "loss": "cross_entropy",
    },
    "small steps": {"width": 150, "depth": 4, "examples": 130, "steps": 4, "lr": 1e-4},
    "all small": {"width": 7, "depth": 4, "examples": 5, "steps": 4, "lr": 0.1},
    "one example": {"width": 90, "depth": 3, "examples": 1, "steps": 3, "lr": 0.01},
    "one neuron": {"width": 1, "depth": 3, "examples": 9, "steps": 3, "lr": 0.01},
}  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
def test_every_interval_holds_the_dense_eigenvalue_or_norm(name: str) -> None:
    rows = along_a_run(**RUNS[name])
    initial = rows[0][2]
    for record, features, weights in rows:
        table = record.layers
        for m, a in enumerate(features):
            gram = a @ a.T / a.shape[1]
            values = torch.linalg.eigvalsh(gram)
            error = rounding(len(gram)) * float(values[-1])
            low, high = float(values[0]), float(values[-1])
            if a.shape[0] > a.shape[1]:
                assert table["lambda_min_low"][m] == table["lambda_min"][m] == table["lambda_min_high"][m] == 0.0
            else:
                assert table["lambda_min_low"][m] - error <= low <= table["lambda_min_high"][m] + error
                assert table["lambda_min"][m] == pytest.approx(low, rel=1e-3, abs=2 * error)
            assert table["lambda_max_low"][m] - error <= high <= table["lambda_max_high"][m] + error
            assert table["lambda_max"][m] == pytest.approx(high, rel=1e-3)
            assert table["log10_cond_low"][m] <= table["log10_cond"][m]
            ends = interval("log10_cond", {name: column[m] for name, column in table.items()}, len(gram))
            assert ends[0] <= table["log10_cond"][m] <= ends[1]
        for m, (w, then) in enumerate(zip(weights, initial, strict=True), start=1):
            for column, matrix in (("weight_norm", w), ("weight_distance", w - then)):
                norm = float(torch.linalg.matrix_norm(matrix, 2))
                assert norm <= table[f"{column}_high"][m] * (1 + 1e-12)
                assert 0.9 * norm <= table[column][m] <= norm * (1 + 1e-5)
            assert table["weight_norm_high"][m] <= 1.1 * float(torch.linalg.matrix_norm(w, 2))
            assert table["weight_distance_high"][m] <= float((w - then).norm()) * (1 + 1e-4)


@pytest.mark.parametrize("name", RUNS)
def test_the_bounds_of_eq_13_are_below_what_dense_norms_give_and_close_to_it_where_they_say_something(
    name: str,
) -> None:
    rows = along_a_run(**RUNS[name])
    for record, features, _ in rows[1:]:
        table = record.layers
        for m, a in enumerate(features):
            then, width = rows[0][1][m], a.shape[1]
            least = float(torch.linalg.eigvalsh(then @ then.T / width)[0]) if len(a) <= width else 0.0
            change = float(torch.linalg.matrix_norm(a @ a.T - then @ then.T, 2)) / width
            features_change = float(torch.linalg.matrix_norm(a - then, 2)) / math.sqrt(width)
            op, by_features = least - change, max(math.sqrt(max(least, 0.0)) - features_change, 0.0) ** 2
            slack = 1e-10 * max(1.0, float((a * a).sum()) / width)
            assert table["eq13_op"][m] <= op + slack
            assert table["eq13_features_op"][m] <= by_features + slack
            if op > 0.0:
                assert (
                    least - table["eq13_op"][m] <= 1.06 * change + 0.01 * least + slack
                )  # λ_min(0) is certain to .5 %
            if by_features > slack:
                bound = math.sqrt(least) - math.sqrt(table["eq13_features_op"][m])
                assert (
                    bound <= 1.06 * features_change + 0.01 * math.sqrt(least) + slack
                    or table["eq13_features_op"][m] == 0.0
                )
            assert table["eq13_op"][m] >= table["eq13_fro"][m]
            assert table["eq13_features_op"][m] >= table["eq13_features"][m] >= table["eq13_weights"][m]
            assert table["eq13_weights"][m] <= float(torch.linalg.eigvalsh(a @ a.T / width)[0]) + slack


def test_a_run_that_diverges_has_bounds_until_its_numbers_overflow() -> None:
    rows = along_a_run(width=120, depth=4, examples=130, steps=30, lr=3e3, loss="mse_logits", dtype="float32")
    assert not math.isfinite(rows[-1][0].values.get("loss", math.nan)) or rows[-1][0].events
    for record, features, weights in rows[:-1]:
        for m, w in enumerate(weights, start=1):
            norm = float(torch.linalg.matrix_norm(w, 2))
            assert not record.layers["weight_norm_high"][m] < norm
        for m, a in enumerate(features):
            high = float(torch.linalg.eigvalsh(a @ a.T / a.shape[1])[-1])
            assert not record.layers["lambda_max_high"][m] < high * (1 - rounding(a.shape[1]))


def test_parameters_have_moved_from_where_they_began_and_not_from_zero() -> None:
    case = small("tanh", bias=True)  # whose biases are not 0 to begin with
    measures, began = begun(LayerMeasures(), case), case.flat()
    for _ in range(3):
        found = case.training_pass()
        row = row_of(found)
        distance = measured(measures, row).values["distance_init"]
        assert distance == pytest.approx(float((case.flat() - began).norm()), rel=1e-12)
        measures.after(row)
        measures.before_update(1.0)
        update(case, found, 1.0)


@pytest.mark.parametrize("n", [40, 150])
def test_what_is_carried_is_all_that_is_needed(n: int) -> None:
    case = small("tanh", n=n, d=30, width=160, depth=4)
    measures, again = begun(LayerMeasures(), case), begun(LayerMeasures(), case)
    before = row_of(case.training_pass())
    for k in range(6):
        found = case.training_pass()
        row = row_of(found)
        if k == 3:
            again.restore(measures.state(), before)
        table = measured(measures, row).layers
        if k == 0 or k > 2:
            other = row_of(found)
            for name, column in measured(again, other).layers.items():
                np.testing.assert_array_equal(column, table[name], err_msg=name)
        for each in (measures, again):
            each.after(row)
            each.before_update(1e-2)
        update(case, found, 1e-2)
        before = row
