"""A branch: a new session that begins at a step of another one, with options changed, and says where it comes from.

Where only the learning rate changes, or what is recorded and where it is computed, the branch goes on: its first row
is the parent's, and every quantity that relates to initialisation goes on relating to the parent's. Where a change
gives rows another meaning (the loss, the data, …) the branch is a run that begins at those weights. Either way the
file stands for itself: what it begins from is a checkpoint in it.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import torch

from engine.catalogue import LAYER_METRICS
from engine.config import RunConfig
from engine.errors import UsageError
from engine.history.checkpoint import Checkpoint, parameters_of, take
from engine.history.encoding import encode, read_checkpoint
from engine.history.reexecution import Rerun, prepare
from engine.history.row_differences import Difference
from engine.paths import real_path, shown_path
from engine.record import Event, StepRecord
from engine.session.changes import GOES_ON, changed_config
from engine.session.recorded import ORIGIN, RecordedRun
from engine.session.writer import Observers, SessionWriter
from engine.training.provenance import provenance
from engine.training.trainer import Trainer


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch that is about to begin.

    Attributes:
        trainer: Where its measurements begin; nothing has been observed.
        config: Its configuration.
        meta: What its session says of it.
        checkpoints: What its session begins from, with the trainer that shapes them.
        row: Its first row if it is the parent's, else None.
        event: What its session says of it.
    """

    trainer: Trainer
    config: RunConfig
    meta: dict[str, str]
    checkpoints: tuple[Checkpoint, ...]
    row: StepRecord | None
    event: Event

    def write(self, path: Path, **observers: Unpack[Observers]) -> SessionWriter:
        """Make its session, at which nothing is; return it open, with what the branch begins from in it."""
        writer = SessionWriter.create(path, self.config, self.meta, **observers)
        for checkpoint in self.checkpoints:
            writer.put_checkpoint(checkpoint.step, encode(checkpoint, self.trainer))
        if self.row is not None:
            writer.put(self.row)
        writer.put_event(self.event)
        writer.flush()
        return writer


def branch(recorded: RecordedRun, step: int, changes: Mapping[str, Any], path: Path) -> Branch:
    """Prepare a branch.

    Args:
        recorded: The parent.
        step: Where it begins: any step that the parent has recorded.
        changes: Options that are to be otherwise, by name.
        path: Where its session will be.

    Returns:
        The branch.

    Raises:
        SessionError: The parent has no such step, or cannot be executed again.
        UsageError: An option makes no sense, or the parent's weights do not fit the network that it makes.
    """
    recorded.require(step)
    config = changed_config(recorded, step, changes)
    made = {
        spec.name: (getattr(recorded.config, spec.name), getattr(config, spec.name))
        for spec in fields(RunConfig)
        if spec.name in changes and getattr(recorded.config, spec.name) != getattr(config, spec.name)
    }
    start = _start(recorded, step, config, made)
    meta = provenance(start.trainer) | {
        "parent": shown_path(os.path.relpath(real_path(recorded.reader.path), real_path(path.parent))),
        "parent_step": str(step),
        "parent_created": recorded.meta.get("created", ""),
        "parent_changes": json.dumps(made, ensure_ascii=False),
    }
    if start.origin:
        meta[ORIGIN] = str(start.origin)
    words = ", ".join(f"{name} {before} → {now}" for name, (before, now) in made.items()) or "nothing changed"
    sentence = f"Branched from {recorded.name} at step {step}: {words}."
    if start.differences:
        sentence += f" The way there was not exact on this machine: {start.differences[0]}."
    data: dict[str, float | int | str | None] = {"parent": recorded.name, "lr": config.lr}
    return Branch(start.trainer, config, meta, start.checkpoints, start.row, Event(step, "branch", sentence, data=data))


@dataclass(frozen=True, slots=True)
class _Start:
    """The parent's row that a branch begins from."""

    trainer: Trainer
    checkpoints: tuple[Checkpoint, ...]
    row: StepRecord | None
    origin: int
    differences: tuple[Difference, ...]


def _start(recorded: RecordedRun, step: int, config: RunConfig, made: Mapping[str, Any]) -> _Start:
    if step == 0:
        return _Start(Trainer(config), (), None, 0, ())
    goes_on = set(made) <= GOES_ON
    parent = Rerun(recorded, prepare(recorded, measure=goes_on))
    found = tuple(difference for difference in parent.seek(step) if difference.in_training)
    if goes_on:
        return _going_on(parent, config, found)
    trainer = Trainer(config)
    parameters = tuple(theta.to(trainer.model.dtype) for theta in parameters_of(parent.trainer))
    for theta, own in zip(parameters, trainer.model.parameters.values(), strict=True):
        if theta.shape != own.shape:
            raise UsageError(
                f"The weights of step {step} have shape {_times(theta)}, these data need {_times(own)}.",
                "Branch from --step 0, or start a new run.",
            )
    trainer.begin_at(step, parameters)
    return _Start(trainer, (Checkpoint(step, parameters, None),), None, step, found)


def _going_on(parent: Rerun, config: RunConfig, found: tuple[Difference, ...]) -> _Start:
    recorded, step = parent.recorded, parent.trainer.step
    trainer = Trainer(config, parent.trainer.data)
    here = take(parent.trainer)
    origin = recorded.origin
    if origin == 0:
        return _Start(trainer, (here,), _first_row(recorded, step, config.lr), 0, found)
    # What stands for θ_0 in the parent stands for it here.
    began = replace(read_checkpoint(recorded.reader, origin, trainer), carried=None)
    trainer.begin_at(origin, began.parameters)
    if step == origin:
        return _Start(trainer, (began,), None, origin, found)
    return _Start(trainer, (began, here), _first_row(recorded, step, config.lr), origin, found)


def _first_row(recorded: RecordedRun, step: int, lr: float) -> StepRecord:
    """The parent's row with the rate that it is left with here, and what is fixed over a run."""
    row, start = recorded.row(step), recorded.row(recorded.first)
    values = {name: value for name, value in row.values.items() if not math.isnan(value)} | {"lr": lr}
    layers = {name: np.array(column) for name, column in row.layers.items()}
    for metric in LAYER_METRICS:
        if metric.scope != "layer" and metric.name in start.layers:
            layers[metric.name] = np.array(start.layers[metric.name])
    measured = {name: column for name, column in layers.items() if not np.isnan(column).all()}
    return StepRecord(step, values, measured, spectra=row.spectra)


def _times(tensor: torch.Tensor) -> str:
    return "×".join(map(str, tensor.shape))
