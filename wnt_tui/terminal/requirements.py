"""Requirements of the terminal, checked before the app starts in it."""

from __future__ import annotations

import os
import sys

from engine.errors import UsageError, WntError

MIN_COLUMNS = 40
MIN_ROWS = 10
COMPACT_COLUMNS = 120
COMPACT_ROWS = 36
"""Below 120×36 one panel is shown at a time."""


class TerminalError(WntError):
    """The terminal cannot show the app."""


def too_small(columns: int, rows: int) -> bool:
    """Whether nothing useful can be drawn in so little space."""
    return columns < MIN_COLUMNS or rows < MIN_ROWS


def require_terminal(instead: str) -> None:
    """Refuse to start the app where it cannot be seen.

    Args:
        instead: A way out without a terminal, a sentence.

    Raises:
        UsageError: Standard input, output or error is no terminal.
        TerminalError: The terminal is too small or cannot move its cursor.
    """
    # Standard error too: the app draws there.
    for which, stream in (("input", sys.stdin), ("output", sys.stdout), ("error", sys.stderr)):
        if stream.isatty():
            continue
        raise UsageError(f"This needs a terminal, and standard {which} is not one.", instead)
    if os.environ.get("TERM") == "dumb":
        raise TerminalError("TERM=dumb says that this terminal cannot move its cursor.", instead)
    columns, rows = os.get_terminal_size(sys.stdout.fileno())
    # Some pseudo-terminals (serial lines, `script` without a terminal) report 0×0 for "unknown".
    if (columns, rows) != (0, 0) and too_small(columns, rows):
        raise TerminalError(
            f"The terminal is {columns}×{rows}, too small: {MIN_COLUMNS}×{MIN_ROWS} is the least.",
            "Enlarge it and try again.",
        )
