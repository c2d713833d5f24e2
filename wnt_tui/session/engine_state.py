"""An engine's state in words: what keeps a run from going on is said with a time, and never looks like running."""

from __future__ import annotations

import time

from engine.session.rows import EngineRow
from engine.session.text import clock
from wnt_tui.session.snapshot import EngineView

BUSY_SECONDS = 30.0
"""A step that takes longer is reported."""


def engine_view(row: EngineRow, *, seen: bool = True) -> EngineView:
    """What is shown of an engine; equal to the one before as long as nothing has changed."""
    overdue = row.alive and row.state == "running" and row.since is not None and time.time() - row.since > BUSY_SECONDS
    return EngineView(
        row.alive,
        row.state,
        row.message,
        row.device,
        row.blocked_since,
        row.step,
        paused_since=row.since if row.state == "paused" else None,
        busy_since=row.since if overdue else None,
        silent_since=row.silent_since,
        sees_viewer=seen,
    )


def goes_on(engine: EngineView) -> bool:
    """Whether steps follow each other, so that a speed and a time left mean something."""
    hindered = (engine.blocked_since, engine.busy_since, engine.silent_since)
    return engine.alive and engine.state == "running" and all(since is None for since in hindered)


def blocked_phrase(engine: EngineView) -> str:
    """Since when a living engine waits for the disk; empty if it does not, or gives no sign of life."""
    if not engine.alive or engine.blocked_since is None or engine.silent_since is not None:
        return ""
    return f"recording blocked since {clock(engine.blocked_since)}"


def hindrance(engine: EngineView) -> str:
    """What keeps an engine from going on, with a time, empty where nothing does; a pause counts too."""
    if engine.state == "died":
        return "died" if engine.silent_since is None else f"died, last sign of life {clock(engine.silent_since)}"
    if not engine.alive:
        return ""
    if engine.silent_since is not None:
        return f"no sign of life since {clock(engine.silent_since)}"
    if engine.blocked_since is not None:
        return blocked_phrase(engine)
    if engine.paused_since is not None:
        return f"live paused since {clock(engine.paused_since)}"
    if engine.busy_since is not None:
        return f"live busy with a step since {clock(engine.busy_since)}"
    return ""
