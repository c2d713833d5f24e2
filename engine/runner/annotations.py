"""Breakpoints of a run under way, set, cleared and hit, and marks on its steps."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from engine.breakpoints.watch import BreakpointWatch
from engine.config import RunConfig
from engine.errors import UsageError
from engine.record import Event, StepRecord
from engine.session.marks import mark_event
from engine.session.reader import SessionReader
from engine.session.rows import Command
from engine.session.writer import SessionWriter

_ROWS_AT_A_TIME = 512


class Annotations:
    """The breakpoints of a run and the marks on its steps, which go into its session as events.

    Args:
        config: The run; its breakpoints are set from the beginning.
        writer: Its session.
    """

    def __init__(self, config: RunConfig, writer: SessionWriter) -> None:
        self._watch = BreakpointWatch(
            config.breakpoints, depth=config.depth, measure=config.measure, examples=config.examples
        )
        self._writer = writer

    def catch_up(self, reader: SessionReader, beginning: StepRecord | None) -> None:
        """Have the breakpoints be where they were at the session's newest row: set, cleared, counted and hit.

        What recorded rows hit is not recorded again. Cost: some 100 µs a row, nothing where no breakpoint is set.

        Args:
            reader: The session.
            beginning: The row that the run began with, as it was executed again, for a session that lacks it; None
                is the session's first row.
        """
        changes = deque(row.event for row in reader.all_events() if row.event.kind == "breakpoint")
        if not (self._watch.breakpoints or changes):
            return
        if beginning is not None:
            self._watch.remember_first(beginning)
        for record in _rows(reader):
            while changes and changes[0].step < record.step:
                self._repeat(changes.popleft())
            self._watch.row(record)
        for change in changes:
            self._repeat(change)

    def _repeat(self, change: Event) -> None:
        """Set or clear a breakpoint as was done before; what is impossible in an untrusted file is passed over."""
        with contextlib.suppress(UsageError):
            if isinstance(text := change.data.get("set"), str):
                self._watch.set(text)
            elif isinstance(text := change.data.get("cleared"), str):
                self._watch.clear(text)

    def row(self, record: StepRecord) -> StepRecord:
        """A row as it is to be recorded: with an event more for each breakpoint that it hits."""
        hits = self._watch.row(record)
        return replace(record, events=(*hits, *record.events)) if hits else record

    def handle(self, command: Command, step: int) -> str:
        """Carry out ``break``, ``clear`` or ``mark`` at a step; a sentence, or a UsageError that refuses."""
        return self._mark(command) if command.name == "mark" else self._change(command, step)

    def _mark(self, command: Command) -> str:
        marked = command.arguments.get("step")
        event = mark_event(int(marked or 0), str(command.arguments.get("note") or ""), self._writer.last_step)
        self._writer.put_event(event)
        return f"Step {event.step} is marked."

    def _change(self, command: Command, step: int) -> str:
        text = str(command.arguments.get("condition") or "")
        if command.name == "break":
            # Recorded rows were watched when they were new; executed again, they are not.
            newest = self._writer.last_step
            changed, verb, when = self._watch.set(text), "set", f", from step {newest + 1} on"
            step = newest
        else:
            changed, verb, when = self._watch.clear(text), "cleared", f" at step {step}"
        sentence = f"{changed.text}: {verb} by {command.sender}{when}."
        self._writer.put_event(Event(step, "breakpoint", sentence, data={verb: changed.text}))
        return f"Breakpoint {sentence}"


def hits_of(record: StepRecord) -> tuple[Event, ...]:
    """The breakpoints that a row from :meth:`Annotations.row` hits."""
    return tuple(event for event in record.events if event.kind == "break")


def _rows(reader: SessionReader) -> Iterator[StepRecord]:
    """Yield the rows of a session as they were observed, read some at a time."""
    after = -1
    while (found := reader.steps(after, _ROWS_AT_A_TIME))[0].size:
        steps, columns = found
        first, after = int(steps[0]), int(steps[-1])
        layers = reader.layers(first, after)
        depth = reader.config().depth
        for place, step in enumerate(steps.tolist()):
            values = {name: float(column[place]) for name, column in columns.items() if not np.isnan(column[place])}
            here = layers.step == step
            measured = {}
            for name, column in layers.columns.items():
                if not np.isnan(column[here]).all():
                    measured[name] = np.full(depth + 1, np.nan)
                    measured[name][layers.layer[here]] = column[here]
            yield StepRecord(step, values, measured)
