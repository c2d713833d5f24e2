"""What is wrong with the text of a breakpoint, and where."""

from __future__ import annotations

from engine.errors import ConfigError


class BreakpointError(ConfigError):
    """A breakpoint cannot be read, or can never be reached in its run.

    Args:
        text: The text of the breakpoint.
        column: Where it goes wrong, from 1.
        reason: What is wrong there, a phrase.
        hint: The way out, in one sentence.
    """

    def __init__(self, text: str, column: int, reason: str, hint: str = "") -> None:
        super().__init__(f"Breakpoint {text!r}, column {column}: {reason}.", hint)
        self.text = text
        self.column = column
        self.reason = reason
        self.excerpt = f"{text}\n{' ' * (column - 1)}^"
