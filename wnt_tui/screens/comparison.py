"""The sessions that the one on the screen is compared with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from wnt_tui.panels.overlay import LETTERS
from wnt_tui.screens.messages import Post, source_of
from wnt_tui.session.snapshot import Snapshot
from wnt_tui.session.source import SessionSource
from wnt_tui.widgets.footer import Footer


class Comparison:
    """Sessions that are watched beside the one on the screen, in the order of their letters.

    Args:
        path: The session on the screen.
        footer: For notices.
        post: For the messages of their sources.
    """

    def __init__(self, path: Path, footer: Footer, post: Post) -> None:
        self._path = path
        self._footer = footer
        self._post = post
        self._newest: dict[SessionSource, Snapshot | None] = {}

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files."""
        return tuple(source.path for source in self._newest)

    @property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """The newest state of each that has been read."""
        return tuple(snapshot for snapshot in self._newest.values() if snapshot is not None)

    def add(self, paths: Iterable[Path]) -> None:
        """Watch sessions; more than there are letters for are left out, which is said."""
        wanted = [path for path in paths if path not in (*self.paths, self._path)]
        room = len(LETTERS) - 1 - len(self._newest)
        for path in wanted[: max(room, 0)]:
            source = source_of(path, self._post)
            self._newest[source] = None
            source.start()
        if len(wanted) > room:
            most = f"{len(LETTERS)} sessions are compared at most: c takes one out, s goes to another"
            self._footer.say(most, "warning")

    def update(self, source: SessionSource, snapshot: Snapshot) -> None:
        """Take a session's new state, unless it is compared no more."""
        if source in self._newest:
            self._newest[source] = snapshot

    def remove(self, path: Path) -> None:
        """Stop watching a session."""
        for source in [source for source in self._newest if source.path == path]:
            source.close()
            del self._newest[source]

    def close(self) -> None:
        """Stop watching all."""
        for path in self.paths:
            self.remove(path)
