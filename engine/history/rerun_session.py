"""An engine's way back into its own session, and forward again through rows that are there already.

Where the trainer is at a row that the session has, the row is executed again and compared, never written again.
"""

from __future__ import annotations

from engine.errors import SessionError
from engine.history.checkpoint import Checkpoint, take
from engine.history.keyframes import Keyframes
from engine.history.reexecution import Rerun, prepare
from engine.history.row_differences import Difference, damage
from engine.paths import shell_path
from engine.record import StepRecord
from engine.session.reader import SessionReader
from engine.session.recorded import RecordedRun
from engine.session.writer import SessionWriter
from engine.training.trainer import Trainer

_FLUSH_SECONDS = 30.0


class RerunSession:
    """A run that may be anywhere between its first row and its newest, or about to make the next.

    Args:
        trainer: The run, where it began.
        writer: Its session.
        reader: The same session, read.
        keyframes: Where copies along the way are kept.
    """

    def __init__(
        self, trainer: Trainer, writer: SessionWriter, reader: SessionReader, keyframes: Keyframes | None = None
    ) -> None:
        self._writer = writer
        self._rerun = Rerun(RecordedRun(reader), trainer)
        self._keyframes = Keyframes() if keyframes is None else keyframes
        self._notable: Difference | None = None
        self._reported = False
        self.rows_reexecuted = 0

    @property
    def trainer(self) -> Trainer:
        """The run; another object after it was taken back to its beginning."""
        return self._rerun.trainer

    @property
    def behind(self) -> bool:
        """Whether the run is at an earlier row than the session's newest."""
        return self.trainer.step < self._writer.last_step

    @property
    def first(self) -> int:
        """The session's first step, −1 if it has no row yet."""
        return self._rerun.recorded.first

    @property
    def beginning(self) -> StepRecord | None:
        """The row that measurements refer to as the initial one, where it has been executed again; else None."""
        return self._rerun.beginning

    def observe(self, *, final: bool, spectra: bool) -> tuple[StepRecord, bool]:
        """Observe the current row; return it, and whether it is new. A SessionError where it is not as recorded."""
        # Whether whole spectra are due is said for a new row: a recorded one measures what it measured then.
        if self.trainer.step > self._writer.last_step:
            record = self.trainer.observe(final=final, spectra=spectra)
            self.keep()
            return record, True
        record, found = self._rerun.observe()
        self._accept(found)
        self.rows_reexecuted += 1
        self.keep()
        return record, False

    def keep(self) -> None:
        """Keep a copy of the run as it is now, if it is time for one."""
        if not self.trainer.diverged:
            self._keyframes.offer(self.trainer.step, lambda: take(self.trainer))

    def begin(self) -> None:
        """Be at the session's first row, which is another run's and may have been computed elsewhere."""
        # Rounding that is another one here is noted and not refused: nothing has been executed again.
        found = damage(self._rerun.begin())
        self._notable, self._reported = (found[0] if found else None), False
        self.keep()

    def notable(self) -> Difference | None:
        """Return, once, the first measurement that came out otherwise while training came out the same."""
        if self._reported or self._notable is None:
            return None
        self._reported = True
        return self._notable

    def require(self, step: int) -> None:
        """Refuse a step that is not recorded."""
        self._rerun.recorded.require(step)

    def go_towards(self, step: int) -> str:
        """Go to the newest place not after a step; return it in words: ``the keyframe of step 10``."""
        if not self._writer.flush(_FLUSH_SECONDS):
            raise SessionError("Recording is blocked: no step can be revisited before the newest rows are written.")
        self._rerun.recorded.require(step)
        self.rows_reexecuted = 0
        self._notable, self._reported = None, False
        keyframe = self._keyframes.nearest(step)
        checkpoint = self._rerun.nearest(step, after=-1 if keyframe is None else keyframe.step)
        if keyframe is not None and checkpoint is None:
            self._accept(self._rerun.restore(keyframe))
            return f"the keyframe of step {keyframe.step}"
        self._begin()
        if checkpoint is not None and self._restored(checkpoint):
            return f"the checkpoint of step {checkpoint.step}"
        return f"step {self.trainer.step}"

    def _begin(self) -> None:
        """Be at the first row, as a run that has just observed it."""
        trainer = self.trainer
        if trainer.observed or trainer.step > self._rerun.recorded.origin:
            self._rerun.trainer = prepare(self._rerun.recorded, data=trainer.data)
        self._accept(self._rerun.begin())
        self.keep()

    def _restored(self, checkpoint: Checkpoint) -> bool:
        try:
            self._accept(self._rerun.restore(checkpoint))
        except SessionError:
            self._begin()
            return False
        self.keep()
        return True

    def _accept(self, found: list[Difference]) -> None:
        found = damage(found)
        training = next((difference for difference in found if difference.in_training), None)
        if training is not None:
            raise SessionError(
                f"Executed again, this is not the run that was recorded: {training}.",
                "What is recorded stays as it is;"
                f" `wnt-tui branch {shell_path(self._writer.path)} --step K` goes on from it in a new session.",
            )
        if found and self._notable is None:
            self._notable = found[0]
