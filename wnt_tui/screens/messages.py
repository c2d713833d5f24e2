"""What other threads tell the dashboard. A burst of snapshots collapses into the newest."""

from __future__ import annotations

from textual.message import Message

from engine.errors import WntError
from wnt_tui.commander import Outcome
from wnt_tui.snapshot import Snapshot


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
        return isinstance(message, SnapshotReady)


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


class CommandAnswered(Message):
    """The engine has answered a command.

    Args:
        outcome: What became of it.
    """

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome
