"""A row is a static program: recorded once and replayed, without any of its Python, it gives the same bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import cuda
from engine import RunConfig, Trainer
from engine.catalogue import CATALOGUE
from engine.device.scheduling import torch_alone
from engine.device.transfer import Arrival
from engine.measure.base import Findings, Measurement, RowContext, tensors_of, with_tensors
from engine.measure.schedule import Work
from engine.measure.standard import standard
from engine.record import StepRecord
from tests.training.replay import ReplayRecorder

SMALL: dict[str, Any] = {"width": 16, "depth": 4, "examples": 10, "test_examples": 6, "steps": 9, "data": "gaussian"}


def rows(
    recorder: ReplayRecorder | None,
    at: Callable[[Trainer, StepRecord], None] = lambda _trainer, _record: None,
    measurements: list[Measurement] | None = None,
    **options: Any,
) -> tuple[list[StepRecord], list[torch.Tensor]]:
    """A run's rows and last parameters; something may be done with the trainer after every row."""
    with torch_alone():
        trainer, found = Trainer(RunConfig(**SMALL | options), measurements=measurements, recorder=recorder), []
        for record in trainer.run():
            found.append(record)
            at(trainer, record)
    return found, [parameter.clone() for parameter in trainer.model.parameters.values()]


def differences(here: list[StepRecord], there: list[StepRecord]) -> list[str]:
    assert [record.step for record in here] == [record.step for record in there]
    found = []
    for one, other in zip(here, there, strict=True):
        for name in one.values.keys() | other.values.keys():
            if CATALOGUE[name].unit != "seconds" and one.values.get(name) != other.values.get(name):
                found.append(f"{one.step} {name}: {one.values.get(name)} {other.values.get(name)}")
        for name in one.layers.keys() | other.layers.keys():
            if not np.array_equal(one.layers[name], other.layers[name], equal_nan=True):
                found.append(f"{one.step} {name}: {one.layers[name]} {other.layers[name]}")
    return found


@pytest.mark.parametrize("measure", ["none", "core", "all"])
@pytest.mark.parametrize(
    "options",
    [
        {"loss": "mse", "activation": "relu"},
        {"loss": "cross_entropy", "activation": "tanh", "renormalize": True, "bias": True},
        {"loss": "mse_logits", "activation": "tanh", "bias": True, "dtype": "float64", "lr": 0.001},
    ],
    ids=lambda options: options["loss"],
)
def test_replayed_rows_have_the_bits_of_rows_that_are_called(measure: str, options: dict[str, Any]) -> None:
    recorder = ReplayRecorder()
    called, parameters = rows(None, measure=measure, **options)
    replayed, others = rows(recorder, measure=measure, **options)
    assert (recorder.refusals, differences(called, replayed)) == ([], [])
    assert all(torch.equal(one, other) for one, other in zip(parameters, others, strict=True))
    assert recorder.replays >= 6


@pytest.mark.parametrize(
    "options",
    [
        {"every": 3},
        {"measure": "core", "test_examples": 0},
        {"kernel": "products"},
        {"data": "digits", "examples": 40, "width": 48},
        {"spectra_every": 4},
    ],
    ids=str,
)
def test_rows_of_different_kinds_are_programs_of_their_own(options: dict[str, Any]) -> None:
    recorder = ReplayRecorder()
    assert not differences(rows(None, **options)[0], rows(recorder, **options)[0])
    assert recorder.replays >= 4


def test_rows_that_make_other_measurements_in_turn_read_their_own_numbers() -> None:
    works = [
        Work(True, frozenset({"layers", "curvature", "kernel"})),
        Work(True, frozenset({"layers"})),
        Work(True, frozenset({"curvature"})),
        Work(False),
    ]

    def in_turn(recorder: ReplayRecorder | None) -> list[StepRecord]:
        with torch_alone():
            trainer, found = Trainer(RunConfig(**SMALL), recorder=recorder), []
            for row in range(20):
                found.append(trainer.observe(recorded=works[row % 4] if row else None))
                trainer.advance()
        return found

    recorder = ReplayRecorder()
    assert not differences(in_turn(None), in_turn(recorder))
    assert recorder.replays >= 8


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_the_libraries_of_the_host_give_the_numbers_of_torch_alone(loss: str) -> None:
    options = SMALL | {"loss": loss, "data": "digits", "examples": 40, "width": 48, "dtype": "float64"}
    alone, _ = rows(None, **options)
    wrong = []
    for one, other in zip(alone, Trainer(RunConfig(**options)).run(), strict=True):
        assert [one.values[name] for name in ("loss", "grad_norm")] == [
            other.values[name] for name in ("loss", "grad_norm")
        ]
        for pair in ((one, other), (other, one)):
            wrong += cuda.differences(*pair, cuda.ITERATED | cuda.LOOSE, cuda.DEFAULT)
    assert not wrong, "\n".join(wrong)


def test_a_new_learning_rate_holds_in_rows_that_are_replayed() -> None:
    def change(trainer: Trainer, record: StepRecord) -> None:
        trainer.set_lr(0.02 if record.step == 4 else trainer.lr)

    called, parameters = rows(None, change)
    replayed, others = rows(ReplayRecorder(), change)
    assert not differences(called, replayed)
    assert all(torch.equal(one, other) for one, other in zip(parameters, others, strict=True))


@pytest.mark.parametrize("measure", ["none", "all"])
def test_a_run_that_is_put_back_replays_the_rows_that_it_had(measure: str) -> None:
    kept: list[Any] = []
    again: list[StepRecord] = []

    def put_back(trainer: Trainer, record: StepRecord) -> None:
        if record.step == 3:
            carried = trainer.carried()
            copies = {path: tensor.clone() for path, tensor in tensors_of(carried).items()}
            parameters = [parameter.clone() for parameter in trainer.model.parameters.values()]
            kept.append((parameters, with_tensors(carried, copies)))
        if record.step == 7 and not again:
            trainer.restore(3, *kept[0])
            for _ in range(4):
                trainer.advance()
                again.append(trainer.observe())

    recorder = ReplayRecorder()
    found, _ = rows(recorder, put_back, measure=measure)
    assert recorder.replays >= 6
    assert not differences(found[4:8], again)


@pytest.mark.parametrize("measure", ["none", "core"])
@pytest.mark.parametrize("after_update", [False, True])
def test_parameters_are_those_of_the_step_whenever_they_are_wanted(measure: str, after_update: bool) -> None:
    def seen(recorder: ReplayRecorder | None) -> tuple[list[float], list[torch.Tensor]]:
        found, parameters = [], []
        with torch_alone():
            trainer = Trainer(RunConfig(**SMALL | {"measure": measure}), recorder=recorder)
            for step in range(50):
                found.append(trainer.observe().values["loss"])
                if after_update:
                    trainer.advance()
                if step in {0, 1, 5, 6, 7, 40}:
                    parameters += [parameter.clone() for parameter in trainer.model.parameters.values()]
                if not after_update:
                    trainer.advance()
        return found, parameters

    (losses, called), (others, replayed) = seen(None), seen(ReplayRecorder())
    assert losses == others
    assert all(torch.equal(one, other) for one, other in zip(called, replayed, strict=True))


class Logits(Measurement):
    """The logits' sum, times a number of the host."""

    name, measured_in = "logits", "none"
    provides = ("predicted_lemma1",)

    def __init__(self, factor: Callable[[RowContext], float]) -> None:
        self._factor = factor

    def launch(self, row: RowContext) -> Arrival:
        return row.transfer.add(row.current.run.logits.sum() * self._factor(row))

    def collect(self, row: RowContext) -> Findings:
        arriving: Arrival = row.launched[self.name]
        return Findings({"predicted_lemma1": arriving.number()})


def with_logits(factor: Callable[[RowContext], float]) -> list[Measurement]:
    return standard("core", Logits(factor))


def test_a_number_of_the_host_that_a_program_reads_stays_as_it_was_when_it_was_recorded() -> None:
    steps, ones = (lambda row: float(row.step)), (lambda _row: 1.0)
    called, _ = rows(None, measurements=with_logits(steps))
    replayed, _ = rows(ReplayRecorder(), measurements=with_logits(steps))
    assert any("predicted_lemma1" in line for line in differences(called, replayed))
    called, _ = rows(None, measurements=with_logits(ones))
    assert not differences(called, rows(ReplayRecorder(), measurements=with_logits(ones))[0])


def test_a_measurement_that_cannot_be_recorded_is_called_and_the_run_says_so_once() -> None:
    def read(row: RowContext) -> float:
        return float(row.current.run.logits.sum())

    called, parameters = rows(None, measurements=with_logits(read))
    recorder = ReplayRecorder()
    found, others = rows(recorder, measurements=with_logits(read))
    assert recorder.refusals
    assert not differences(called, found)
    assert all(torch.equal(one, other) for one, other in zip(parameters, others, strict=True))
    notices = [event.message for record in found for event in record.events if event.kind == "notice"]
    assert len(notices) == 1
    assert "_local_scalar_dense" in notices[0]


def test_a_number_cannot_be_read_after_its_row() -> None:
    kept: list[Arrival] = []

    class Keeping(Logits):
        def collect(self, row: RowContext) -> Findings:
            kept.append(row.launched[self.name])
            return super().collect(row)

    rows(None, measurements=standard("core", Keeping(lambda _row: 1.0)))
    with pytest.raises(RuntimeError, match="after the row"):
        kept[0].array()
