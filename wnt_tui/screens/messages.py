"""Messages from other threads to the dashboard. A burst of snapshots collapses into the newest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from textual.message import Message

from engine.errors import WntError
from wnt_tui.process.command_sender import CommandOutcome
from wnt_tui.session.snapshot import Snapshot
from wnt_tui.session.source import Deliveries, SessionSource

Post = Callable[[Message], None]
"""Posts a message to the dashboard, from any thread."""


class SnapshotReady(Message):
    """A session has changed.

    Args:
        source: The source that has read it.
        snapshot: Its new state.
    """

    def __init__(self, source: SessionSource, snapshot: Snapshot) -> None:
        super().__init__()
        self.source = source
        self.snapshot = snapshot

    def can_replace(self, message: Message) -> bool:
        """Return whether the other is an older snapshot of the same session that is still waiting."""
        return isinstance(message, SnapshotReady) and message.source is self.source


class SourceTrouble(Message):
    """A session cannot be read.

    Args:
        source: The source that has tried.
        error: Why.
    """

    def __init__(self, source: SessionSource, error: WntError) -> None:
        super().__init__()
        self.source = source
        self.error = error


class CommandAnswered(Message):
    """The engine has answered a command.

    Args:
        outcome: Its answer.
    """

    def __init__(self, outcome: CommandOutcome) -> None:
        super().__init__()
        self.outcome = outcome


class ViewChanged(Message):
    """The cursor, the layer or the snapshot has changed and the panels are to be drawn."""

    def can_replace(self, message: Message) -> bool:
        """Return whether the other is one too: however often the view changed, it is drawn once."""
        return isinstance(message, ViewChanged)


def source_of(path: Path, post: Post, *, awaited: bool = False) -> SessionSource:
    """Return a source that posts what it finds; ``awaited`` if the file may still be to come."""
    deliveries = Deliveries(
        snapshot=lambda snapshot: post(SnapshotReady(source, snapshot)),
        trouble=lambda error: post(SourceTrouble(source, error)),
    )
    source = SessionSource(path, deliveries, awaited=awaited)
    return source
