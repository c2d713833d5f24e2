"""Requests to the engine: the one JSON object that ``python -m engine`` takes. Viewers write them, so no torch.

``python -m engine '{"action": "run", "session": "a.wnt", "config": {"width": 200}}'`` trains without a screen.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from engine.config import RunConfig
from engine.errors import UsageError
from engine.paths import named_path

_USAGE = "The engine takes one argument: a request as a JSON object with an action. `wnt-tui --help` is for people."
_IN_JSON = {bool: (bool, "true or false"), int: (int, "a whole number"), Path: (str, "a path")}
"""By the type of a value, its type in JSON and in words; all others are objects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Any request; with ``debug`` errors show their tracebacks."""

    debug: bool = False

    def to_json(self) -> str:
        """One line of ASCII, also for paths that are no UTF-8; values that are the defaults are left out."""
        values = {spec.name: (getattr(self, spec.name), spec.default) for spec in fields(self)}
        given = {name: value for name, (value, default) in values.items() if value != default}
        return json.dumps({"action": type(self).__name__.lower(), **given}, default=_plain, allow_nan=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Training(Request):
    """A run of any beginning.

    Attributes:
        session: The session file to write.
        live: Whether to wait for viewers, paused, when the steps are done.
        plot: Whether to print plots of the run at its end.
        lock: An inherited descriptor of the session's lock.
    """

    session: Path
    live: bool = False
    plot: bool = False
    lock: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Training):
    """A new run."""

    config: RunConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume(Training):
    """The session's run goes on, to a step; to its own last one where none is given."""

    steps: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch(Training):
    """A new run begins at a step of another session, with options changed."""

    parent: Path
    step: int
    changes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify(Request):
    """A session is executed again and every row compared."""

    session: Path
    as_json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights(Request):
    """The weights of a recorded step are computed again and written to a new file."""

    session: Path
    step: int
    output: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSets(Request):
    """The data sets that can be used now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Download(Request):
    """CIFAR-10 is downloaded, into a folder or the usual place."""

    folder: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Doctor(Request):
    """The machine as torch finds it, as JSON."""


_KINDS = (Run, Resume, Branch, Verify, Weights, DataSets, Download, Doctor)
ACTIONS: dict[str, type[Request]] = {kind.__name__.lower(): kind for kind in _KINDS}


def parse_request(arguments: Sequence[str]) -> Request:
    """The request of a command line without the program's name, paths absolute; UsageError where it is none."""
    values = None
    with contextlib.suppress(ValueError, RecursionError):
        (text,) = arguments
        values = json.loads(text)
    if not isinstance(values, dict):
        raise UsageError("This is not one JSON object.", _USAGE)
    action = values.pop("action", None)
    kind = ACTIONS.get(action) if isinstance(action, str) else None
    if kind is None:
        raise UsageError(f"There is no action {action!r}.", f"Choose one of: {', '.join(ACTIONS)}.")
    specs, hints = {spec.name: spec for spec in fields(kind)}, get_type_hints(kind)
    if unknown := sorted(set(values) - set(specs)):
        raise UsageError(f"The request {action} takes no {unknown[0]!r}.", f"It takes: {', '.join(specs)}.")
    for name, spec in specs.items():
        if name not in values and spec.default is MISSING and spec.default_factory is MISSING:
            raise UsageError(f"The request {action} needs {name!r}.")
    return kind(**{name: _checked(name, value, hints[name]) for name, value in values.items()})


def _checked(name: str, value: Any, hint: Any) -> Any:
    """A value of a request in its declared type."""
    if hint is RunConfig and isinstance(value, dict):
        return RunConfig.from_mapping(value, origin="the request")
    if value is None and type(None) in get_args(hint):
        return None
    wanted = next((kind for kind in get_args(hint) if kind in _IN_JSON), hint)
    takes, words = _IN_JSON.get(wanted, (dict, "an object"))
    if type(value) is not takes or value == "":
        raise UsageError(f"The request's {name} is {value!r}.", f"It takes {words}.")
    return named_path(str(value)) if wanted is Path else value


def _plain(value: Any) -> Any:
    """A value of a type that JSON has not, as one that it has."""
    return value.to_dict() if isinstance(value, RunConfig) else str(value)
