"""Follows breakpoints along a run and says when one is hit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.breakpoints.conditions import Breakpoint
from engine.breakpoints.evaluation import Finding, RowNumbers, evaluate
from engine.breakpoints.grammar import MOST_BREAKPOINTS, parse, parse_all
from engine.catalogue import LAYER_METRICS
from engine.catalogue.numerals import told_apart
from engine.errors import UsageError
from engine.record import Event, StepRecord

_FIXED = tuple(entry.name for entry in LAYER_METRICS if entry.scope == "initial")


@dataclass(frozen=True, slots=True)
class _Progress:
    """How far a breakpoint is: rows in a row at which it held, the first of them, and whether it was hit by them."""

    rows: int = 0
    since: int = -1
    hit: bool = False


class BreakpointWatch:
    """The breakpoints of a run under way.

    A breakpoint is hit at the row at which its condition has held in as many measured rows in a row as it asks for. It
    is not hit again before a row at which the condition is false: a run that is resumed goes on. A row that lacks a
    number of the condition (not measured there, or NaN), or whose numbers are not certain enough to decide it (a
    residual or resolution reaches across the comparison), says nothing: it neither counts nor interrupts the count.

    Args:
        texts: The breakpoints that the run starts with.
        depth: The network's depth.
        measure: What is measured.
        examples: n.

    Raises:
        BreakpointError: A text is no breakpoint, or one that can never be reached in this run.
    """

    def __init__(self, texts: Iterable[str], *, depth: int, measure: str, examples: int = 1) -> None:
        self._depth, self._measure, self._examples = depth, measure, examples
        self._progress: dict[Breakpoint, _Progress] = {}
        self._first_loss = math.nan
        self._fixed: dict[str, NDArray[np.float64]] = {}
        for point in parse_all(texts):
            point.check(depth=depth, measure=measure)
            self._progress[point] = _Progress()

    @property
    def breakpoints(self) -> tuple[Breakpoint, ...]:
        """The breakpoints that are set, in the order of setting."""
        return tuple(self._progress)

    def set(self, text: str) -> Breakpoint:
        """Set a breakpoint; it counts from the next row on.

        Args:
            text: The breakpoint.

        Returns:
            The breakpoint.

        Raises:
            BreakpointError: It is none, or can never be reached in this run.
            UsageError: It is set already, or there are too many.
        """
        point = parse(text)
        point.check(depth=self._depth, measure=self._measure)
        if point in self._progress:
            raise UsageError(f"Breakpoint `{point.text}` is set already.")
        if len(self._progress) >= MOST_BREAKPOINTS:
            raise UsageError(f"{MOST_BREAKPOINTS} breakpoints are set, more there cannot be.", "Clear one first.")
        self._progress[point] = _Progress()
        return point

    def clear(self, text: str) -> Breakpoint:
        """Clear a breakpoint.

        Args:
            text: Its text; spaces do not matter.

        Returns:
            What it was.

        Raises:
            BreakpointError: The text is no breakpoint.
            UsageError: It is not set.
        """
        point = parse(text)
        if point not in self._progress:
            raise UsageError(f"Breakpoint `{point.text}` is not set.", _listed(self._progress))
        del self._progress[point]
        return point

    def remember_first(self, record: StepRecord) -> None:
        """Take note of what the first row says of all others, unless one was noted already.

        Args:
            record: Row 0; of a run that is gone on with, as it was recorded.
        """
        if math.isnan(self._first_loss):
            self._first_loss = record.values.get("loss", math.nan)
        if not self._fixed:
            self._fixed = {name: record.layers[name] for name in _FIXED if name in record.layers}

    def row(self, record: StepRecord) -> tuple[Event, ...]:
        """Look at a row; rows come in the order of their steps.

        Args:
            record: The row.

        Returns:
            An event for each breakpoint that it hits. Cost: some microseconds a breakpoint.
        """
        self.remember_first(record)
        layers = {**record.layers, **self._fixed}
        numbers = RowNumbers(record.step, record.values, layers, self._first_loss, self._examples)
        events = []
        for point, before in self._progress.items():
            found = evaluate(point.condition, numbers)
            if found is None:
                continue
            now = _Progress()
            if found.holds:
                now = _Progress(before.rows + 1, before.since if before.rows else record.step, before.hit)
                if now.rows >= point.rows and not before.hit:
                    now = replace(now, hit=True)
                    events.append(_hit(record.step, point, found, now))
            self._progress[point] = now
        return tuple(events)


def _hit(step: int, point: Breakpoint, found: Finding, progress: _Progress) -> Event:
    where = "" if found.layer is None else f" at layer {found.layer}"
    since = f", since step {progress.since}" if progress.since != step else ""
    left, right = told_apart(found.left, found.right)
    sentence = f"{point.text}: {left} against {right}{where}{since}."
    data: Mapping[str, float | int | str | None] = {
        "breakpoint": point.text,
        "left": found.left,
        "right": found.right,
        "since": progress.since,
        "rows": progress.rows,
    }
    return Event(step, "break", sentence, found.layer, data)


def _listed(breakpoints: Iterable[Breakpoint]) -> str:
    texts = [f"`{point.text}`" for point in breakpoints]
    return f"Set are {', '.join(texts)}." if texts else "None is set."
