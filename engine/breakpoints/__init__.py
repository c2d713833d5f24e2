"""Theory breakpoints: conditions on a row's numbers at which a run pauses, stops or records an event.

What is exported here needs no numpy: options are checked before anything heavy is imported.
"""

from __future__ import annotations

from engine.breakpoints.active import ActiveBreakpoint, active_breakpoints
from engine.breakpoints.conditions import Breakpoint, BreakpointError
from engine.breakpoints.grammar import LONGEST_CONDITION, MOST_BREAKPOINTS, parse, parse_all

__all__ = [
    "LONGEST_CONDITION",
    "MOST_BREAKPOINTS",
    "ActiveBreakpoint",
    "Breakpoint",
    "BreakpointError",
    "active_breakpoints",
    "parse",
    "parse_all",
]
