"""No inequality is reported where nothing is wrong, over many small settings and diverging runs; a wrong number is."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine import RunConfig, Trainer
from engine.measure.violations import Violations
from engine.record import Event, StepRecord
from engine.theory.inequality import Row
from tests.closed_form.functions import NAMES

SIDE = 12
CLASSES = 10

# n below, near and above the width, both activations, the three losses, renormalised or not.
NETWORKS = [
    {"width": 16, "depth": 3, "examples": 40, "activation": "relu", "loss": "mse", "measure": "core"},
    {"width": 64, "depth": 4, "examples": 80, "activation": "relu", "loss": "mse", "measure": "core"},
    {"width": 66, "depth": 3, "examples": 36, "activation": "tanh", "loss": "mse_logits"},
    {"width": 40, "depth": 3, "examples": 40, "activation": "tanh", "loss": "cross_entropy", "renormalize": True},
    {"width": 40, "depth": 4, "examples": 30, "activation": "relu", "loss": "mse_logits", "renormalize": True},
    {"width": 36, "depth": 4, "examples": 34, "activation": "tanh", "loss": "mse"},
]
FULL_SIZE = [
    {"width": 64, "depth": 4, "examples": 200, "activation": "relu", "loss": "mse", "measure": "core"},
    {"width": 16, "depth": 3, "examples": 40, "activation": "relu", "loss": "mse"},
    {"width": 64, "depth": 4, "examples": 50, "activation": "tanh", "loss": "mse_logits"},
    {"width": 100, "depth": 3, "examples": 100, "activation": "tanh", "loss": "cross_entropy", "renormalize": True},
    {"width": 80, "depth": 5, "examples": 60, "activation": "relu", "loss": "mse_logits", "renormalize": True},
    {"width": 150, "depth": 4, "examples": 140, "activation": "tanh", "loss": "mse"},
]

# Losses that leave every bound behind, or jump about without leaving float32.
DIVERGING = [
    {"width": 100, "depth": 4, "examples": 50, "lr": 50.0, "loss": "mse_logits"},
    {"width": 100, "depth": 4, "examples": 50, "lr": 10.0, "loss": "mse_logits", "measure": "core"},
    {"width": 32, "depth": 4, "examples": 30, "lr": 1.0, "loss": "mse_logits", "activation": "tanh"},
    {"width": 66, "depth": 4, "examples": 36, "lr": 1e3, "loss": "mse"},
    {"width": 40, "depth": 4, "examples": 36, "lr": 1e3, "loss": "cross_entropy", "activation": "tanh"},
    {"width": 40, "depth": 4, "examples": 36, "lr": 50.0, "loss": "mse_logits", "activation": "tanh",
     "renormalize": True},
    {"width": 80, "depth": 4, "examples": 36, "lr": 0.2, "loss": "mse_logits"},
    {"width": 66, "depth": 4, "examples": 36, "lr": 1e5, "loss": "cross_entropy", "renormalize": True},
    {"width": 70, "depth": 4, "examples": 60, "lr": 5.0, "loss": "mse_logits", "bias": True, "dtype": "float64"},
    {"width": 70, "depth": 3, "examples": 40, "lr": 0.05, "loss": "mse_logits", "bias": True},
]  # fmt: skip

NEIGHBOURS = [
    {"examples": 1},
    {"examples": 2, "bias": True},
    {"depth": 2},
    {"depth": 2, "bias": True, "examples": 80},
    {"dtype": "float64"},
    {"dtype": "float64", "bias": True, "renormalize": True},
    {"width": 1, "examples": 5},
    {"every": 2},
]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Colour images whose power falls with frequency, as that of photographs does."""
    generator = np.random.default_rng(0)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE))) * SIDE
    spectrum = generator.standard_normal((420, 3, SIDE, SIDE)) / np.maximum(frequency, 1.0)
    fields = np.real(np.fft.ifft2(np.fft.fft2(spectrum) / np.maximum(frequency, 1.0)))
    fields = (fields - fields.mean()) / fields.std()
    pixels = np.clip(120 + 60 * fields, 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
    labels = generator.integers(0, CLASSES, len(pixels))
    path: Path = tmp_path_factory.mktemp("data") / "images.npz"
    np.savez(path, x_train=pixels[:320], y_train=labels[:320], x_test=pixels[320:], y_test=labels[320:])
    return str(path)


def alarms(**options: object) -> list[Event]:
    """What a run reports of the ledger."""
    config = RunConfig(**({"test_examples": 10, "device": "cpu"} | options))  # type: ignore[arg-type]
    return [event for record in Trainer(config).run() for event in record.events if "left" in event.data]


@pytest.mark.parametrize("network", NETWORKS)
def test_small_settings_raise_no_alarm(network: dict[str, object], images: str) -> None:
    for data, center, seed in itertools.product(["digits", images], [True, False], [0, 1]):
        found = alarms(steps=3, data=data, center=center, seed=seed, **network)
        assert not found, (data, center, seed, found[0].message)


@pytest.mark.slow
@pytest.mark.parametrize("network", FULL_SIZE)
def test_settings_of_full_size_raise_no_alarm(network: dict[str, object], images: str) -> None:
    for data, center, seed in itertools.product(["digits", images], [True, False], [0, 1]):
        found = alarms(steps=12, data=data, center=center, seed=seed, **network)
        assert not found, (data, center, seed, found[0].message)


@pytest.mark.parametrize("network", DIVERGING)
def test_runs_that_diverge_raise_no_alarm(network: dict[str, object], images: str) -> None:
    for data in ("digits", images):
        found = alarms(steps=8, data=data, **network)
        assert not found, (data, found[0].message)


@pytest.mark.parametrize("options", NEIGHBOURS)
def test_extreme_shapes_precisions_and_biases_raise_no_alarm(options: dict[str, object], images: str) -> None:
    for data, activation in itertools.product(["digits", images], NAMES):
        known = {"width": 70, "depth": 3, "examples": 40, "steps": 3, "center": False} | options
        assert not alarms(data=data, activation=activation, loss="mse_logits", **known)


def rows(images: str) -> Iterator[tuple[StepRecord, Row]]:
    config = RunConfig(width=64, depth=3, examples=40, steps=2, center=False, data=images, loss="mse_logits",
                       activation="tanh", lr=1e-4, test_examples=10, device="cpu")  # fmt: skip
    before: dict[str, float] = {}
    for record in Trainer(config).run():
        yield record, Row(config, record.values, record.layers, before)
        before = dict(record.values)


@pytest.mark.parametrize("wrong", ["eq13_op", "eq13_fro", "gersh_lower", "gersh_upper", "lambda_min", "lambda_max"])
def test_a_wrong_number_of_a_layer_breaks_a_theorem_and_is_reported(wrong: str, images: str) -> None:
    *_, (_, row) = rows(images)
    true = row.layers[wrong][1]
    larger = wrong in {"eq13_fro", "gersh_lower", "lambda_max"}
    column = np.array(row.layers[wrong])
    # Beyond what is compared with it: never a matter of a few roundings.
    column[1] = true + (1.0 if larger else -1.0) * 2.0 * float(row.layers["gersh_upper"][1])
    changed = dict.fromkeys((wrong, f"{wrong}_low", f"{wrong}_high"), column)
    events = Violations().check(2, Row(row.config, row.values, dict(row.layers) | changed, row.before))
    assert any(event.kind == "violation" and event.data["kind"] == "theorem" for event in events)
    assert any("a theorem, so this is a bug" in event.message for event in events)


def test_both_sides_of_what_failed_are_written_so_that_they_differ(images: str) -> None:
    *_, (_, row) = rows(images)
    column = np.array(row.layers["gersh_upper"])
    column[1] = math.nextafter(float(row.layers["lambda_max"][1]), -math.inf) * (1 - 1e-9)
    (event,) = Violations().check(2, Row(row.config, row.values, dict(row.layers) | {"gersh_upper": column}))
    left, right = event.message.split(" fails: ")[1].split(" by ")[0].split(" exceeds ")
    assert left != right
