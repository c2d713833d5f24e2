"""The breakpoints of a run under way: set, cleared, and hit."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.breakpoints.conditions import Breakpoint
from engine.breakpoints.evaluation import Finding, evaluate
from engine.breakpoints.grammar import MOST_BREAKPOINTS, parse, parse_all
from engine.catalogue import LAYER_METRICS
from engine.catalogue.numerals import distinct
from engine.errors import UsageError
from engine.record import Event, StepRecord

_FIXED = tuple(entry.name for entry in LAYER_METRICS if entry.scope == "initial")


@dataclass(frozen=True, slots=True)
class _Count:
    """Rows in a row at which a condition held, the first of them, and whether they have hit the breakpoint."""

    rows: int = 0
    since: int = -1
    hit: bool = False


class BreakpointWatch:
    """The breakpoints of a run under way.

    A breakpoint is hit at the row at which its condition has held in as many measured rows in a row as it asks for. It
    is not hit again before a row at which the condition is false: a run that is resumed goes on. A row that lacks a
    number of the condition (not measured there, or NaN), or whose numbers are not certain enough to decide it (their
    intervals reach across the comparison), says nothing: it neither counts nor interrupts the count.

    Args:
        texts: The breakpoints that the run starts with.
        depth: The network's depth.
        measure: The measurement set.
        examples: n.

    Raises:
        BreakpointError: A text is no breakpoint, or one that can never be reached in this run.
    """

    def __init__(self, texts: Iterable[str], *, depth: int, measure: str, examples: int) -> None:
        self._depth, self._measure, self._examples = depth, measure, examples
        self._first_loss = math.nan
        self._fixed: dict[str, NDArray[np.float64]] = {}
        self._counts = {point: _Count() for point in parse_all(texts)}
        for point in self._counts:
            point.check(depth=depth, measure=measure)

    @property
    def breakpoints(self) -> tuple[Breakpoint, ...]:
        """The breakpoints that are set, in the order of setting."""
        return tuple(self._counts)

    def set(self, text: str) -> Breakpoint:
        """Set a breakpoint from the next row on; UsageError where it is none, out of reach, set already or too many."""
        point = parse(text)
        point.check(depth=self._depth, measure=self._measure)
        if point in self._counts:
            raise UsageError(f"Breakpoint `{point.text}` is set already.")
        if len(self._counts) >= MOST_BREAKPOINTS:
            raise UsageError(f"{MOST_BREAKPOINTS} breakpoints are set, more there cannot be.", "Clear one first.")
        self._counts[point] = _Count()
        return point

    def clear(self, text: str) -> Breakpoint:
        """Clear a breakpoint by its text, in which spaces do not matter; UsageError where it is not set."""
        point = parse(text)
        if point not in self._counts:
            texts = ", ".join(f"`{other.text}`" for other in self._counts)
            raise UsageError(f"Breakpoint `{point.text}` is not set.", f"Set are {texts}." if texts else "None is set.")
        del self._counts[point]
        return point

    def remember_first(self, record: StepRecord) -> None:
        """Keep the first row's loss and fixed layer metrics, unless they are kept already."""
        if math.isnan(self._first_loss):
            self._first_loss = record.values.get("loss", math.nan)
        self._fixed = self._fixed or {name: record.layers[name] for name in _FIXED if name in record.layers}

    def row(self, record: StepRecord) -> tuple[Event, ...]:
        """An event for each breakpoint that a row hits; rows come in the order of their steps."""
        self.remember_first(record)
        numbers = replace(record, layers={**record.layers, **self._fixed})
        events = []
        for point, before in self._counts.items():
            found = evaluate(point.condition, numbers, first_loss=self._first_loss, examples=self._examples)
            if found is None:
                continue
            now = _Count()
            if found.holds:
                rows = before.rows + 1
                now = _Count(rows, before.since if before.rows else record.step, rows >= point.rows)
                if now.hit and not before.hit:
                    events.append(_hit(record.step, point, found, now))
            self._counts[point] = now
        return tuple(events)


def _hit(step: int, point: Breakpoint, found: Finding, count: _Count) -> Event:
    where = "" if found.layer is None else f" at layer {found.layer}"
    since = f", since step {count.since}" if count.since != step else ""
    left, right = distinct(found.left, found.right)
    sentence = f"{point.text}: {left} against {right}{where}{since}."
    data: dict[str, float | int | str | None] = {"breakpoint": point.text, "left": found.left, "right": found.right}
    return Event(step, "break", sentence, found.layer, data | {"since": count.since, "rows": count.rows})
