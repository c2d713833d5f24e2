"""What may be done about an engine that does not go on."""

from __future__ import annotations

import socket

from engine.session.rows import EngineRow


def remedy(engine: EngineRow) -> str:
    """How a living engine that gives no sign of life, or whose recording is blocked, may be made to go on.

    Args:
        engine: The engine.

    Returns:
        A sentence; empty if nothing keeps it from going on. A process is named on its own machine only: elsewhere
        its number is another's.
    """
    here = engine.host == socket.gethostname()
    if not engine.alive:
        return ""
    if engine.silent_since is not None:
        if here:
            return f"Where process {engine.pid} was stopped, `kill -CONT {engine.pid}` lets it go on."
        return f"Its process is on {engine.host or 'another machine'}: look for it there."
    if engine.blocked_since is not None:
        end = f"; `kill {engine.pid}` ends it with the rows that are saved" if here else ""
        return f"It goes on when the disk does{end}."
    return ""
