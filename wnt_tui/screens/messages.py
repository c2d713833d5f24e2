"""Messages from other threads to the dashboard. A burst of snapshots collapses into the newest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from textual.message import Message

from engine.errors import WntError
from wnt_tui.process.command_sender import CommandOutcome
from wnt_tui.session.snapshot import Snapshot
from wnt_tui.session.source import Deliveries, SessionSource

Post = Callable[[Message], None]
"""Posts a message to the dashboard, from any thread."""


@dataclass(eq=False)
class SnapshotReady(Message):
    """A session has changed: the source that has read it, and its new state."""

    source: SessionSource
    snapshot: Snapshot

    def can_replace(self, message: Message) -> bool:
        """Whether the other is an older snapshot of the same session that is still waiting."""
        return isinstance(message, SnapshotReady) and message.source is self.source


@dataclass(eq=False)
class SourceTrouble(Message):
    """A session cannot be read: the source that has tried, and why."""

    source: SessionSource
    error: WntError


@dataclass(eq=False)
class CommandAnswered(Message):
    """The engine has answered a command."""

    outcome: CommandOutcome


class ViewChanged(Message):
    """The cursor, the layer or the snapshot has changed and the panels are to be drawn."""

    def can_replace(self, message: Message) -> bool:
        """Whether the other is one too: however often the view changed, it is drawn once."""
        return isinstance(message, ViewChanged)


def source_of(path: Path, post: Post, *, awaited: bool = False) -> SessionSource:
    """A source that posts what it finds; ``awaited`` if the file may still be to come."""
    deliveries = Deliveries(
        snapshot=lambda snapshot: post(SnapshotReady(source, snapshot)),
        trouble=lambda error: post(SourceTrouble(source, error)),
    )
    source = SessionSource(path, deliveries, awaited=awaited)
    return source
