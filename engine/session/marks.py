"""Marks: a person's bookmarks at steps, with a note. Events like all others, and never taken back.

While an engine lives marks go through it, as a command; a session without one is written to directly, by a
transaction that adds one row and changes none.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from engine.errors import SessionError, UsageError
from engine.paths import shell_path
from engine.record import Event
from engine.session.commands import insert_row
from engine.session.opening import sentence_of
from engine.session.reader import SessionReader
from engine.session.recording import INSERT_EVENT, event_rows
from engine.session.text import plain_text

LONGEST_NOTE = 500
"""Characters of a note."""


def mark_event(step: int, note: str, last_step: int) -> Event:
    """A mark as an event; a UsageError where the step is not recorded."""
    if not 0 <= step <= last_step:
        recorded = f"Recorded are steps 0 to {last_step}." if last_step >= 0 else "No step is recorded yet."
        raise UsageError(f"Step {step} cannot be marked.", recorded)
    text = plain_text(note.strip(), limit=LONGEST_NOTE)
    return Event(step, "mark", text, data={"note": text})


def put_mark(path: str | Path, step: int, note: str = "") -> Event:
    """Mark a step of a session that no engine writes; a UsageError or SessionError where that cannot be."""
    with SessionReader(path) as reader:
        event = mark_event(step, note, reader.last_step())
    (row,) = event_rows(event, time.time()).rows
    try:
        insert_row(Path(path), INSERT_EVENT, row)
    except sqlite3.Error as error:
        raise SessionError(
            f"Cannot mark step {step} in {path}: {sentence_of(error)}.",
            f"`wnt-tui copy {shell_path(path)} FILE` makes a copy of your own to write notes in.",
        ) from None
    return event
