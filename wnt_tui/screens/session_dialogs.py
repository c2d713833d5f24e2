"""Lists of sessions over the dashboard: one to open, or one to compare with."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from engine.errors import SessionError
from engine.paths import existing_path, real_path, shown_path
from engine.session.live_sessions import live_sessions
from engine.session.locations import list_sessions
from wnt_tui.screens.dialog import ListDialog, dialog_key
from wnt_tui.session.summary import as_typed, summary_or_trouble
from wnt_tui.theme.themes import Palette

MOST_OFFERED = 200


class SessionDialog(ListDialog[Path | None]):
    """A list of sessions, by name at first and described as they are read; answers with one, or None.

    Args:
        paths: The sessions.
        palette: Styles and characters.
    """

    HEADING: ClassVar[str]
    NOTHING: ClassVar[str] = ""
    BINDINGS: ClassVar[list[BindingType]] = [dialog_key("q,s,c", "dismiss")]

    def __init__(self, paths: Sequence[Path], palette: Palette) -> None:
        super().__init__()
        self.paths = tuple(paths)
        self.palette = palette

    def compose(self) -> ComposeResult:
        """Yield a list, a line a session."""
        glyphs = self.palette.glyphs
        with Vertical(id="sessions-page") as page:
            page.border_title = glyphs.text(self.HEADING)
            if not self.paths:
                yield Static(glyphs.text(self.NOTHING))
            # markup=False: names come from files.
            yield OptionList(*(Option(glyphs.text(self.entry(path))) for path in self.paths), markup=False)

    def on_mount(self) -> None:
        """Highlight the first, and find out what they are meanwhile."""
        options = self.query_one(OptionList)
        options.display = bool(self.paths)
        if self.paths:
            options.highlighted = self.first()
            options.focus()
        self.describe_later(self._described, len(self.paths))

    def first(self) -> int:
        """Return the place that is highlighted at first."""
        return 0

    def session_name(self, path: Path) -> str:
        """Return a session's name."""
        return shown_path(path.stem)

    def entry(self, path: Path, words: str = "") -> str:
        """Return an entry of the list, from the words that describe its session, or before there are any."""
        return words or self.session_name(path)

    def _described(self, place: int) -> str:
        path = self.paths[place]
        summary = summary_or_trouble(path)
        parts = (self.session_name(path), summary.run, summary.branch, summary.progress, summary.words, summary.message)
        return self.palette.glyphs.text(self.entry(path, "   ".join(part for part in parts if part)))

    def chosen(self, place: int) -> None:
        """Answer with a session."""
        self.dismiss(self.paths[place])


class SessionsDialog(SessionDialog):
    """A session to open.

    Args:
        paths: The sessions.
        current: The one on the screen.
        palette: Styles and characters.
    """

    HEADING = "sessions · enter opens · esc closes"

    def __init__(self, paths: Sequence[Path], current: Path, palette: Palette) -> None:
        super().__init__(paths, palette)
        self._current = current

    def first(self) -> int:
        """Return the place of the session on the screen."""
        return self.paths.index(self._current)

    def session_name(self, path: Path) -> str:
        """Return a session's name, or its path where another has the same: living runs come from all folders."""
        alike = [each.stem for each in self.paths].count(path.stem) > 1
        return as_typed(path) if alike else super().session_name(path)


class CompareDialog(SessionDialog):
    """A session to add to the comparison, or to take out of it.

    Args:
        paths: The sessions.
        compared: Those that are compared already.
        parent: The parent of the session on the screen, where it is a branch.
        palette: Styles and characters.
    """

    HEADING = "compare with · enter adds, or takes out · esc closes"
    NOTHING = "there is no other session in this folder nor where sessions are kept"

    def __init__(
        self, paths: Sequence[Path], compared: Collection[Path], parent: Path | None, palette: Palette
    ) -> None:
        super().__init__(paths, palette)
        self._compared = frozenset(compared)
        self._parent_session = parent

    def entry(self, path: Path, words: str = "") -> str:
        """Return an entry of the list, with a mark if it is compared and a word if it is the parent."""
        sign = "✓ " if path in self._compared else "  "
        return f"{sign}{super().entry(path, words)}{'   (parent)' if path == self._parent_session else ''}"


def parent_path(path: Path, meta: Mapping[str, str]) -> Path | None:
    """Return the path of the session that a branch began from; None for no branch, or a parent that is not there."""
    named = meta.get("parent", "")
    if not named or "\0" in named:
        return None
    parent = existing_path(real_path(path).parent / named)
    # An untrusted file may name anything; what is no session is refused when it is opened.
    return parent if parent.suffix == ".wnt" and Path(parent).is_file() else None


def candidates(path: Path, meta: Mapping[str, str], opened: Iterable[Path]) -> list[Path]:
    """The sessions that one can be compared with.

    Args:
        path: The session.
        meta: Its meta table.
        opened: Sessions that were opened together with it.

    Returns:
        Each file once, without the session itself: its parent first, those opened together, living ones, those of
        its folder, and those of the usual one.
    """
    parent = parent_path(path, meta)
    found = [*([parent] if parent is not None else []), *opened, *live_sessions()]
    for folder in (path.parent, None):
        with contextlib.suppress(SessionError):  # one that cannot be read has nothing to offer
            found += list_sessions(folder)
    unique = {real_path(each): each for each in reversed(found)}
    unique.pop(real_path(path), None)
    known = set(unique.values())
    return [each for each in dict.fromkeys(found) if each in known][:MOST_OFFERED]
