"""What conditions and people note on a run under way: breakpoints hit, set and cleared, and marks."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import numpy as np

from engine.breakpoints import breakpoints_set
from engine.breakpoints.watch import BreakpointWatch
from engine.config import RunConfig
from engine.errors import UsageError
from engine.record import Event, StepRecord
from engine.session import Command, SessionReader, SessionWriter
from engine.session.marks import mark_event

ANNOTATING_COMMANDS = ("break", "clear", "mark")


class Annotations:
    """The breakpoints of a run and the marks on its steps, which go into its session as events.

    Args:
        config: The run; its breakpoints are set from the beginning.
        writer: Its session.
    """

    def __init__(self, config: RunConfig, writer: SessionWriter) -> None:
        self._watch = BreakpointWatch(config.breakpoints, depth=config.depth, measure=config.measure)
        self._writer = writer

    @classmethod
    def continued(cls, config: RunConfig, writer: SessionWriter, reader: SessionReader) -> Self:
        """The annotations of a run that is gone on with: breakpoints that were set when it was left, counted anew.

        Args:
            config: The run.
            writer: Its session, open again.
            reader: The same session.

        Returns:
            The annotations.
        """
        events = [row.event for row in reader.all_events()]
        texts = tuple(point.text for point in breakpoints_set(config.breakpoints, events))
        made = cls(replace(config, breakpoints=texts), writer)
        step, columns = reader.steps(limit=1)
        if step.size:
            values = {name: float(column[0]) for name, column in columns.items() if not np.isnan(column[0])}
            made._watch.remember_first(StepRecord(int(step[0]), values, reader.layers_at(int(step[0]))))
        return made

    def row(self, record: StepRecord) -> StepRecord:
        """Look at a row before it is recorded.

        Args:
            record: The row.

        Returns:
            The row with an event more for each breakpoint that it hits.
        """
        hits = self._watch.row(record)
        return replace(record, events=(*hits, *record.events)) if hits else record

    def obey(self, command: Command, step: int) -> tuple[bool, str]:
        """Obey one of :data:`ANNOTATING_COMMANDS`.

        Args:
            command: The command.
            step: The step that the engine is at.

        Returns:
            Whether it was done, and a sentence.
        """
        try:
            sentence = self._mark(command) if command.name == "mark" else self._change(command, step)
        except UsageError as error:
            return False, str(error)
        return True, sentence

    def _mark(self, command: Command) -> str:
        marked = command.arguments.get("step")
        event = mark_event(int(marked or 0), str(command.arguments.get("note") or ""), self._writer.last_step)
        self._writer.put_event(event)
        return f"Step {event.step} is marked."

    def _change(self, command: Command, step: int) -> str:
        text = str(command.arguments.get("condition") or "")
        if command.name == "break":
            changed, verb, when = self._watch.set(text), "set", f", from step {step + 1} on"
        else:
            changed, verb, when = self._watch.clear(text), "cleared", f" at step {step}"
        sentence = f"{changed.text}: {verb} by {command.sender}{when}."
        self._writer.put_event(Event(step, "breakpoint", sentence, data={verb: changed.text}))
        return f"Breakpoint {sentence}"


def hits_of(record: StepRecord) -> tuple[Event, ...]:
    """The breakpoints that a row hits.

    Args:
        record: A row that :meth:`Annotations.row` gave back.

    Returns:
        Their events.
    """
    return tuple(event for event in record.events if event.kind == "break")
