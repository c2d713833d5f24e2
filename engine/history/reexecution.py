"""Executing a recorded run again: the same data, threads and device, and a way to any of its rows.

The way starts at the newest checkpoint that is not later than the row, or where the run began.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from engine.config import RunConfig, is_data_file
from engine.data import DataSet
from engine.device.threads import recorded_threads, use_threads
from engine.errors import DataError, SessionError
from engine.history.checkpoint import Checkpoint, put_back, take
from engine.history.encoding import read_checkpoint
from engine.history.measured_otherwise import begun_anew, measured_otherwise
from engine.history.row_differences import Difference, differences
from engine.measure.schedule import work_of
from engine.paths import shell_path
from engine.record import StepRecord
from engine.session.recorded import RecordedRow, RecordedRun
from engine.training.trainer import Trainer

# A checkpoint whose loss is that far from its row's is not of this run; another machine's rounding is far closer.
_FOREIGN = 1e-2


def prepare(recorded: RecordedRun, *, measure: bool = True, data: DataSet | None = None) -> Trainer:
    """A trainer at the place where a recorded run began, which has observed nothing yet.

    Args:
        recorded: The run.
        measure: Whether rows are measured as they were; training is the same either way.
        data: Its data set if it is at hand already.

    Returns:
        The trainer, on as many threads as the run had, where that can be.

    Raises:
        DataError: The data are not those that the run was recorded on.
        SessionError: What the run began from is not in the session.
    """
    # Sums are split by thread, and rounded accordingly.
    counts = recorded_threads(recorded.meta)
    if counts is not None:
        use_threads(counts)
    try:
        trainer = Trainer(_here(recorded, measure=measure), data)
    except DataError as error:
        raise DataError(error.message, _of_data(recorded)) from None
    expected = recorded.meta.get("data_fingerprint")
    if expected is not None and trainer.data.fingerprint != expected:
        raise DataError(
            f"The data are not those that {recorded.name} was recorded on: {trainer.data.name} has fingerprint"
            f" {trainer.data.fingerprint[:12]}, recorded is {expected[:12]}.",
            _of_data(recorded),
        )
    if recorded.origin > 0:
        start = read_checkpoint(recorded.reader, recorded.origin, trainer)
        trainer.begin_at(start.step, start.parameters)
    return trainer


def _of_data(recorded: RecordedRun) -> str:
    """The way out where a run's data are not there, or others are."""
    if is_data_file(recorded.config.data):
        other = f"`wnt-tui branch {shell_path(recorded.reader.path)} --step 0 --data FILE` begins on others"
        return f"Put the data of the run at {recorded.config.data}; {other}."
    if recorded.meta.get("data", recorded.config.data) in {"auto", "cifar10"}:
        return "WNT_DATA_DIR says where CIFAR-10 lies, `wnt-tui data download cifar10` gets it."
    return "The libraries that make these data are others now; `pip install -c constraints.txt .` gets the tested ones."


@dataclass(slots=True)
class Rerun:
    """A recorded run under way again.

    Attributes:
        recorded: What was recorded.
        trainer: At ``trainer.step``, whose row has been observed unless nothing has been yet.
        beginning: The row that the run began with, of a branch that of the step which stands for initialisation; None
            as long as it has not been executed again.
    """

    recorded: RecordedRun
    trainer: Trainer
    beginning: StepRecord | None = None

    def observe(self) -> tuple[StepRecord, list[Difference]]:
        """Observe the current row as it was observed then; return it, and what differs if it is recorded."""
        # Every row that is executed again comes through here. What a row measured may have been decided by the clock,
        # or by where the run was to end: the recorded row says it.
        trainer, recorded = self.trainer, self.recorded
        if not recorded.first <= trainer.step <= recorded.last:
            # What a branch begins from is in no session: nobody would have its whole spectra.
            return trainer.observe(spectra=False if trainer.step < recorded.first else None), []
        row = recorded.row(trainer.step)
        trainer.set_lr(recorded.lr_leaving(row.step))
        record = trainer.observe(recorded=work_of(row.values, spectra=bool(row.spectra)))
        self._hand_over(row)
        self._set_coming_lr()
        return record, differences(row, record, training_only=trainer.config.measure != recorded.config.measure)

    def begin(self) -> list[Difference]:
        """Observe the row that the run began with, be at the session's first row, and return what differs there."""
        self.beginning, found = self.observe()
        first = self.recorded.first
        if first > self.trainer.step:
            return self.restore(read_checkpoint(self.recorded.reader, first, self.trainer))
        return found

    def restore(self, checkpoint: Checkpoint) -> list[Difference]:
        """Go to a checkpoint; return what differs there in training. A SessionError where it is not of this run."""
        self.trainer.set_lr(self.recorded.lr_leaving(checkpoint.step))
        try:
            record = put_back(self.trainer, checkpoint)
        except (LookupError, TypeError, ValueError) as error:
            raise SessionError(f"The checkpoint of step {checkpoint.step} does not fit its run: {error}.") from None
        row = self.recorded.row(checkpoint.step)
        self._hand_over(row)
        self._set_coming_lr()
        found = differences(row, record, training_only=True)
        if any(difference.relative > _FOREIGN for difference in found if difference.metric != "accuracy"):
            raise SessionError(f"The checkpoint of step {checkpoint.step} is not of this run: {found[0]}.")
        return found

    def nearest(self, step: int, after: int = -1) -> Checkpoint | None:
        """The newest checkpoint in the session, after a step, from which a step can be reached, or None."""
        # One that does not fit the run is passed over.
        reader = self.recorded.reader
        least = max(self.recorded.origin + 1, self.recorded.first, after + 1)
        for candidate in reversed([at for at in reader.checkpoints() if least <= at <= step]):
            try:
                found = read_checkpoint(reader, candidate, self.trainer)
            except SessionError:
                continue
            if found.carried is not None:
                return found
        return None

    def seek(self, step: int, progress: Callable[[int], None] = lambda _step: None) -> list[Difference]:
        """Go to a recorded row by the shortest way from where the run began; return what differs on it."""
        self.recorded.require(step)
        found = self.begin()
        checkpoint = self.nearest(step)
        if checkpoint is not None and checkpoint.step > self.trainer.step:
            found = self._restored_or_not(checkpoint, found)
        while self.trainer.step < step:
            progress(self.trainer.step)
            found += self.forward()[1]
        return found

    def forward(self) -> tuple[StepRecord, list[Difference]]:
        """Train one step; return the row it leads to, and what differs. A SessionError where the run diverges."""
        if self.trainer.diverged:
            raise SessionError(f"{self.recorded.name} diverges at step {self.trainer.step}: nothing comes after it.")
        self.trainer.advance()
        return self.observe()

    def _restored_or_not(self, checkpoint: Checkpoint, found: list[Difference]) -> list[Difference]:
        """Use a checkpoint if it is the run's; else go the long way, from the beginning."""
        try:
            return found + self.restore(checkpoint)
        except SessionError:
            self.trainer = prepare(self.recorded, measure=self.trainer.config.measure != "none", data=self.trainer.data)
            return self.begin()

    def _hand_over(self, row: RecordedRow) -> None:
        """Have measurements begin anew after a row that is the last of a version that measured otherwise."""
        follows = self.recorded.version(row.step + 1)
        if self.trainer.diverged or measured_otherwise(row.version).keys() <= measured_otherwise(follows).keys():
            return
        here = take(self.trainer)
        assert here.carried is not None
        put_back(self.trainer, replace(here, carried=begun_anew(here.carried, row)))

    def _set_coming_lr(self) -> None:
        if self.trainer.step == self.recorded.last:
            self.trainer.set_lr(self.recorded.lr_in_force())


def _here(recorded: RecordedRun, *, measure: bool) -> RunConfig:
    """The configuration with what ``auto`` meant then; the device may be another one here, which shows."""
    config, meta = recorded.config, recorded.meta
    changes: dict[str, str] = {}
    if config.data == "auto" and meta.get("data") in {"cifar10", "digits"}:
        changes["data"] = meta["data"]
    if meta.get("device", "").startswith("cpu"):
        changes["device"] = "cpu"
    if config.kernel == "auto" and config.measure == "all" and (steps := recorded.reader.spectra_steps()):
        formed = any(("K", None) in recorded.reader.spectra_at(step) for step in {steps[0], steps[-1]})
        changes["kernel"] = "dense" if formed else "products"
    if not measure:
        changes["measure"] = "none"
    return replace(config, **changes)  # type: ignore[arg-type]  # names and values are RunConfig's own
