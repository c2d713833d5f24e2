"""Which commands there are and what they take; checked where they are sent and where they are obeyed."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping

from engine.errors import UsageError
from engine.session.rows import Argument
from engine.session.schema import LARGEST_STEP

COMMAND_NAMES = ("pause", "resume", "step", "stop", "lr", "checkpoint", "rewind")

_MOST_STEPS = 2**31


def check_arguments(name: str, arguments: Mapping[str, Argument]) -> dict[str, Argument]:
    """Check a command before it is sent, or after it was read.

    Args:
        name: ``pause``, ``resume``, ``stop`` and ``checkpoint`` take nothing; ``step`` takes ``n`` ≥ 1 (1 if absent);
            ``lr`` takes ``lr``, finite and above 0; ``rewind`` takes ``step`` ≥ 0.
        arguments: Its arguments by name.

    Returns:
        The complete arguments.

    Raises:
        UsageError: There is no such command, or an argument is missing, unknown or out of its domain.
    """
    if name not in COMMAND_NAMES:
        raise UsageError(f"There is no command {name!r}.", f"Choose one of: {', '.join(COMMAND_NAMES)}.")
    takes = {"step": "n", "lr": "lr", "rewind": "step"}.get(name)
    unknown = sorted(set(arguments) - {takes})
    if unknown:
        raise UsageError(f"{name} takes no argument {unknown[0]!r}.")
    if name == "step":
        return {"n": _steps(arguments.get("n", 1))}
    if name == "lr":
        return {"lr": _learning_rate(arguments.get("lr"))}
    if name == "rewind":
        return {"step": _step(arguments.get("step"))}
    return {}


def _steps(value: Argument) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MOST_STEPS:
        raise UsageError(f"step takes a whole number of steps, at least 1, not {value!r}.")
    return value


def _step(value: Argument) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_STEP:
        raise UsageError(f"rewind takes a step, a whole number from 0, not {value!r}.")
    return value


def _learning_rate(value: Argument) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf:
        with contextlib.suppress(OverflowError):  # an integer beyond floats
            return float(value)
    raise UsageError(f"lr takes a finite number above 0, not {value!r}.")
