"""The session file, the only interface between the engine and its viewers; needs neither torch nor a terminal."""

from __future__ import annotations

from engine.session.commands import send, wait
from engine.session.liveness import EngineLock, ViewerMark, engine_alive, viewer_attached
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
    "engine_alive",
    "plain_text",
    "send",
    "viewer_attached",
    "wait",
]
