"""How the app ends: with an exit code and a sentence."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Farewell:
    """The app's result.

    Attributes:
        code: The exit code.
        sentence: What to print once the terminal is as it was before.
    """

    code: int
    sentence: str
