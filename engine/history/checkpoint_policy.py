"""Which checkpoints a session gets while its run is under way: rolling ones, regular ones, and those asked for."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping

from engine.config import RunConfig
from engine.errors import SessionError
from engine.history.checkpoint import take
from engine.history.encoding import encode
from engine.record import Event
from engine.session.reader import SessionReader
from engine.session.rows import Tensor
from engine.session.writer import SessionWriter
from engine.training.trainer import Trainer

ROLLING_SECONDS = 300.0
"""A run that dies loses at most so much work, and what it recorded is not lost at all."""

ROLLING_KEPT = 2
"""The newest may have been written an instant before the end; the one before it was not."""

_ROOM = 2.0
"""A checkpoint is not written where the disk has room for fewer of its size: rows come first."""


class CheckpointPolicy:
    """Writes a run's checkpoints.

    Args:
        config: The run's configuration.
        writer: Its session.
        clock: Seconds from some moment on.
    """

    def __init__(self, config: RunConfig, writer: SessionWriter, clock: Callable[[], float] = time.monotonic) -> None:
        self._writer = writer
        self._clock = clock
        self._rolled = clock()
        self._every = config.checkpoint_every
        self._limit = int(config.checkpoint_limit * 1e9)
        self._refused: set[str] = set()
        with SessionReader(writer.path) as reader:
            self._rolling = list(reader.rolling_checkpoints())
            self._kept = {at: reader.checkpoint_bytes(at) for at in reader.checkpoints() if at not in self._rolling}

    def after_row(self, trainer: Trainer) -> None:
        """Write what is due after a row that a run has observed and that was recorded just now."""
        if trainer.diverged:
            return
        if self._every is not None and trainer.step > 0 and trainer.step % self._every == 0:
            self._keep(trainer)
        elif self._clock() - self._rolled > ROLLING_SECONDS:
            self._roll(trainer)

    def save_now(self, trainer: Trainer) -> tuple[bool, str]:
        """Write one as asked for; return whether there is one now, and a sentence."""
        step = trainer.step
        if step in self._kept:
            return True, f"There is a checkpoint of step {step} already ({_size(self._kept[step])})."
        refusal = self._keep(trainer)
        if refusal:
            return False, refusal
        sentence = f"Checkpoint of step {step} ({_size(self._kept[step])})."
        self._writer.put_event(Event(step, "checkpoint", sentence, data={"bytes": self._kept[step]}))
        return True, sentence

    def at_end(self, trainer: Trainer, *, always: bool = False) -> None:
        """Write one at the end of a run that has rolling ones, or whatever it took."""
        has_one = trainer.step in self._kept or trainer.step in self._rolling
        if not (trainer.diverged or has_one) and (always or self._rolling):
            self._roll(trainer)

    def _keep(self, trainer: Trainer) -> str:
        """Have a checkpoint of the current step that stays; a sentence if that cannot be."""
        step = trainer.step
        if step in self._kept:
            return ""
        tensors = encode(take(trainer), trainer)
        size = _bytes(tensors)
        if sum(self._kept.values()) + size > self._limit:
            return self._refuse("limit", f"Kept checkpoints would exceed --checkpoint-limit {self._limit / 1e9:g} GB.")
        if step in self._rolling:
            self._writer.keep_checkpoint(step)
            self._rolling.remove(step)
        elif refusal := self._write(step, tensors, rolling=False):
            return refusal
        self._kept[step] = size
        return ""

    def _roll(self, trainer: Trainer) -> None:
        """Write a checkpoint that takes the place of the last but one."""
        self._rolled = self._clock()
        has_one = trainer.step in self._kept or trainer.step in self._rolling
        if has_one:
            return
        if not self._write(trainer.step, encode(take(trainer), trainer), rolling=True):
            self._rolling = [*self._rolling[1 - ROLLING_KEPT :], trainer.step]

    def _write(self, step: int, tensors: Mapping[str, Tensor], *, rolling: bool) -> str:
        size = _bytes(tensors)
        try:
            free = shutil.disk_usage(self._writer.path.parent).free
            if free < _ROOM * size:
                words = f"No checkpoint of {_size(size)}: the disk has room for {_size(free)}, and rows come first."
                return self._refuse("room", words)
            self._writer.put_checkpoint(step, tensors, rolling_kept=ROLLING_KEPT if rolling else None)
        except OSError as error:
            return self._refuse("disk", f"No checkpoint: {error.strerror or error}.")
        except SessionError as error:
            return self._refuse("size", error.message)
        return ""

    def _refuse(self, reason: str, sentence: str) -> str:
        """Record a reason against checkpoints, once; return its sentence."""
        if reason not in self._refused:
            self._refused.add(reason)
            self._writer.put_event(Event(self._writer.last_step, "notice", sentence))
        return sentence


def _bytes(tensors: Mapping[str, Tensor]) -> int:
    return sum(len(tensor.data) for tensor in tensors.values())


def _size(size: float) -> str:
    return f"{size / 1e6:,.1f} MB" if size < 1e9 else f"{size / 1e9:,.1f} GB"
