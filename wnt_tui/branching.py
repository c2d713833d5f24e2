"""A branch as the viewer asks for it: options as they are typed, the file it goes to, the engine that makes it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from engine.config import RunConfig
from engine.errors import SessionError, WntError
from engine.history.changes import changed_config
from engine.history.recorded import RecordedRun
from engine.session.paths import new_session_path
from engine.session.reader import SessionReader

_TRUTH = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}


@dataclass(frozen=True, slots=True)
class Branching:
    """A branch that somebody wants.

    Attributes:
        parent: The session to branch from.
        step: Where.
        changes: Options that change, by name.
    """

    parent: Path
    step: int
    changes: Mapping[str, Any]


def branch_place(parent: Path, step: int, changes: Mapping[str, Any], asked: Path | None = None) -> Path:
    """The file that a branch records in; what cannot be is refused here, where a sentence can still be read.

    Args:
        parent: The session to branch from.
        step: Where.
        changes: Options that change, by name.
        asked: What ``--session`` said; None is a fresh name beside the parent, or in the usual place.

    Returns:
        An absolute path at which there is nothing.
    """
    with SessionReader(parent) as reader:
        recorded = RecordedRun(reader)
        recorded.require(step)
        config = changed_config(recorded, step, changes)
    beside = parent.parent if asked is None and os.access(parent.parent, os.W_OK | os.X_OK) else asked
    return writable(new_session_path(config, beside).absolute())


def branch_arguments(parent: Path, step: int, changes: Mapping[str, Any], path: Path) -> list[str]:
    """What tells an engine to branch.

    Args:
        parent: The session to branch from.
        step: Where.
        changes: Options that change, by name.
        path: The file it records in.

    Returns:
        Arguments for ``python -m engine run`` and ``live``.
    """
    words = json.dumps(dict(changes), ensure_ascii=False)
    return ["--branch", str(parent), "--step", str(step), "--changes", words, "--session", str(path)]


def parse_changes(parent: Path, step: int, text: str) -> dict[str, Any]:
    """Options as somebody types them: ``lr=0.005 loss=cross_entropy``; nothing at all changes nothing.

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
    known = {spec.name for spec in fields(RunConfig)}
    changes: dict[str, Any] = {}
    for word in text.split():
        name, sign, value = word.partition("=")
        name = name.lstrip("-").replace("-", "_")
        if not sign or name not in known:
            raise ValueError(f"{word!r} is no option: type, for example, lr=0.005 steps=200.")
        changes[name] = _value(name, value, hints[name])
    try:
        with SessionReader(parent) as reader:
            changed_config(RecordedRun(reader), step, changes)
    except WntError as error:
        raise ValueError(error.message) from None
    return changes


def writable(path: Path) -> Path:
    """Refuse a path in a folder that may not be written to.

    Args:
        path: Where a new session is to be.

    Returns:
        The path.

    Raises:
        SessionError: The folder is closed.
    """
    # Asked here, where a sentence can still be read, and not by an engine that has no terminal.
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise SessionError(
            f"The folder {path.parent} is not writable.",
            "Choose another place with --session PATH, or set WNT_SESSIONS.",
        )
    return path


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
