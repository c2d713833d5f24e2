"""Which commands there are and what they take; checked where they are sent and where they are obeyed."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping

from engine.breakpoints import parse
from engine.errors import UsageError
from engine.session.rows import Argument
from engine.session.schema import LARGEST_STEP

COMMAND_NAMES = ("pause", "resume", "step", "stop", "lr", "checkpoint", "rewind", "break", "clear", "mark")

_MOST_STEPS = 2**31
_TAKES: Mapping[str, frozenset[str]] = {
    "step": frozenset({"n"}),
    "lr": frozenset({"lr"}),
    "rewind": frozenset({"step"}),
    "break": frozenset({"condition"}),
    "clear": frozenset({"condition"}),
    "mark": frozenset({"step", "note"}),
}


def check_arguments(name: str, arguments: Mapping[str, Argument]) -> dict[str, Argument]:
    """Check a command before it is sent, or after it was read.

    Args:
        name: ``pause``, ``resume``, ``stop`` and ``checkpoint`` take nothing; ``step`` takes ``n`` ≥ 1 (1 if absent);
            ``lr`` takes ``lr``, finite and above 0; ``rewind`` takes ``step`` ≥ 0; ``break`` and ``clear`` take
            ``condition``, a breakpoint; ``mark`` takes ``step`` and a ``note``, which may be absent.
        arguments: Its arguments by name.

    Returns:
        The complete arguments.

    Raises:
        UsageError: There is no such command, or an argument is missing, unknown or out of its domain.
    """
    if name not in COMMAND_NAMES:
        raise UsageError(f"There is no command {name!r}.", f"Choose one of: {', '.join(COMMAND_NAMES)}.")
    unknown = sorted(set(arguments) - _TAKES.get(name, frozenset()))
    if unknown:
        raise UsageError(f"{name} takes no argument {unknown[0]!r}.")
    if name == "step":
        return {"n": _steps(arguments.get("n", 1))}
    if name == "lr":
        return {"lr": _learning_rate(arguments.get("lr"))}
    if name == "rewind":
        return {"step": _step(name, arguments.get("step"))}
    if name in {"break", "clear"}:
        return {"condition": parse(_text(name, arguments.get("condition"))).text}
    if name == "mark":
        return {"step": _step(name, arguments.get("step")), "note": _text(name, arguments.get("note", ""))}
    return {}


def _steps(value: Argument) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MOST_STEPS:
        raise UsageError(f"step takes a whole number of steps, at least 1, not {value!r}.")
    return value


def _step(name: str, value: Argument) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_STEP:
        raise UsageError(f"{name} takes a step, a whole number from 0, not {value!r}.")
    return value


def _learning_rate(value: Argument) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf:
        with contextlib.suppress(OverflowError):  # an integer beyond floats
            return float(value)
    raise UsageError(f"lr takes a finite number above 0, not {value!r}.")


def _text(name: str, value: Argument) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{name} takes text, not {value!r}.")
    return value
