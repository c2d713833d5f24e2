"""Which commands there are and what they take; checked where they are sent and where they are carried out.

A new command is an entry here and a method of :class:`engine.runner.command_handler.CommandHandler`.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.breakpoints import parse
from engine.errors import UsageError
from engine.session.schema import LARGEST_STEP

if TYPE_CHECKING:
    from engine.session.rows import Argument

_MOST_STEPS = 2**31


def _steps(name: str, value: Argument) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MOST_STEPS:
        raise UsageError(f"{name} takes a whole number of steps, at least 1, not {value!r}.")
    return value


def _step(name: str, value: Argument) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_STEP:
        raise UsageError(f"{name} takes a step, a whole number from 0, not {value!r}.")
    return value


def _learning_rate(name: str, value: Argument) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf:
        with contextlib.suppress(OverflowError):  # an integer beyond floats
            return float(value)
    raise UsageError(f"{name} takes a finite number above 0, not {value!r}.")


def _text(name: str, value: Argument) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{name} takes text, not {value!r}.")
    return value


def _condition(name: str, value: Argument) -> str:
    return parse(_text(name, value)).text


@dataclass(frozen=True, slots=True)
class CommandKind:
    """A kind of command and its arguments.

    Attributes:
        help: What the command line's command of this name does; empty where it has none, or one of its own.
        checks: By name of argument, the function that returns its checked value or raises UsageError.
        defaults: Arguments that may be absent.
    """

    help: str = ""
    checks: Mapping[str, Callable[[str, Any], Argument]] = field(default_factory=dict)
    defaults: Mapping[str, Argument] = field(default_factory=dict)


COMMANDS: dict[str, CommandKind] = {
    "pause": CommandKind("Pause after the step at hand."),
    "resume": CommandKind(),
    "step": CommandKind(checks={"n": _steps}, defaults={"n": 1}),
    "stop": CommandKind("Stop after the step at hand and save."),
    "lr": CommandKind(checks={"lr": _learning_rate}),
    "checkpoint": CommandKind("Have a running engine keep a checkpoint of its step."),
    "spectra": CommandKind(),
    "rewind": CommandKind(checks={"step": _step}),
    "break": CommandKind(checks={"condition": _condition}),
    "clear": CommandKind(checks={"condition": _condition}),
    "mark": CommandKind(checks={"step": _step, "note": _text}, defaults={"note": ""}),
}
COMMAND_NAMES = tuple(COMMANDS)


def check_arguments(name: str, arguments: Mapping[str, Argument]) -> dict[str, Argument]:
    """The complete arguments of a command; a UsageError where a name or value makes no sense."""
    kind = COMMANDS.get(name)
    if kind is None:
        raise UsageError(f"There is no command {name!r}.", f"Choose one of: {', '.join(COMMANDS)}.")
    if unknown := sorted(set(arguments) - set(kind.checks)):
        raise UsageError(f"{name} takes no argument {unknown[0]!r}.")
    given = {**kind.defaults, **arguments}
    return {argument: check(name, given.get(argument)) for argument, check in kind.checks.items()}
