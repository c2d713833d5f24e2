"""The Textual widget of one panel.

It is drawn when it is on the screen and what it shows has changed; only rows that differ are repainted.
"""

from __future__ import annotations

from dataclasses import replace

from textual import events
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from engine.theory.pairings import Estimator
from wnt_tui.panels.panel import Panel
from wnt_tui.session.snapshot import PanelView, Snapshot
from wnt_tui.theme.themes import Palette


class PanelWidget(Widget, can_focus=True):
    """One panel in a border, with its number and title above and exact values below.

    Args:
        panel: What it shows.
        palette: Styles and glyphs.
        id: Widget id; ``panel-<key>`` by default.
    """

    DEFAULT_CSS = """
    PanelWidget {
        border: round $border-blurred;
        border-title-color: $foreground 80%;
        border-title-style: none;
        border-subtitle-color: $foreground 65%;
        border-subtitle-align: left;
        background: $background;
        height: 1fr;
        width: 1fr;
    }
    PanelWidget:focus { border: round $primary; border-title-color: $primary; border-title-style: bold; }
    PanelWidget.-ascii { border: ascii $border-blurred; }
    PanelWidget.-ascii:focus { border: ascii $primary; }
    """

    def __init__(self, panel: Panel, palette: Palette, *, id: str | None = None) -> None:  # ruff: ignore[builtin-argument-shadowing]
        super().__init__(id=id or f"panel-{panel.key}")
        self.panel = panel
        self.log_axis = panel.log_default
        self.drawn = 0
        self._palette = palette
        self._view: PanelView | None = None
        self._strips: list[Strip] = []
        self._key: tuple[object, ...] = ()
        self._label()

    @property
    def palette(self) -> Palette:
        """Styles and glyphs it is drawn with."""
        return self._palette

    @palette.setter
    def palette(self, palette: Palette) -> None:
        self._palette = palette
        self._label()
        self._redraw()

    @property
    def view(self) -> PanelView | None:
        """The panel's view at its present size, or None before the first snapshot."""
        if self._view is None:
            return None
        return replace(self._view, width=self.size.width, height=self.size.height, log=self.log_axis)

    def update_view(
        self,
        snapshot: Snapshot,
        cursor: int,
        first: int,
        last: int,
        layer: int,
        estimator: Estimator | None = None,
        others: tuple[Snapshot, ...] = (),
    ) -> None:
        """Show a session; draws only if the panel is on the screen and something changed; see :class:`PanelView`."""
        chosen = estimator if self.panel.paired else None
        self._view = PanelView(snapshot, cursor, first, last, layer, 0, 0, False, chosen, others)
        self._redraw()

    def action_toggle_log(self) -> None:
        """Switch the axis between linear and logarithmic."""
        self.log_axis = not self.log_axis
        self._redraw()

    def render_line(self, y: int) -> Strip:
        """One row inside the border."""
        if self._key != self._present_key():
            # First paint, or shown or resized since the last drawing.
            self._draw()
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width, self._palette.base)

    def _on_show(self, event: events.Show) -> None:
        self._redraw()

    def _on_resize(self, event: events.Resize) -> None:
        self._redraw()

    def _label(self) -> None:
        glyphs = self._palette.glyphs
        self.border_title = f"{self.panel.key} {glyphs.text(self.panel.title)}".replace("[", r"\[")
        self.set_class(not glyphs.unicode, "-ascii")

    def _present_key(self) -> tuple[object, ...]:
        view = self._view
        if view is None:
            return (self.size, id(self._palette))
        # Versions of two sessions may happen to agree; their names do not.
        versions = tuple((shown.name, shown.version) for shown in (view.snapshot, *view.others))
        place = (view.cursor, view.first, view.last, view.layer, view.estimator)
        return (versions, place, self.size, self.log_axis, id(self._palette))

    def _redraw(self) -> None:
        if not self.is_attached or not self.is_on_screen or self._key == self._present_key():
            return
        before = self._strips
        self._draw()
        if len(before) != len(self._strips):
            self.refresh()
            return
        pairs = enumerate(zip(before, self._strips, strict=True))
        changed = [Region(0, row, self.size.width, 1) for row, (old, new) in pairs if old != new]
        if changed:
            self.refresh(*changed)

    def _draw(self) -> None:
        self._key = self._present_key()
        view = self.view
        if view is None:
            self._strips = [Strip.blank(self.size.width, self._palette.base)] * self.size.height
            return
        self.drawn += 1
        self._strips = self.panel.draw(view, self._palette)
        subtitle = self.panel.subtitle(view, self._palette.glyphs).replace("[", r"\[")
        # Assigning an equal text would still repaint the border.
        if subtitle != self.border_subtitle:
            self.border_subtitle = subtitle
