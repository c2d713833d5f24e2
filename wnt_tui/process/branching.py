"""A branch as the viewer asks for it: options as they are typed, the file it goes to, the request to the engine."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from engine.config import RunConfig, absolute_paths, option_flag
from engine.data.sources import require_source
from engine.device.name import require_driver
from engine.errors import WntError
from engine.requests import Branch
from engine.session.changes import changed_config
from engine.session.liveness import EngineLock
from engine.session.reader import SessionReader
from engine.session.recorded import RecordedRun
from engine.session.reservation import reserve_session

_TRUTH = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}


@dataclass(frozen=True, slots=True)
class Branching:
    """A branch that somebody wants: the session to branch from, the step, and options that change, by name."""

    parent: Path
    step: int
    changes: Mapping[str, Any]

    def reserve(self, place: Path | None = None, *, debug: bool = False) -> tuple[Branch, EngineLock]:
        """The request to an engine, and the lock of its new file, beside the parent where no place is given."""
        config = _changed(self.parent, self.step, self.changes)
        require_driver(config.device)
        require_source(config)
        folder = self.parent.parent
        lock = reserve_session(config, folder if place is None and os.access(folder, os.W_OK | os.X_OK) else place)
        request = Branch(
            session=lock.session, parent=self.parent, step=self.step, changes=dict(self.changes), debug=debug
        )
        return request, lock


def parse_changes(parent: Path, step: int, text: str) -> dict[str, Any]:
    """Options as somebody types them: ``lr=0.005 break="pl < 1e-4"``; nothing at all changes nothing.

    Args:
        parent: The session to branch from.
        step: Where.
        text: What was typed.

    Returns:
        Values by name of option.

    Raises:
        ValueError: It makes no sense; the sentence says why.
    """
    hints = get_type_hints(RunConfig)
    known = {option_flag(spec.name)[2:]: spec.name for spec in fields(RunConfig)}
    changes: dict[str, Any] = {}
    for word in _words(text):
        flag, sign, value = word.partition("=")
        name = known.get(flag.lstrip("-").replace("_", "-"), "")
        if not sign or not name:
            raise ValueError(f"{word!r} is no option: type, for example, lr=0.005 steps=200.")
        changes[name] = _value(name, value, hints[name])
    changes = absolute_paths(changes)
    try:
        _changed(parent, step, changes)
    except WntError as error:
        raise ValueError(error.message) from None
    return changes


def _changed(parent: Path, step: int, changes: Mapping[str, Any]) -> RunConfig:
    """A branch's configuration; raises WntError where there is none."""
    with SessionReader(parent) as reader:
        recorded = RecordedRun(reader)
        recorded.require(step)
        return changed_config(recorded, step, changes)


def _words(text: str) -> list[str]:
    """Split as a shell does: a breakpoint has spaces in it."""
    try:
        return shlex.split(text)
    except ValueError:
        raise ValueError("A quotation mark is not closed.") from None


def _value(name: str, text: str, hint: Any) -> Any:
    if get_origin(hint) is not None and str in map(type, get_args(hint)):
        return text  # one of some words, which RunConfig knows
    kind = next((kind for kind in (get_args(hint) or (hint,)) if kind is not type(None)), str)
    if kind is bool:
        if text.lower() not in _TRUTH:
            raise ValueError(f"{name} takes true or false, not {text!r}.")
        return _TRUTH[text.lower()]
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"{name} takes a number, not {text!r}.") from None
