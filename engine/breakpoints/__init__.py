"""Theory breakpoints: conditions on a row's numbers at which a run pauses, stops or leaves a note.

``conditions.py`` says what a condition is, ``grammar.py`` reads one from text and points at the column of what is
wrong, ``evaluation.py`` decides one for a row, ``watch.py`` follows them along a run, ``history.py`` tells from a
session's events which are set and where they were hit. Nothing here trains: a run computes the same with and without
breakpoints. What is exported here needs no numpy: options are checked before anything heavy is imported.
"""

from __future__ import annotations

from engine.breakpoints.conditions import Breakpoint, BreakpointError
from engine.breakpoints.grammar import LONGEST_CONDITION, MOST_BREAKPOINTS, parse, parse_all
from engine.breakpoints.hits import SetBreakpoint, breakpoints_set

__all__ = [
    "LONGEST_CONDITION",
    "MOST_BREAKPOINTS",
    "Breakpoint",
    "BreakpointError",
    "SetBreakpoint",
    "breakpoints_set",
    "parse",
    "parse_all",
]
