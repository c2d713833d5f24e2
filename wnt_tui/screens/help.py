"""Help: every key and every panel, from the key table and the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from engine.config import RunConfig
from wnt_tui.panels.panel import Panel
from wnt_tui.screens.dialog import Dialog, dialog_key
from wnt_tui.screens.keys import KEY_TABLE
from wnt_tui.theme.themes import Palette


def key_help(palette: Palette) -> Text:
    """The key table by group, a line a key."""
    glyphs = palette.glyphs
    text = Text()
    for group in dict.fromkeys(entry.group for entry in KEY_TABLE):
        text.append(f"{group}\n", palette.strong)
        for entry in KEY_TABLE:
            if entry.group == group and entry.meaning:
                text.append(f"  {glyphs.text(entry.shown):<10}", palette.cursor_label)
                text.append(f"{glyphs.text(entry.meaning)}\n", palette.text)
        text.append("\n")
    return text


class HelpPage(VerticalScroll):
    """One long page, with the keys of a pager."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", show=False),
        Binding("k", "scroll_up", show=False),
        Binding("space", "page_down", show=False),
        Binding("b", "page_up", show=False),
    ]

    def action_page_down(self) -> None:
        """Scroll by a page; its last lines stay in sight."""
        self.scroll_relative(y=max(1, self.size.height - 2), animate=False)

    def action_page_up(self) -> None:
        """Scroll back by a page; its first lines stay in sight."""
        self.scroll_relative(y=-max(1, self.size.height - 2), animate=False)


class HelpScreen(Dialog[None]):
    """Keys, the selected panel, then the other panels.

    Args:
        panels: All panels.
        selected: Place of the selected one, which comes first.
        config: The run, which decides what is a theorem.
        palette: Styles and characters.
    """

    BINDINGS: ClassVar[list[BindingType]] = [dialog_key("q,question_mark,f1,enter", "dismiss")]

    def __init__(self, panels: Sequence[Panel], selected: int, config: RunConfig | None, palette: Palette) -> None:
        super().__init__()
        self._ordered = [panels[selected], *panels[:selected], *panels[selected + 1 :]]
        self._config = config
        self._palette = palette

    def compose(self) -> ComposeResult:
        """Yield the page."""
        palette = self._palette
        with HelpPage(id="help-page") as page:
            page.border_title = palette.glyphs.text("help · esc closes")
            yield Static(key_help(palette))
            for panel in self._ordered:
                yield Static(panel.help(self._config), classes="panel-help")
