"""The dashboard's key that compares sessions, and the sessions that it watches for that."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from textual.message import Message

from wnt_tui.panels.overlay import LETTERS
from wnt_tui.screens.messages import CompanionReady, CompanionTrouble
from wnt_tui.session.snapshot import Snapshot
from wnt_tui.session.source import Deliveries, SessionSource
from wnt_tui.theme.themes import Palette
from wnt_tui.widgets.compared import ComparedLine
from wnt_tui.widgets.footer import Footer

if TYPE_CHECKING:
    from textual.screen import Screen

    _Base = Screen[None]
else:
    _Base = object


@dataclass(slots=True)
class Companion:
    """A session that the one on the screen is compared with.

    Attributes:
        path: The file.
        source: What watches it.
        snapshot: What was seen of it last, None before the first time.
    """

    path: Path
    source: SessionSource
    snapshot: Snapshot | None = None


class CompareKeys(_Base):
    """Mixed into the dashboard; it has the session, this the others."""

    path: Path
    palette: Palette
    snapshot: Snapshot | None
    opened_together: tuple[Path, ...] = ()
    _companions: list[Companion]

    if TYPE_CHECKING:

        @property
        def complete(self) -> bool:
            """Whether the dashboard's widgets are there."""

        @property
        def footer(self) -> Footer:
            """The footer."""

        def tell(self, message: Message) -> None:
            """Post a message from any thread."""

        def sessions_changed(self) -> None:
            """Take note that a session that is shown has changed."""

    @property
    def compared_paths(self) -> tuple[Path, ...]:
        """The sessions that the one on the screen is compared with."""
        return tuple(companion.path for companion in self._companions)

    @property
    def others(self) -> tuple[Snapshot, ...]:
        """What is known of them."""
        return tuple(each.snapshot for each in self._companions if each.snapshot is not None)

    def compare_with(self, paths: Iterable[Path]) -> None:
        """Watch sessions beside the one on the screen.

        Args:
            paths: The files; what is too many for the letters is left out, which is said.
        """
        wanted = [path for path in paths if path not in self.compared_paths and path != self.path]
        room = len(LETTERS) - 1 - len(self._companions)
        for path in wanted[: max(room, 0)]:
            companion = Companion(path, self._watched(path))
            self._companions.append(companion)
            companion.source.start()
        if len(wanted) > room:
            self.footer.say(
                f"{len(LETTERS)} sessions are compared at most: c takes one out, s goes to another", severity="warning"
            )

    def _watched(self, path: Path) -> SessionSource:
        return SessionSource(
            path,
            Deliveries(
                snapshot=lambda snapshot: self.tell(CompanionReady(path, snapshot)),
                trouble=lambda error: self.tell(CompanionTrouble(path, error)),
            ),
        )

    def take_out(self, path: Path) -> None:
        """Let go of a session that was compared.

        Args:
            path: The file.
        """
        for companion in [each for each in self._companions if each.path == path]:
            companion.source.close()
            self._companions.remove(companion)
        self.sessions_changed()

    def let_go_of_all(self) -> None:
        """Stop watching."""
        for companion in self._companions:
            companion.source.close()

    def show_compared(self) -> None:
        """Name the sessions where there are several."""
        line = self.query_one(ComparedLine)
        line.snapshots = () if self.snapshot is None else (self.snapshot, *self.others)
        self.set_class(bool(self.others), "-comparing")

    def on_companion_ready(self, message: CompanionReady) -> None:
        """Show a new state of a session that is compared."""
        for companion in self._companions:
            if companion.path == message.path:
                companion.snapshot = message.snapshot
                self.sessions_changed()

    def on_companion_trouble(self, message: CompanionTrouble) -> None:
        """A session that cannot be read cannot be compared."""
        if not self.complete:
            return
        self.take_out(message.path)
        self.footer.say(str(message.error), severity="error", lasting=True)

    def action_compare(self) -> None:
        """Choose a session to compare with, or one to take out."""
        if self.snapshot is None:
            return
        from wnt_tui.screens.compare import CompareScreen, candidates, parent_path

        meta = self.snapshot.meta
        offered = candidates(self.path, meta, (*self.compared_paths, *self.opened_together))
        parent = parent_path(self.path, meta)
        screen = CompareScreen(offered, self.compared_paths, parent, self.palette)
        self.app.push_screen(screen, self._chosen)

    def _chosen(self, path: Path | None) -> None:
        if path in self.compared_paths and path is not None:
            self.take_out(path)
        elif path is not None:
            self.compare_with([path])
