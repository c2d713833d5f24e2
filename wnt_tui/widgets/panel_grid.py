"""The panels: beside each other, or the selected one alone."""

from __future__ import annotations

import math

from textual import events
from textual.containers import Container
from textual.message import Message
from textual.reactive import reactive

from wnt_tui.panels import ALL_PANELS
from wnt_tui.panels.widget import PanelWidget
from wnt_tui.theme.themes import Palette


class PanelGrid(Container):
    """All panels of the table, one of them selected; it has the keyboard."""

    class Arranged(Message):
        """Another panel is selected, or panels have appeared or gone."""

    DEFAULT_CSS = "PanelGrid { layout: grid; height: 1fr; }"

    selected: reactive[int] = reactive(0)
    maximised: reactive[bool] = reactive(False)
    small: reactive[bool] = reactive(False)
    """Whether there is room for one panel only."""

    def __init__(self, palette: Palette) -> None:
        self.panels = [PanelWidget(panel, palette) for panel in ALL_PANELS]
        super().__init__(*self.panels, id="panels")

    @property
    def panel(self) -> PanelWidget:
        """The selected panel."""
        return self.panels[self.selected]

    @property
    def single(self) -> bool:
        """Whether one panel is shown alone."""
        return self.small or self.maximised

    def select(self, place: int) -> None:
        """Select a panel; after the last comes the first."""
        self.selected = place % len(self.panels)

    def toggle_maximised(self) -> None:
        """Let the selected panel fill the screen, or give it its place back."""
        self.maximised = not self.maximised

    def take_keyboard(self) -> None:
        """Focus the selected panel, unless something else has the keyboard."""
        if self.screen.focused is None or self.screen.focused in self.panels:
            self.screen.set_focus(self.panel, scroll_visible=False)

    def _arrange(self) -> None:
        self.styles.grid_size_columns = 1 if self.single else math.isqrt(len(self.panels) - 1) + 1
        for place, widget in enumerate(self.panels):
            widget.display = not self.single or place == self.selected
        self.take_keyboard()
        self.post_message(self.Arranged())
        self.call_after_refresh(self._repaint_borders)

    watch_selected = watch_maximised = watch_small = _arrange

    def _repaint_borders(self) -> None:
        # A panel that appears or changes its size is drawn while it is painted, and its lower line is known only
        # then: too late for that paint.
        for widget in self.panels:
            if widget.display:
                widget.refresh()

    def on_resize(self) -> None:
        """Paint borders again."""
        self.call_after_refresh(self._repaint_borders)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """A panel was focused, by a click perhaps: that selects it."""
        if isinstance(event.widget, PanelWidget):
            self.select(self.panels.index(event.widget))
