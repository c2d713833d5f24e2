"""On a GPU: the numbers of the CPU, the same bits every time, and few waits for the device."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from benchmarks.cuda import waits_for_device
from engine import RunConfig, Trainer
from engine.record import StepRecord
from tests.closed_form.cases import observe
from tests.closed_form.problems import CASES, WITHOUT_PRODUCTS

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device here")

SMALL = {"width": 150, "depth": 5, "examples": 140, "steps": 6, "data": "gaussian", "lr": 0.05, "device": "cuda"}
# Differences of nearly equal numbers.
LOOSER = {"smoothness_step": 1e-5, "generalization_gap": 1e-6, "lemma12_lambda_min": 1e-8}
# What is iterated stops elsewhere, where products are queued: it is compared with its own residual, and what is
# computed from it not at all.
ITERATED = {"ntk_lambda_min", "ntk_lambda_max", "smoothness_hessian", "smoothness_ggn"}
FOLLOWING = ("ntk_", "smoothness_hessian", "predicted_lemma1", "ratio_lemma1", "radius_bound", "lemma13")
TIMES = {"step_seconds", "measure_seconds", "layers_seconds", "curvature_seconds", "kernel_seconds"}


def rows(**changes: object) -> list[StepRecord]:
    return list(Trainer(RunConfig(**(SMALL | changes))).run())  # type: ignore[arg-type]


@pytest.mark.parametrize("case", CASES)
def test_in_float64_every_metric_of_every_row_is_that_of_the_cpu(case: str) -> None:
    measure = "core" if case in WITHOUT_PRODUCTS else "all"
    here, there = (observe(CASES[case], measure=measure, device=device).records for device in ("cpu", "cuda"))
    wrong = []
    for row, other in zip(here, there, strict=True):
        assert set(row.values) == set(other.values)
        for name in set(row.values) - TIMES:
            value, expected = other.values[name], row.values[name]
            tolerance = LOOSER.get(name, 1e-7)
            if name in ITERATED:
                tolerance = 0.3
            elif name.startswith(FOLLOWING):
                continue
            if not math.isclose(value, expected, rel_tol=tolerance, abs_tol=1e-10):
                wrong.append(f"{name} at {row.step}: {value} on the GPU, {expected} on the CPU")
        assert set(row.layers) == set(other.layers)
        for name, column in row.layers.items():
            scale = 1e-10 * max(1.0, float(np.nanmax(row.layers.get("lambda_max", np.ones(1)))))
            if not np.allclose(other.layers[name], column, rtol=1e-7, atol=scale, equal_nan=True):
                wrong.append(f"{name} at {row.step}: {other.layers[name]} on the GPU, {column} on the CPU")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("changes", [{}, {"activation": "tanh", "renormalize": True, "bias": True}])
def test_equal_configurations_give_bit_identical_rows(changes: dict[str, object]) -> None:
    for first, second in zip(rows(**changes), rows(**changes), strict=True):
        assert {k: v for k, v in first.values.items() if k not in TIMES} == {
            k: v for k, v in second.values.items() if k not in TIMES
        }
        for name, values in first.layers.items():
            np.testing.assert_array_equal(values, second.layers[name])


@pytest.mark.parametrize("measure", ["none", "core", "all"])
def test_rows_that_are_replayed_as_graphs_have_the_bits_of_rows_that_are_called(measure: str) -> None:
    config = RunConfig(**(SMALL | {"measure": measure, "steps": 9}))  # type: ignore[arg-type]
    replayed, called = Trainer(config), Trainer(config, recorder=None)
    for one, other in zip(replayed.run(), called.run(), strict=True):
        assert not [event.message for event in one.events if event.kind == "notice"]
        assert {k: v for k, v in one.values.items() if k not in TIMES} == {
            k: v for k, v in other.values.items() if k not in TIMES
        }
        for name, values in one.layers.items():
            np.testing.assert_array_equal(values, other.layers[name])
    pairs = zip(replayed.model.parameters.values(), called.model.parameters.values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_training_is_bit_identical_whatever_is_measured() -> None:
    everything, core, none = rows(measure="all"), rows(measure="core"), rows(measure="none")
    for name in ("loss", "accuracy", "grad_norm"):
        for others in (core, none):
            assert [r.values[name] for r in others] == [r.values[name] for r in everything]


@pytest.mark.parametrize("measure", ["none", "core", "all"])
def test_a_row_waits_for_the_device_once(measure: str) -> None:
    running = Trainer(RunConfig(**(SMALL | {"measure": measure})))  # type: ignore[arg-type]
    for _ in range(6):  # what is followed is found from nothing at first
        running.observe()
        running.advance()
    with waits_for_device() as waits:
        running.observe()
        running.advance()
    assert len(waits) <= 1, waits
