"""Full-batch gradient descent, one row at a time.

Row k describes θ_k before the update to θ_{k+1}. The pass that yields the gradient is the pass that every measurement
reads; measuring never touches the parameters, so that training is bit-identical whatever is measured.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

from torch import Tensor

from engine.config import RunConfig
from engine.data import DataSet, load
from engine.device.program import Recorder, recorder_of
from engine.device.resolve import make_deterministic, resolve_device
from engine.device.transfer import Transfer
from engine.device.warm_up import begin_warm_up
from engine.errors import ConfigError
from engine.measure.base import Measurement, RowContext, State
from engine.measure.observer import Observer
from engine.measure.schedule import Work
from engine.measure.standard import standard
from engine.model.base import Model
from engine.model.mlp import initialise
from engine.model.training_pass import TrainingPass
from engine.record import Event, StepRecord
from engine.training.row_programs import RowPrograms


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
        recorder: What records rows, so that they are replayed: by default the device's graphs where it has them;
            None calls their operations at every row.

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
        recorder: Recorder | Literal["device"] | None = "device",
    ) -> None:
        make_deterministic()
        self.config = config
        self.resolved = resolve_device(config.device)
        self.device = self.resolved.device
        warming = begin_warm_up(self.device)
        try:
            self.data = data = load(config) if data is None else data
        finally:
            if warming is not None:
                warming.join()
        self.step = self._origin = 0
        self.lr = self._row_lr = config.lr
        self.diverged = False
        trained = model or initialise(config, data.inputs, data.classes, self.device)
        chosen = standard(config.measure) if measurements is None else measurements
        self._observer = Observer(config, trained, chosen)
        self._observed = False
        self._training_seconds = 0.0  # since the row measured last, as far as it is known
        found, self._problem = recorder_of(self.device) if recorder == "device" else (recorder, "")
        self._rows = RowPrograms(config, data, self.device, trained, self._observer, found)
        self._noticed = False

    @property
    def observed(self) -> bool:
        """Whether the row of the current step has been observed, so that :meth:`advance` may follow."""
        return self._observed

    @property
    def model(self) -> Model:
        """The model at θ of the present step."""
        return self._rows.model

    @property
    def spectra_due(self) -> bool:
        """Whether the configuration has the row of the current step record whole spectra, be it the last or not."""
        every = self.config.spectra_every
        return self.step == self._origin or (every is not None and self.step % every == 0)

    def begin_at(self, step: int, parameters: Sequence[Tensor]) -> None:
        """Begin at θ of another step, which then stands for θ_0; ConfigError where something has been observed."""
        if self.observed or self.step != self._origin:
            raise ConfigError("A run that is under way cannot begin somewhere else.")
        self._rows.load(parameters)
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
        self._rows.load(parameters)
        current = self._rows.training_pass(Transfer())
        self._observer.restore(carried, RowContext(step, self.data, current, Transfer()))
        self._rows.take_up(current)
        self.step, self._observed = step, True
        self._row_lr = self.lr
        self.diverged = not current.is_finite
        return StepRecord(step, _training_values(current), {})

    def set_lr(self, lr: float) -> None:
        """Change the rate of the rows that are observed or restored from now on; ConfigError for a bad one."""
        self.lr = replace(self.config, lr=lr).lr

    def observe(self, *, final: bool = False, spectra: bool | None = None, recorded: Work | None = None) -> StepRecord:
        """Run the pass at θ_k and measure it: row k.

        Args:
            final: Whether no update is planned to follow, which has everything measured, whole spectra too.
            spectra: Whether it records whole spectra; None: if it is due, or ``final``.
            recorded: What the row measured where it has been recorded before; None leaves that to the configuration.

        Returns:
            The row. ``self.diverged`` is set when the loss or its gradient is not finite.

        Raises:
            ConfigError: The row of this step has been observed already.
        """
        if self._observed:
            raise ConfigError(f"Step {self.step} has been observed already.", "Call advance() first.")
        began = time.perf_counter()
        first = self.step == self._origin
        work = self._observer.work(
            self._training_seconds,
            regular=first or self.step % self.config.every == 0,
            whole=first or final,
            spectra=final or self.spectra_due if spectra is None else spectra,
            recorded=recorded,
        )
        row = RowContext(self.step, self.data, first=first, work=work, lr=self.lr)
        made = self._rows.make(row)
        current = row.current
        self._observed = True
        self.diverged = not current.is_finite
        step_seconds = self._rows.training_seconds(made)
        self._training_seconds += step_seconds
        row.values |= _training_values(current)
        if self.diverged:  # nothing is left to measure: every quantity would be infinite or undefined
            row.events = (self._divergence(current),)
        elif self._observer.collect(row):
            taken = time.perf_counter() - began - made.recording_seconds - made.seconds()
            self._observer.charge(taken)
            row.values["measure_seconds"] = taken
        row.values["step_seconds"] = step_seconds
        self._row_lr = self.lr
        if not self.diverged:
            row.values["lr"] = self.lr
        if row.work.measured and not self.diverged:
            self._training_seconds = step_seconds
        self._observer.after(row)
        made.close()
        if self._observer.may_update_early and not (final or self.diverged):
            self._rows.make_ahead(RowContext(self.step + 1, self.data), self._row_lr)
        row.events += self._notices()
        # NaN means "not computed" in a record: the divergence event says what was computed and is NaN.
        values = {name: value for name, value in row.values.items() if not math.isnan(value)}
        return StepRecord(self.step, values, row.layers, row.events, row.spectra)

    def advance(self) -> None:
        """Update θ_k to θ_{k+1} with the gradient and the learning rate of the row observed last.

        Raises:
            ConfigError: The current step has not been observed.
        """
        if not self._observed:
            raise ConfigError(f"Step {self.step} has not been observed.", "Call observe() first.")
        self._rows.advance(self._row_lr)
        self._observed = False
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

    def _notices(self) -> tuple[Event, ...]:
        """That a GPU's rows are not replayed, once."""
        problem = self._problem or self._rows.problem
        if not problem or self._noticed:
            return ()
        self._noticed = True
        return (Event(self.step, "notice", f"Rows are not replayed as CUDA graphs, and take longer: {problem}"),)

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
