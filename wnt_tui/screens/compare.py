"""Which session to compare with: a branch's parent first, then those opened together, then all others."""

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
from engine.session.living import living_sessions
from engine.session.locations import list_sessions
from wnt_tui.screens.dialog import ListDialog, dialog_key
from wnt_tui.screens.sessions import describe
from wnt_tui.theme.themes import Palette

MOST_OFFERED = 200


def parent_path(path: Path, meta: Mapping[str, str]) -> Path | None:
    """Where the session that a branch began from lies.

    Args:
        path: The session.
        meta: What it says of itself.

    Returns:
        The parent's path, None where the session is no branch or its parent is not there.
    """
    named = meta.get("parent", "")
    if not named or "\0" in named:
        return None
    parent = existing_path(real_path(path).parent / named)
    # A stranger's file may name anything; what is no session is refused when it is opened.
    return parent if parent.suffix == ".wnt" and Path(parent).is_file() else None


def candidates(path: Path, meta: Mapping[str, str], opened: Iterable[Path]) -> list[Path]:
    """The sessions that one can be compared with.

    Args:
        path: The session.
        meta: What it says of itself.
        opened: Sessions that were opened together with it.

    Returns:
        Each file once, without the session itself: its parent first, those opened together, living ones, those of
        its folder, and those of the usual one.
    """
    parent = parent_path(path, meta)
    found = [*([parent] if parent is not None else []), *opened, *living_sessions()]
    for folder in (path.parent, None):
        with contextlib.suppress(SessionError):  # one that cannot be read has nothing to offer
            found += list_sessions(folder)
    unique = {real_path(each): each for each in reversed(found)}
    unique.pop(real_path(path), None)
    known = set(unique.values())
    return [each for each in dict.fromkeys(found) if each in known][:MOST_OFFERED]


class CompareScreen(ListDialog[Path | None]):
    """A list of sessions; answers with the one to add to the comparison, or to take out of it, or None.

    Args:
        paths: What is offered.
        compared: Those that are compared already.
        parent: The parent of the session on the screen, where it is a branch.
        palette: Styles and characters.
    """

    BINDINGS: ClassVar[list[BindingType]] = [dialog_key("q,c", "dismiss")]

    def __init__(
        self, paths: Sequence[Path], compared: Collection[Path], parent: Path | None, palette: Palette
    ) -> None:
        super().__init__()
        self._paths = tuple(paths)
        self._compared = frozenset(compared)
        self._parent_session = parent
        self._palette = palette

    def compose(self) -> ComposeResult:
        """Yield a list, a line a session, by name only at first."""
        glyphs = self._palette.glyphs
        with Vertical(id="sessions-page") as page:
            page.border_title = glyphs.text("compare with · enter adds, or takes out · esc closes")
            if not self._paths:
                yield Static(glyphs.text("there is no other session in this folder nor where sessions are kept"))
            # markup=False: names come from files.
            yield OptionList(
                *(Option(glyphs.text(self._line(path, shown_path(path.stem)))) for path in self._paths), markup=False
            )

    def on_mount(self) -> None:
        """Begin at the first, and find out what they are meanwhile."""
        options = self.query_one(OptionList)
        options.display = bool(self._paths)
        if self._paths:
            options.highlighted = 0
            options.focus()
        self.describe_later(self._described, len(self._paths))

    def _described(self, place: int) -> str:
        path = self._paths[place]
        return self._palette.glyphs.text(self._line(path, describe(path)))

    def _line(self, path: Path, words: str) -> str:
        sign = "✓ " if path in self._compared else "  "
        return f"{sign}{words}{'   (parent)' if path == self._parent_session else ''}"

    def chosen(self, place: int) -> None:
        """Answer with a session.

        Args:
            place: Which of the list.
        """
        self.dismiss(self._paths[place])
