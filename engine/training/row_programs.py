"""Rows on their device: the update that leads to a row and its pass are a program, each measurement is another.

All of a row is queued before any of it is read, and waited for once. Where programs are recorded, the update waits for
the row that it leads to, so that one replay makes one step. A row that measures nothing is even replayed before it is
asked for, while the host is busy with the one before; whoever wants the parameters of that one gets them back.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from engine.config import RunConfig
from engine.data import DataSet
from engine.device.program import Made, Programs, Recorder
from engine.device.stopwatch import Stopwatch
from engine.device.transfer import Arrival, Transfer, Wait
from engine.measure.base import Measurement, RowContext
from engine.measure.observer import Observer
from engine.measure.row_norms import squared_norms, stacked_row_norms
from engine.model import loss as losses
from engine.model.base import Model
from engine.model.training_pass import LossNumbers, TrainingPass
from engine.training.update import RecordedUpdate, update

_SMALL = 1 << 20
_REST = 16
"""After parameters had to be brought back, so many rows are not made ahead: they may be wanted at the next ones too."""


@dataclass(frozen=True, slots=True)
class _Step:
    """What the program of a step leaves: the pass, the test set's, and what its parts take."""

    current: TrainingPass
    test: LossNumbers | None
    norms: Arrival | None
    updating: Stopwatch
    passing: Stopwatch
    testing: Stopwatch


@dataclass(frozen=True, slots=True)
class _Launched:
    """What the program of a measurement leaves: for itself, and by attributes of the row for those after it."""

    found: object
    watch: Stopwatch
    left: Mapping[str, Any]


@dataclass(slots=True)
class _Left:
    """What the measurements of a row have left for those after them.

    Attributes:
        values: By attribute of the row.
        lasting: Whether it lies where it will lie at other rows too.
    """

    values: dict[str, Any] = field(default_factory=dict)
    lasting: bool = True

    def layout(self) -> Hashable:
        """Where tensors lie, and how; None where there is something else, by which no program can be told."""
        found: list[Hashable] = []
        for name, value in self.values.items():
            for tensor in value if isinstance(value, list | tuple) else [value]:
                if not isinstance(tensor, Tensor):
                    return None
                found.append((name, tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride()))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class MadeRow:
    """A row whose operations are queued.

    Attributes:
        step: Its step.
        transfers: By which its numbers come.
        recording_seconds: What recording its programs took.
    """

    step: _Step
    transfers: Sequence[Transfer]
    recording_seconds: float

    def training_seconds(self) -> float:
        """Seconds of update, where the row made it, and pass; the device must have been waited for."""
        return self.step.updating.seconds() + self.step.passing.seconds()

    def seconds(self) -> float:
        """Seconds of all that is no measurement's."""
        return self.training_seconds() + self.step.testing.seconds()

    def close(self) -> None:
        """Nothing of the row will be read any more."""
        for transfer in self.transfers:
            transfer.close()


class RowPrograms:
    """Makes rows.

    Args:
        config: The run's configuration.
        data: Its data.
        device: Where it runs.
        model: What it trains, in place.
        observer: What measures it.
        recorder: What records programs; None calls them.
    """

    def __init__(
        self,
        config: RunConfig,
        data: DataSet,
        device: torch.device,
        model: Model,
        observer: Observer,
        recorder: Recorder | None,
    ) -> None:
        self._loss, self._device, self._model, self._observer = config.loss, device, model, observer
        self._train, self._test = (
            (torch.as_tensor(x).to(device, model.dtype), torch.as_tensor(y).to(device))
            for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test))
        )
        self._targets = [losses.targets(labels, data.classes) for _, labels in (self._train, self._test)]
        self._programs = Programs(recorder)
        self._recording = recorder is not None
        self._gradients: Mapping[str, Tensor] | None = None  # of the last row
        self._update: RecordedUpdate | None = None
        self._due_lr: float | None = None  # of an update that the next row's program makes
        self._updating = Stopwatch(device)
        self._before: list[Tensor] = []  # θ of the row from which the next one was made ahead
        self._ahead: Made[_Step] | None = None
        self._ahead_due = False  # whether the step is that of the row ahead
        self._rest = 0
        self._places: dict[Hashable, Tensor] = {}

    @property
    def problem(self) -> str:
        """Why a program could not be recorded, if one could not."""
        return self._programs.problem

    @property
    def model(self) -> Model:
        """The model at θ of the present step."""
        if self._due_lr is not None and self._gradients is not None:
            update(self._model.parameters, self._gradients, self._due_lr)
            self._due_lr = None
        if self._ahead is not None and not self._ahead_due:
            self._ahead, self._rest = None, _REST
            torch._foreach_copy_(self._parameters, self._before)
            self._keep(self.training_pass(Transfer()).gradients)
        return self._model

    def load(self, parameters: Sequence[Tensor]) -> None:
        """Another θ."""
        self._due_lr, self._ahead, self._ahead_due = None, None, False
        for parameter, value in zip(self._parameters, parameters, strict=True):
            parameter.copy_(value)

    def take_up(self, current: TrainingPass) -> None:
        """Go on from a pass, after which buffers of the measurements may be others."""
        self._programs.forget()
        self._keep(current.gradients)
        self._updating = Stopwatch(self._device)

    def make(self, row: RowContext) -> MadeRow:
        """Make a row, and the update that is due before it; the row is filled with what is queued then."""
        # All of a row's work on the device is queued before anything is read: the first number waits for all of it.
        launching = self._observer.prepare(row)
        row.gradients_before = self._gradients
        ahead = self._ahead is not None
        if self._ahead is not None:
            step, self._ahead, self._ahead_due = self._ahead, None, False
        else:
            lr, self._due_lr = self._due_lr, None
            step = self._step(row, self._step_variant(row, lr), lr)
        row.pass_made, row.test = step.result.current, step.result.test
        row.take_norms(step.result.norms)
        programs: list[Made[Any]] = [step]
        left = _Left()
        for measurement, variant in launching:
            self._renew(row)
            programs.append(self._launch(row, measurement, variant, step.replayed, left))
        self._renew(row)
        if not ahead:
            self._keep(row.current.gradients)
        row.transfer, wait = Transfer(), Wait(self._device)
        for program in programs:
            program.transfer.send(wait)
        transfers = [row.transfer, *(program.transfer for program in programs)]
        return MadeRow(step.result, transfers, sum(program.recording_seconds for program in programs))

    def make_ahead(self, row: RowContext, lr: float) -> None:
        """Queue a row that measures nothing where that is one replay, with the update before it."""
        self._rest = max(self._rest - 1, 0)
        launching = self._observer.prepare(row)
        if not self._recording or self._update is None or self._rest or launching:
            return
        variant = self._step_variant(row, lr)
        if not self._programs.is_recorded("step", variant):
            return
        if not self._before:
            self._before = [torch.empty_like(parameter) for parameter in self._parameters]
        torch._foreach_copy_(self._before, self._parameters)
        self._ahead = self._step(row, variant, lr)
        self._keep(self._ahead.result.current.gradients)

    def advance(self, lr: float) -> None:
        """Update θ by the last row's gradients; the device may do it with the next row, or may have done it already."""
        assert self._gradients is not None, "a row has been made"
        with Stopwatch(self._device) as self._updating:
            self._observer.before_update(lr)
            if not self._recording:
                update(self._model.parameters, self._gradients, lr)
        if self._ahead is not None:
            self._ahead_due = True
        elif self._recording:
            if self._update is None:  # not before: what is measured at initialisation needs no second gradient
                self._update = RecordedUpdate(self._model.parameters)
                self._keep(self._gradients)
            self._due_lr = lr

    def training_seconds(self, made: MadeRow) -> float:
        """Seconds of a row's pass and of the update that led to it; the device must have been waited for."""
        return made.training_seconds() + (0.0 if self._recording else self._updating.seconds())

    def training_pass(self, transfer: Transfer) -> TrainingPass:
        """The pass at the present parameters."""
        x, y = self._train
        run = self._model.forward(x)
        loss = losses.evaluate(self._loss, run.logits, self._targets[0])
        signals = run.backward(loss.gradient.to(x.dtype))
        gradients = run.gradients(signals)
        squares = squared_norms(gradients.values())
        numbers = [loss.values.mean(), _accuracy(run.logits, y), loss.values.max(), squares.sum()]
        arriving = transfer.add(torch.cat([torch.stack(numbers), squares.sqrt()]))
        return TrainingPass(arriving, run, loss, signals, gradients)

    @property
    def _parameters(self) -> list[Tensor]:
        return list(self._model.parameters.values())

    def _step_variant(self, row: RowContext, lr: float | None) -> Hashable:
        rate = self._update.prepare(lr) if self._update is not None and lr is not None else None
        return lr is not None, rate, row.work.measured, self._observer.measures

    def _step(self, row: RowContext, variant: Hashable, lr: float | None) -> Made[_Step]:
        measured, measures = row.work.measured, self._observer.measures

        def make(transfer: Transfer) -> _Step:
            with Stopwatch(self._device) as updating:
                if self._update is not None and lr is not None:
                    self._update.launch(lr)
            with Stopwatch(self._device) as passing:
                current = self.training_pass(transfer)
            with Stopwatch(self._device) as testing:
                test = self._test_pass(transfer) if measured else None
            norms = transfer.add(stacked_row_norms(current.run, current.signals)) if measures else None
            return _Step(current, test, norms, updating, passing, testing)

        return self._programs.run("step", variant, make)

    def _launch(
        self, row: RowContext, measurement: Measurement, variant: Hashable, step: int | None, left: _Left
    ) -> Made[_Launched]:
        """A measurement's program; ``left`` is what those before it have left, and takes in what it leaves."""

        def make(transfer: Transfer) -> _Launched:
            row.transfer = transfer
            before = dict(vars(row))
            with Stopwatch(self._device) as watch:
                found = measurement.launch(row)
            left = {name: of for name, of in vars(row).items() if of is not before[name]}
            return _Launched(found, watch, {name: self._placed(name, of) for name, of in left.items()})

        reads = left.layout() if self._recording else None
        made = self._programs.run(
            measurement.name,
            (variant, row.work.spectra),
            make,
            reads=(step, reads),
            # What is not replayed lies somewhere else at every row. A whole spectrum takes a solver that waits for the
            # device.
            recordable=step is not None and reads is not None and not row.work.spectra,
            lasting=left.lasting,
        )
        launched = made.result
        row.launched[measurement.name] = launched.found
        if measurement.costly:
            row.stopwatches[measurement.name] = launched.watch
        for name, value in launched.left.items():
            setattr(row, name, value)
        left.values |= launched.left
        placed = {id(buffer) for buffer in self._places.values()}
        left.lasting &= made.replayed is not None or all(id(of) in placed for of in launched.left.values())
        return made

    def _placed(self, name: str, value: Any) -> Any:
        """A small tensor that is left, at an address that all variants share: else those that read it had as many."""
        if not self._recording or not isinstance(value, Tensor) or value.nbytes > _SMALL:
            return value
        key = name, value.dtype, value.shape, value.stride()  # strides decide how products with it are rounded
        if key not in self._places:
            self._places[key] = torch.empty_like(value)
        return self._places[key].copy_(value)

    def _renew(self, row: RowContext) -> None:
        """Have a program convert for itself what it wants in another precision, and the host likewise."""
        if self._recording:
            row.current.run.renew()

    def _keep(self, gradients: Mapping[str, Tensor]) -> None:
        """Keep the gradients of a row for the update that follows and for the next row."""
        if self._update is None:
            self._gradients = gradients
        else:
            self._update.keep(gradients)
            self._gradients = self._update.gradients

    def _test_pass(self, transfer: Transfer) -> LossNumbers | None:
        x, y = self._test
        if x.shape[0] == 0:
            return None
        output = self._model.logits(x)
        rows = losses.evaluate(self._loss, output, self._targets[1]).values
        return LossNumbers(transfer.add(torch.stack([rows.mean(), _accuracy(output, y), rows.max()])))


def _accuracy(output: Tensor, labels: Tensor) -> Tensor:
    return (output.argmax(dim=1) == labels).to(torch.float64).mean()
