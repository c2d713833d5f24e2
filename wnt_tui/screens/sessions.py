"""The choice among the sessions that were opened together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from engine.paths import shown_path
from wnt_tui.screens.dialog import ListDialog, dialog_key
from wnt_tui.session.summary import as_typed, summary_or_trouble
from wnt_tui.theme.themes import Palette


def describe(path: Path, name: str = "") -> str:
    """Return one line about a session, or why it cannot be opened."""
    summary = summary_or_trouble(path)
    return "   ".join(
        part
        for part in (
            name or shown_path(path.stem),
            summary.run,
            summary.branch,
            summary.progress,
            summary.words,
            summary.message,
        )
        if part
    )


class SessionsScreen(ListDialog[Path | None]):
    """A list to choose from; answers with a path, or None.

    Args:
        paths: The sessions.
        current: The one on the screen.
        palette: Styles and characters.
    """

    BINDINGS: ClassVar[list[BindingType]] = [dialog_key("q,s", "dismiss")]

    def __init__(self, paths: Sequence[Path], current: Path, palette: Palette) -> None:
        super().__init__()
        self._paths = tuple(paths)
        self._current = current
        self._palette = palette

    def compose(self) -> ComposeResult:
        """Yield a list, a line a session."""
        glyphs = self._palette.glyphs
        with Vertical(id="sessions-page") as page:
            page.border_title = glyphs.text("sessions · enter opens · esc closes")
            # markup=False: names come from files.
            yield OptionList(*(Option(glyphs.text(self._called(path))) for path in self._paths), markup=False)

    def _called(self, path: Path) -> str:
        # Living runs come from all folders: two of one name are told apart by where they lie.
        alike = [each.stem for each in self._paths].count(path.stem) > 1
        return as_typed(path) if alike else shown_path(path.stem)

    def _described(self, place: int) -> str:
        path = self._paths[place]
        return self._palette.glyphs.text(describe(path, self._called(path)))

    def on_mount(self) -> None:
        """Begin at the session that is on the screen."""
        options = self.query_one(OptionList)
        options.highlighted = self._paths.index(self._current)
        options.focus()
        self.describe_later(self._described, len(self._paths))

    def chosen(self, place: int) -> None:
        """Open a session.

        Args:
            place: Which of the list.
        """
        self.dismiss(self._paths[place])
