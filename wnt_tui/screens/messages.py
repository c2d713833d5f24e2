"""What other threads tell the dashboard. A burst of snapshots collapses into the newest."""

from __future__ import annotations

from pathlib import Path

from textual.message import Message

from engine.errors import WntError
from wnt_tui.process.command_sender import CommandOutcome
from wnt_tui.session.snapshot import Snapshot


class SnapshotReady(Message):
    """The session has changed.

    Args:
        snapshot: What it is now.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__()
        self.snapshot = snapshot

    def can_replace(self, message: Message) -> bool:
        """Return whether the other is an older snapshot that is still waiting: it is superfluous."""
        return type(message) is type(self)


class OriginReady(SnapshotReady):
    """The session that this one branches from was read, to be looked at while the branch's engine starts."""


class ViewChanged(Message):
    """The cursor, the layer or the snapshot has changed and the panels are to be drawn."""

    def can_replace(self, message: Message) -> bool:
        """Return whether the other is one too: however often the view changed, it is drawn once."""
        return isinstance(message, ViewChanged)


class SourceTrouble(Message):
    """The session cannot be read.

    Args:
        error: Why.
    """

    def __init__(self, error: WntError) -> None:
        super().__init__()
        self.error = error


class CompanionReady(Message):
    """A session that is compared has changed.

    Args:
        path: The file.
        snapshot: What it is now.
    """

    def __init__(self, path: Path, snapshot: Snapshot) -> None:
        super().__init__()
        self.path = path
        self.snapshot = snapshot

    def can_replace(self, message: Message) -> bool:
        """Return whether the other is an older snapshot of the same session that is still waiting."""
        return isinstance(message, CompanionReady) and message.path == self.path


class CompanionTrouble(Message):
    """A session that is compared cannot be read.

    Args:
        path: The file.
        error: Why.
    """

    def __init__(self, path: Path, error: WntError) -> None:
        super().__init__()
        self.path = path
        self.error = error


class CommandAnswered(Message):
    """The engine has answered a command.

    Args:
        outcome: What became of it.
    """

    def __init__(self, outcome: CommandOutcome) -> None:
        super().__init__()
        self.outcome = outcome
