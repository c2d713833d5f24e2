"""The session file, the only interface between the engine and its viewers; needs no torch and no terminal.

The names below are imported on first use (PEP 562): a viewer reads sessions and must not wait for what writes them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.session.commands import send, wait
    from engine.session.copy import copy_session
    from engine.session.export import export_csv, export_json
    from engine.session.liveness import EngineLock, ViewerMark, engine_alive, viewer_attached
    from engine.session.living import living_sessions, register, unregister
    from engine.session.locations import list_sessions, resolve_session, sessions_folder
    from engine.session.marks import mark_event, put_mark
    from engine.session.reader import SessionReader
    from engine.session.reservation import reserve_session
    from engine.session.rows import (
        Command,
        CommandAnswer,
        CommandState,
        EngineRow,
        EventRow,
        LayerBlocks,
        LayerRows,
        Tensor,
    )
    from engine.session.text import plain_text
    from engine.session.vocabulary import COMMAND_NAMES
    from engine.session.writer import SessionWriter

__all__ = [
    "COMMAND_NAMES",
    "Command",
    "CommandAnswer",
    "CommandState",
    "EngineLock",
    "EngineRow",
    "EventRow",
    "LayerBlocks",
    "LayerRows",
    "SessionReader",
    "SessionWriter",
    "Tensor",
    "ViewerMark",
    "copy_session",
    "engine_alive",
    "export_csv",
    "export_json",
    "list_sessions",
    "living_sessions",
    "mark_event",
    "plain_text",
    "put_mark",
    "register",
    "reserve_session",
    "resolve_session",
    "send",
    "sessions_folder",
    "unregister",
    "viewer_attached",
    "wait",
]

_HOME = {
    "COMMAND_NAMES": "vocabulary",
    "Command": "rows",
    "CommandAnswer": "rows",
    "CommandState": "rows",
    "EngineLock": "liveness",
    "EngineRow": "rows",
    "EventRow": "rows",
    "LayerBlocks": "rows",
    "LayerRows": "rows",
    "SessionReader": "reader",
    "SessionWriter": "writer",
    "Tensor": "rows",
    "ViewerMark": "liveness",
    "copy_session": "copy",
    "engine_alive": "liveness",
    "export_csv": "export",
    "export_json": "export",
    "list_sessions": "locations",
    "living_sessions": "living",
    "mark_event": "marks",
    "plain_text": "text",
    "put_mark": "marks",
    "register": "living",
    "reserve_session": "reservation",
    "resolve_session": "locations",
    "send": "commands",
    "sessions_folder": "locations",
    "unregister": "living",
    "viewer_attached": "liveness",
    "wait": "commands",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"engine.session.{_HOME[name]}"), name)
    raise AttributeError(f"module 'engine.session' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
