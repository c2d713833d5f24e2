"""Errors a user can do something about: one sentence and a way out, never a traceback."""

from __future__ import annotations

from engine.paths import printable


class WntError(Exception):
    """A failure with a sentence for the person at the terminal.

    Args:
        message: What is wrong, in one sentence, naming the offending value.
        hint: The way out, in one sentence; may be empty.
    """

    exit_code: int = 1
    excerpt: str = ""
    """Lines that show where in a text it went wrong; may be empty. Not part of the sentence."""

    def __init__(self, message: str, hint: str = "") -> None:
        # Sentences quote what people and files said: names of files above all, which may hold anything.
        self.message = printable(message)
        self.hint = printable(hint)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class UsageError(WntError):
    """The command line, configuration file or data was asked for something impossible (exit code 2)."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration value is out of its domain."""


class DataError(UsageError):
    """A data set is missing, malformed or too small."""


class SessionError(WntError):
    """A session file cannot be opened, read or written."""


class DeviceError(WntError):
    """The requested device is missing, unusable or out of memory."""
