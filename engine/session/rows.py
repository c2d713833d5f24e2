"""Frozen values that a session is read into."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.record import Event, Spectra

CommandState = Literal["pending", "done", "refused"]
Argument = float | int | str | bool | None


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event as it is stored.

    Attributes:
        id: Its number in the session, from 1, in the order of writing.
        time: Unix time at which it was recorded, NaN if the file does not say.
        event: What happened.
    """

    id: int
    time: float
    event: Event


@dataclass(frozen=True, slots=True)
class EngineRow:
    """The engine as the session describes it, and whether it lives.

    Attributes:
        pid: Its process, for display only; 0 if unknown.
        host: The machine it runs on, for display only.
        state: ``starting``, ``running``, ``paused``, ``finished``, ``stopped``, ``diverged``, ``failed``, or
            ``died`` where the file says that it lives and no process holds the lock.
        step: The step it is at, −1 before the first.
        message: A sentence of the engine's, for example why it failed; may be empty.
        heartbeat: Unix time of its last sign of life in the session, for display only, or None.
        started: Unix time of its start, or None.
        ended: Unix time of its orderly end, or None.
        device: Where it computes, for people.
        blocked_since: Unix time since when recording waits for the disk, or None.
        alive: Whether a process holds the session's lock.
        since: Unix time since when a living engine's state and step are what they are, or None.
        silent_since: Unix time of the last sign of life of an engine that should have given another one since: it
            was stopped, or has died; None if it goes on, or has ended in order.
    """

    pid: int
    host: str
    state: str
    step: int
    message: str
    heartbeat: float | None
    started: float | None
    ended: float | None
    device: str
    blocked_since: float | None
    alive: bool
    since: float | None = None
    silent_since: float | None = None

    @property
    def remedy(self) -> str:
        """What may make a silent or blocked engine go on; empty if nothing keeps it from going on.

        A process is named on its own machine only: elsewhere its number is another's.
        """
        here = self.host == socket.gethostname()
        if not self.alive:
            return ""
        if self.silent_since is not None:
            if here:
                return f"Where process {self.pid} was stopped, `kill -CONT {self.pid}` lets it go on."
            return f"Its process is on {self.host or 'another machine'}: look for it there."
        if self.blocked_since is not None:
            end = f"; `kill {self.pid}` ends it with the rows that are saved" if here else ""
            return f"It goes on when the disk does{end}."
        return ""


@dataclass(frozen=True, slots=True)
class Command:
    """A command to the engine, and its answer once there is one.

    Attributes:
        id: Its number in the session.
        time: Unix time at which it was sent, NaN if the file does not say.
        sender: Who sent it, for people.
        name: One of :data:`engine.session.COMMAND_NAMES`.
        arguments: What it needs, for example ``{"n": 10}``.
        state: ``pending``, ``done`` or ``refused``.
        step: The step at which it took effect, or None.
        reply: A sentence of the engine's; may be empty.
        answered: Unix time of the answer, or None.
    """

    id: int
    time: float
    sender: str
    name: str
    arguments: Mapping[str, Argument]
    state: CommandState
    step: int | None
    reply: str
    answered: float | None


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of a checkpoint in safetensors' encoding: little-endian, row-major, no header.

    Attributes:
        dtype: ``F32``, ``F64``, ``I64`` …, as safetensors names it.
        shape: Its shape.
        data: Its bytes.
    """

    dtype: str
    shape: tuple[int, ...]
    data: bytes


ROLLING = "rolling"
"""Name of the empty tensor that marks a checkpoint as one of those that newer ones replace."""

TENSOR_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "U8": 1, "BOOL": 1}
"""Types of tensors by their names in safetensors, and the bytes of an element."""


class LayerBlocks(NamedTuple):
    """One layer metric over steps, reduced to blocks of steps.

    Attributes:
        first: First step of each block, shape (blocks,), ascending.
        last: Last step of each block, shape (blocks,); equal to ``first`` where nothing was reduced.
        low: Smallest finite value in the block, shape (blocks, depth + 1), NaN where there is none.
        high: Largest finite value in the block, same shape.
    """

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


class StepSpectra(NamedTuple):
    """Whole spectra of a step.

    Attributes:
        step: The step.
        spectra: Eigenvalues, ascending, by matrix.
    """

    step: int
    spectra: Spectra


class LayerRows(NamedTuple):
    """Rows of the layers' table.

    Attributes:
        step: Step of each row, shape (rows,), ascending.
        layer: Layer of each row, shape (rows,), ascending within a step.
        columns: Layer metrics by catalogue name, each of shape (rows,), NaN where not computed.
    """

    step: NDArray[np.int64]
    layer: NDArray[np.int64]
    columns: dict[str, NDArray[np.float64]]
