"""Rows on their device: the update that leads to a row, its pass and its measurements as one program.

Where programs are recorded, the update waits for the row that it leads to, so that one replay makes one row. A row that
measures nothing is even replayed before it is asked for, while the host is busy with the one before; whoever wants the
parameters of that one gets them back.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.config import RunConfig
from engine.data import DataSet
from engine.device.program import Made, Programs, Recorder
from engine.device.stopwatch import Stopwatch
from engine.device.transfer import Transfer
from engine.measure.base import RowContext
from engine.measure.observer import Observer
from engine.measure.row_norms import squared_norms
from engine.model import loss as losses
from engine.model.base import Model
from engine.model.training_pass import LossNumbers, TrainingPass
from engine.training.update import RecordedUpdate, update

_REST = 16
"""After parameters had to be brought back, so many rows are not made ahead: they may be wanted at the next ones too."""


@dataclass(frozen=True, slots=True)
class RowProgram:
    """What making a row's program left: the row that it was made at, and what its parts take.

    Attributes:
        row: The row.
        updating: The update that led to it.
        passing: Its pass.
        testing: The pass of the test set.
    """

    row: RowContext
    updating: Stopwatch
    passing: Stopwatch
    testing: Stopwatch

    def training_seconds(self) -> float:
        """Seconds of update and pass; the device must have been waited for."""
        return self.updating.seconds() + self.passing.seconds()

    def seconds(self) -> float:
        """Seconds of all that is no measurement's."""
        return self.training_seconds() + self.testing.seconds()


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
        self._programs = Programs[RowProgram](recorder)
        self._recording = recorder is not None
        self._gradients: Mapping[str, Tensor] | None = None  # of the last row
        self._update: RecordedUpdate | None = None
        self._due_lr: float | None = None  # of an update that the next row's program makes
        self._updating = Stopwatch(device)
        self._before: list[Tensor] = []  # θ of the row from which the next one was made ahead
        self._ahead: Made[RowProgram] | None = None
        self._ahead_due = False  # whether the step is that of the row ahead
        self._rest = 0

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

    def make(self, row: RowContext) -> Made[RowProgram]:
        """Make a row, and the update that is due before it; the row is filled with what is queued then."""
        # All of a row's work on the device is queued before anything is read: the first number waits for all of it.
        variants = self._observer.prepare(row)
        if self._ahead is not None:
            made, self._ahead, self._ahead_due = self._ahead, None, False
        else:
            lr, self._due_lr = self._due_lr, None
            # A whole spectrum takes a solver that waits for the device.
            made = self._run(self._key(row, variants, lr), row, lr, recordable=not row.work.spectra)
        if made.replayed:
            row.replayed(made.result.row)
        return made

    def make_ahead(self, row: RowContext, lr: float) -> None:
        """Queue a row that measures nothing where that is one replay, with the update before it."""
        self._rest = max(self._rest - 1, 0)
        variants = self._observer.prepare(row)
        if not self._recording or self._update is None or self._rest or variants:
            return
        key = self._key(row, variants, lr)
        if not self._programs.is_recorded(key):
            return
        if not self._before:
            self._before = [torch.empty_like(parameter) for parameter in self._parameters]
        torch._foreach_copy_(self._before, self._parameters)
        self._ahead = self._run(key, row, lr)

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

    def training_seconds(self, made: Made[RowProgram]) -> float:
        """Seconds of a row's pass and of the update that led to it; the device must have been waited for."""
        return made.result.training_seconds() + (0.0 if self._recording else self._updating.seconds())

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

    def _key(self, row: RowContext, variants: Hashable, lr: float | None) -> Hashable:
        rate = self._update.prepare(lr) if self._update is not None and lr is not None else None
        return variants, row.work.measured, row.work.spectra, lr is not None, rate

    def _run(self, key: Hashable, row: RowContext, lr: float | None, *, recordable: bool = True) -> Made[RowProgram]:
        def make(transfer: Transfer) -> RowProgram:
            row.transfer, row.gradients_before = transfer, self._gradients
            with Stopwatch(self._device) as updating:
                if self._update is not None and lr is not None:
                    self._update.launch(lr)
            with Stopwatch(self._device) as passing:
                row.pass_made = self.training_pass(transfer)
            with Stopwatch(self._device) as testing:
                if row.work.measured:
                    row.test = self._test_pass(transfer)
            self._observer.launch(row)
            self._keep(row.current.gradients)
            return RowProgram(row, updating, passing, testing)

        return self._programs.run(key, make, recordable=recordable)

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
