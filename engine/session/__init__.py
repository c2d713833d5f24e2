"""The session file, the only interface between the engine and its viewers; needs no torch and no terminal."""

from __future__ import annotations

from engine.session.commands import send, wait
from engine.session.copy import copy_session
from engine.session.export import export_csv, export_json
from engine.session.liveness import EngineLock, ViewerMark, engine_alive, viewer_attached
from engine.session.living import living_sessions, register, unregister
from engine.session.marks import mark_event, put_mark
from engine.session.paths import list_sessions, new_session_path, resolve_session, sessions_folder
from engine.session.reader import SessionReader
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
    "new_session_path",
    "plain_text",
    "put_mark",
    "register",
    "resolve_session",
    "send",
    "sessions_folder",
    "unregister",
    "viewer_attached",
    "wait",
]
