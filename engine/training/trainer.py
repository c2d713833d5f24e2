"""Full-batch gradient descent, one row at a time.

Row k describes θ_k before the update to θ_{k+1}. The pass that yields the gradient is the pass that every measurement
reads; measuring never touches the parameters, so that training is bit-identical whatever is measured.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from engine.config import RunConfig
from engine.data import DataSet, load
from engine.device.resolve import make_deterministic, resolve_device
from engine.device.stopwatch import Stopwatch
from engine.device.transfer import Transfer
from engine.errors import ConfigError
from engine.measure.base import Measurement, RowContext, State
from engine.measure.observer import Observer
from engine.measure.row_norms import squared_norm
from engine.measure.schedule import Work
from engine.measure.standard import standard
from engine.model import loss as losses
from engine.model.base import Model
from engine.model.mlp import DTYPES, initialise
from engine.model.training_pass import LossNumbers, TrainingPass
from engine.record import Event, StepRecord


class Trainer:
    """One run: data, network, its training and its measurements.

    As a library: ``for record in Trainer(RunConfig(width=200)).run(): print(record["loss"])``. For control between
    steps call :meth:`observe` and :meth:`advance` in turn.

    Args:
        config: What to run.
        data: A data set to use instead of loading ``config.data``.
        model: A model to train instead of the fully connected network of the configuration, on the run's device and in
            its precision.
        measurements: What is measured instead of the configuration's measurement set, which is
            ``standard(config.measure)``. They serve one run only.

    Raises:
        DataError: The data cannot be had.
        DeviceError: The device cannot be used.
    """

    def __init__(
        self,
        config: RunConfig,
        data: DataSet | None = None,
        model: Model | None = None,
        measurements: Sequence[Measurement] | None = None,
    ) -> None:
        make_deterministic()
        self.config = config
        self.resolved = resolve_device(config.device)
        self.data = data = load(config) if data is None else data
        self.device = self.resolved.device
        dtype = DTYPES[config.dtype]
        self._train, self._test = (
            (torch.as_tensor(x).to(self.device, dtype), torch.as_tensor(y).to(self.device))
            for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test))
        )
        self.model: Model = model or initialise(config, data.inputs, data.classes, self.device)
        self.step = self._origin = 0
        self.lr = self._row_lr = config.lr
        self.diverged = False
        chosen = standard(config.measure) if measurements is None else measurements
        self._observer = Observer(config, self.model, chosen)
        self._gradients: dict[str, Tensor] | None = None
        self._updating = Stopwatch(self.device)
        self._training_seconds = 0.0  # since the row measured last, as far as it is known

    @property
    def observed(self) -> bool:
        """Whether the row of the current step has been observed, so that :meth:`advance` may follow."""
        return self._gradients is not None

    def begin_at(self, step: int, parameters: Sequence[Tensor]) -> None:
        """Begin at θ of another step, which then stands for θ_0; ConfigError where something has been observed."""
        if self.observed or self.step != self._origin:
            raise ConfigError("A run that is under way cannot begin somewhere else.")
        self._load(parameters)
        self.step = self._origin = step

    def carried(self) -> State:
        """The state that measuring hands on from the row observed last to the next; tensors are not copied."""
        return self._observer.carried()

    def restore(self, step: int, parameters: Sequence[Tensor], carried: State) -> StepRecord:
        """To the state after the row of a step, given θ of that row and what :meth:`carried` gave after it.

        Returns:
            Loss, accuracy and gradient norm as the pass at θ gives them: those of the row, if θ is right.

        Raises:
            ConfigError: This trainer has not observed its first row, with which later rows are compared.
            LookupError, TypeError, ValueError: What is carried does not fit the run.
        """
        if not self.observed and self.step == self._origin:
            raise ConfigError(f"Step {self._origin} has not been observed.", "Call observe() first.")
        self._observer.before_update(self._row_lr)  # keeps θ_0 where that has not been done yet
        self._load(parameters)
        current = self._pass(Transfer())
        self._observer.restore(carried, RowContext(step, self.data, current, Transfer()))
        self._gradients, self._updating, self.step = current.gradients, Stopwatch(self.device), step
        self._row_lr = self.lr
        self.diverged = not current.is_finite
        return StepRecord(step, _training_values(current), {})

    def _load(self, parameters: Sequence[Tensor]) -> None:
        for parameter, value in zip(self.model.parameters.values(), parameters, strict=True):
            parameter.copy_(value)

    def set_lr(self, lr: float) -> None:
        """Change the rate of the rows that are observed or restored from now on; ConfigError for a bad one."""
        self.lr = replace(self.config, lr=lr).lr

    def observe(self, *, final: bool = False, spectra: bool = False, recorded: Work | None = None) -> StepRecord:
        """Run the pass at θ_k and measure it: row k.

        Args:
            final: Whether no update is planned to follow, which has everything measured, whole spectra too.
            spectra: Whether it records whole spectra, also where the configuration does not ask for them.
            recorded: What the row measured where it has been recorded before; None leaves that to the configuration.

        Returns:
            The row. ``self.diverged`` is set when the loss or its gradient is not finite.

        Raises:
            ConfigError: The row of this step has been observed already.
        """
        if self._gradients is not None:
            raise ConfigError(f"Step {self.step} has been observed already.", "Call advance() first.")
        began = time.perf_counter()
        # All of a row's work on the device is queued before anything is read: the first number waits for all of it.
        transfer = Transfer()
        first = self.step == self._origin
        work = self._observer.work(
            self._training_seconds,
            regular=first or self.step % self.config.every == 0,
            whole=first or final,
            spectra=spectra or first or final or self._records_spectra(),
            recorded=recorded,
        )
        row = RowContext(self.step, self.data, transfer=transfer, first=first, work=work)
        self._observer.prepare(row)
        with Stopwatch(self.device) as passing:
            row.pass_made = current = self._pass(transfer)
        with Stopwatch(self.device) as testing:
            if work.measured:
                row.test = self._test_pass(transfer)
        self._observer.launch(row)
        self._gradients = current.gradients
        self.diverged = not current.is_finite
        step_seconds = self._updating.seconds() + passing.seconds()
        self._training_seconds += step_seconds
        row.values |= _training_values(current)
        if self.diverged:  # nothing is left to measure: every quantity would be infinite or undefined
            row.events = (self._divergence(current),)
        elif self._observer.collect(row):
            taken = time.perf_counter() - began - passing.seconds() - testing.seconds()
            self._observer.charge(taken)
            row.values["measure_seconds"] = taken
        row.values["step_seconds"] = step_seconds
        self._row_lr = self.lr
        if not self.diverged:
            row.values["lr"] = self.lr
        if row.work.measured and not self.diverged:
            self._training_seconds = step_seconds
        self._observer.after(row)
        transfer.close()
        # NaN means "not computed" in a record: the divergence event says what was computed and is NaN.
        values = {name: value for name, value in row.values.items() if not math.isnan(value)}
        return StepRecord(self.step, values, row.layers, row.events, row.spectra)

    def advance(self) -> None:
        """Update θ_k to θ_{k+1} with the gradient and the learning rate of the row observed last.

        Raises:
            ConfigError: The current step has not been observed.
        """
        if self._gradients is None:
            raise ConfigError(f"Step {self.step} has not been observed.", "Call observe() first.")
        with Stopwatch(self.device) as self._updating:
            self._observer.before_update(self._row_lr)
            for name, gradient in self._gradients.items():
                self.model.parameters[name].add_(gradient, alpha=-self._row_lr)
        self._gradients = None
        self.step += 1

    def run(self) -> Iterator[StepRecord]:
        """Train for ``config.steps`` updates.

        Yields:
            Rows 0 … ``config.steps``, or until the run diverges: the diverged row is the last.
        """
        while True:
            final = self.step >= self.config.steps
            yield self.observe(final=final)
            if final or self.diverged:
                return
            self.advance()

    def _records_spectra(self) -> bool:
        every = self.config.spectra_every
        return every is not None and self.step % every == 0

    def _pass(self, transfer: Transfer) -> TrainingPass:
        x, y = self._train
        run = self.model.forward(x)
        loss = losses.evaluate(self.config.loss, run.logits, y)
        signals = run.backward(loss.gradient.to(x.dtype))
        gradients = run.gradients(signals)
        squares = torch.stack([squared_norm(gradient) for gradient in gradients.values()])
        numbers = [loss.values.mean(), _accuracy(run.logits, y), loss.values.max(), squares.sum()]
        arriving = transfer.add(torch.cat([torch.stack(numbers), squares.sqrt()]))
        return TrainingPass(arriving, run, loss, signals, gradients)

    def _test_pass(self, transfer: Transfer) -> LossNumbers | None:
        x, y = self._test
        if x.shape[0] == 0:
            return None
        output = self.model.logits(x)
        rows = losses.evaluate(self.config.loss, output, y).values
        return LossNumbers(transfer.add(torch.stack([rows.mean(), _accuracy(output, y), rows.max()])))

    def _divergence(self, current: TrainingPass) -> Event:
        what = "loss" if not math.isfinite(current.loss) else "gradient"
        number = current.loss if what == "loss" else current.grad_norm
        return Event(
            self.step,
            "diverged",
            f"Diverged at step {self.step}: the {what} is {number}.",
            data={"loss": str(current.loss), "grad_norm": str(current.grad_norm)},
        )


def _training_values(current: TrainingPass) -> dict[str, float]:
    return {"loss": current.loss, "accuracy": current.accuracy, "grad_norm": current.grad_norm}


def _accuracy(output: Tensor, labels: Tensor) -> Tensor:
    return (output.argmax(dim=1) == labels).to(torch.float64).mean()
