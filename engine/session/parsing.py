"""Rows of the small tables as values: the one place that knows the order of their columns."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, get_args

from engine.record import Event, EventKind
from engine.session.cell_values import real, real_or_none, scalars, whole, whole_or_none
from engine.session.rows import TENSOR_BYTES, Command, CommandState, EngineRow, EventRow, Tensor
from engine.session.text import plain_text

LIVING_STATES = frozenset({"starting", "running", "paused"})
_ENGINE_STATES = LIVING_STATES | {"finished", "stopped", "diverged", "failed"}
_KINDS = frozenset(get_args(EventKind))
_COMMAND_STATES: dict[str, CommandState] = {"pending": "pending", "done": "done", "refused": "refused"}


def command_from(row: Sequence[Any]) -> Command:
    """A command from the cells of COMMAND_COLUMNS; a state that there is not counts as refused."""
    number, time, sender, name, arguments, state, step, reply, answered = row
    return Command(
        whole(number, 0),
        real(time),
        plain_text(sender),
        plain_text(name),
        scalars(arguments),
        _COMMAND_STATES.get(state, "refused") if isinstance(state, str) else "refused",
        whole_or_none(step),
        plain_text(reply),
        real_or_none(answered),
    )


def event_from(row: Sequence[Any]) -> EventRow:
    """An event from the cells of EVENT_COLUMNS; a kind that there is not counts as a notice."""
    number, time, step, kind, layer, message, data = row
    known: EventKind = kind if isinstance(kind, str) and kind in _KINDS else "notice"  # type: ignore[assignment]  # one of _KINDS
    event = Event(whole(step, -1), known, plain_text(message), whole_or_none(layer), scalars(data))
    return EventRow(whole(number, 0), real(time), event)


def engine_from(row: Sequence[Any], alive: bool) -> EngineRow:
    """An engine from the cells of ENGINE_COLUMNS, ``died`` where only the row says that it lives."""
    pid, host, state, step, message, heartbeat, started, ended, device, blocked_since = row
    said = plain_text(state)
    if said not in _ENGINE_STATES:
        said = "running" if alive else "stopped"
    if said in LIVING_STATES and not alive:
        said = "died"
    return EngineRow(
        whole(pid, 0),
        plain_text(host),
        said,
        whole(step, -1),
        plain_text(message),
        real_or_none(heartbeat),
        real_or_none(started),
        real_or_none(ended),
        plain_text(device),
        real_or_none(blocked_since) if alive else None,
        alive,
    )


def tensor_from(row: Sequence[Any]) -> Tensor | None:
    """A tensor from the cells dtype, shape, data; None if its bytes are not those of type and shape."""
    dtype, shape, data = row
    try:
        sizes = json.loads(shape)
    except (TypeError, ValueError, RecursionError):
        return None
    if not isinstance(data, bytes) or not isinstance(dtype, str) or dtype not in TENSOR_BYTES:
        return None
    if not isinstance(sizes, list) or not all(type(size) is int and size >= 0 for size in sizes):
        return None
    if math.prod(sizes) * TENSOR_BYTES[dtype] != len(data):
        return None
    return Tensor(dtype, tuple(sizes), data)
