"""The sessions that the one on the screen is compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wnt_tui.panels.overlay import LETTERS
from wnt_tui.screens.messages import Post, SnapshotReady, SourceTrouble, source_of
from wnt_tui.session.snapshot import Snapshot
from wnt_tui.session.source import SessionSource
from wnt_tui.widgets.footer import Footer


@dataclass(eq=False)
class Comparison:
    """Sessions that are watched beside the one on the screen, in the order of their letters."""

    path: Path  # the session on the screen
    footer: Footer
    post: Post
    changed: Callable[[], None]  # called when one has changed or gone
    _newest: dict[SessionSource, Snapshot | None] = field(default_factory=dict)

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
        wanted = [path for path in paths if path not in (*self.paths, self.path)]
        room = max(len(LETTERS) - 1 - len(self._newest), 0)
        for path in wanted[:room]:
            source = source_of(path, self.post)
            self._newest[source] = None
            source.start()
        if len(wanted) > room:
            most = f"{len(LETTERS)} sessions are compared at most: c takes one out, s goes to another"
            self.footer.say(most, "warning")

    def update(self, message: SnapshotReady) -> None:
        """Take a session's new state, unless it is compared no more."""
        if message.source in self._newest:
            self._newest[message.source] = message.snapshot
            self.changed()

    def fail(self, message: SourceTrouble) -> None:
        """Take a session out that cannot be read, and say why."""
        self.remove(message.source.path)
        self.footer.say(str(message.error), "error", lasting=True)

    def remove(self, path: Path) -> None:
        """Stop watching a session."""
        for source in [source for source in self._newest if source.path == path]:
            source.close()
            del self._newest[source]
        self.changed()

    def close(self) -> None:
        """Stop watching all."""
        for source in self._newest:
            source.close()

    def choose(self, meta: Mapping[str, str], opened: Iterable[Path]) -> None:
        """Let a session be chosen, or one to take out: the parent in ``meta`` and those opened together come first."""
        from wnt_tui.screens.session_dialogs import SessionDialog, candidates, parent_path

        dialog = SessionDialog(
            candidates(self.path, meta, (*self.paths, *opened)),
            "compare with · enter adds, or takes out · esc closes",
            self.footer.palette,
            checked=self.paths,
            parent=parent_path(self.path, meta),
        )
        self.footer.app.push_screen(dialog, self._chosen)

    def _chosen(self, path: Path | None) -> None:
        if path in self.paths and path is not None:
            self.remove(path)
        elif path is not None:
            self.add([path])
