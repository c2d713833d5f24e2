"""The breakpoints that are set in a session, and where they were hit, as its events record it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # at run time it would import numpy, which the command line's help does without
    from engine.record import Event


@dataclass(frozen=True, slots=True)
class ActiveBreakpoint:
    """A breakpoint that is set: its canonical text and the steps at which it was hit, ascending."""

    text: str
    hits: tuple[int, ...]


def active_breakpoints(configured: Iterable[str], events: Iterable[Event]) -> tuple[ActiveBreakpoint, ...]:
    """The breakpoints of a run after its events, in the order of setting; a malformed event changes nothing."""
    hits: dict[str, list[int]] = {text: [] for text in configured}
    for event in events:
        data = event.data
        if event.kind == "breakpoint":
            if isinstance(text := data.get("set"), str):
                hits.setdefault(text, [])
            elif isinstance(text := data.get("cleared"), str):
                hits.pop(text, None)
        elif event.kind == "break" and isinstance(text := data.get("breakpoint"), str) and text in hits:
            hits[text].append(event.step)
    return tuple(ActiveBreakpoint(text, tuple(sorted(set(steps)))) for text, steps in hits.items())
