"""Which breakpoints are set, and where they were hit, as a session's events tell it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # at run time it would import numpy, which the command line's help does without
    from engine.record import Event


@dataclass(frozen=True, slots=True)
class SetBreakpoint:
    """A breakpoint that is set.

    Attributes:
        text: Its canonical text.
        hits: The steps at which it was hit, ascending.
    """

    text: str
    hits: tuple[int, ...]


def breakpoints_set(configured: Iterable[str], events: Iterable[Event]) -> tuple[SetBreakpoint, ...]:
    """The breakpoints that are set after some events.

    Args:
        configured: Those that the run began with.
        events: What happened since, in the order of recording.

    Returns:
        The breakpoints, in the order of setting.
    """
    hits: dict[str, list[int]] = {text: [] for text in configured}
    for event in events:
        told = event.data
        if event.kind == "breakpoint":
            if isinstance(text := told.get("set"), str):
                hits.setdefault(text, [])
            elif isinstance(text := told.get("cleared"), str):
                hits.pop(text, None)
        elif event.kind == "break" and isinstance(text := told.get("breakpoint"), str) and text in hits:
            hits[text].append(event.step)
    return tuple(SetBreakpoint(text, tuple(sorted(set(steps)))) for text, steps in hits.items())
