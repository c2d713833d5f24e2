"""A list of sessions over the dashboard, and the sessions that one can be compared with."""

from __future__ import annotations

import contextlib
import threading
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
        heading: The title, which says what enter does.
        palette: Styles and characters.
        checked: Those that have a mark; None where none can have one.
        parent: The one that the session on the screen branches from.
    """

    BINDINGS: ClassVar[list[BindingType]] = [dialog_key("q,s,c", "dismiss")]

    def __init__(
        self,
        paths: Sequence[Path],
        heading: str,
        palette: Palette,
        *,
        checked: Collection[Path] | None = None,
        parent: Path | None = None,
    ) -> None:
        super().__init__()
        self._paths = tuple(paths)
        self._heading = heading
        self._palette = palette
        self._checked = checked
        self._parent_session = parent

    def compose(self) -> ComposeResult:
        """Yield a list, a line a session."""
        glyphs = self._palette.glyphs
        with Vertical(id="sessions-page") as page:
            page.border_title = glyphs.text(self._heading)
            if not self._paths:
                yield Static(glyphs.text("there is no other session in this folder nor where sessions are kept"))
            # markup=False: names come from files.
            yield OptionList(*(Option(self._entry(path, self._called(path))) for path in self._paths), markup=False)

    def on_mount(self) -> None:
        """Highlight the first, and find out what they are meanwhile."""
        options = self.query_one(OptionList)
        options.display = bool(self._paths)
        if self._paths:
            options.highlighted = 0
            self.set_focus(options)
        # Off the keyboard's way: disks may be slow. A daemon and no worker: a read that hangs must not keep the program
        # from ending.
        threading.Thread(target=self._describe_all, name="describe", daemon=True).start()

    def _called(self, path: Path) -> str:
        # Live runs come from all folders: two of one name differ by where they lie.
        alike = [each.stem for each in self._paths].count(path.stem) > 1
        return as_typed(path) if alike else shown_path(path.stem)

    def _entry(self, path: Path, words: str) -> str:
        sign = "" if self._checked is None else "✓ " if path in self._checked else "  "
        return self._palette.glyphs.text(f"{sign}{words}{'   (parent)' if path == self._parent_session else ''}")

    def _describe_all(self) -> None:
        for place, path in enumerate(self._paths):
            if not self.is_attached:
                return
            summary = summary_or_trouble(path)
            parts = (self._called(path), summary.run, summary.branch, summary.progress, summary.words, summary.message)
            self.call_later(self._describe, place, self._entry(path, "   ".join(part for part in parts if part)))

    def _describe(self, place: int, entry: str) -> None:
        for options in self.query(OptionList):
            options.replace_option_prompt_at_index(place, entry)

    def chosen(self, place: int) -> None:
        """Answer with a session."""
        self.dismiss(self._paths[place])


def parent_path(path: Path, meta: Mapping[str, str]) -> Path | None:
    """The path of the session that a branch began from; None for no branch, or a parent that is not there."""
    named = meta.get("parent", "")
    if not named or "\0" in named:
        return None
    parent = existing_path(real_path(path).parent / named)
    # An untrusted file may name anything; what is no session is refused when it is opened.
    return parent if parent.suffix == ".wnt" and Path(parent).is_file() else None


def candidates(path: Path, meta: Mapping[str, str], opened: Iterable[Path]) -> list[Path]:
    """The sessions that one can be compared with, each file once: its parent, those opened together, others."""
    # Live ones, those of its folder, and those of the usual one come last.
    parent = parent_path(path, meta)
    found = [*([parent] if parent is not None else []), *opened, *live_sessions()]
    for folder in (path.parent, None):
        with contextlib.suppress(SessionError):  # one that cannot be read has nothing to offer
            found += list_sessions(folder)
    unique = {real_path(each): each for each in reversed(found)}
    unique.pop(real_path(path), None)
    known = set(unique.values())
    return [each for each in dict.fromkeys(found) if each in known][:MOST_OFFERED]
