"""One line that names the sessions that are compared: letter, marker, name, and how each differs."""

from __future__ import annotations

from rich.text import Text
from textual.reactive import reactive

from wnt_tui.panels.ledger_compared import differences
from wnt_tui.panels.overlay import LETTERS
from wnt_tui.session.snapshot import Snapshot
from wnt_tui.widgets.line import Line


class Compared(Line):
    """``A ● first  lr .01   B ◆ second  lr .02``; hidden for one session alone."""

    DEFAULT_CSS = "Compared { display: none; }"

    # always_update: snapshots hold arrays, which do not compare to one truth.
    snapshots: reactive[tuple[Snapshot, ...]] = reactive((), always_update=True)

    def watch_snapshots(self, snapshots: tuple[Snapshot, ...]) -> None:
        """Appear with the second session."""
        self.display = len(snapshots) > 1

    def render(self) -> Text:
        """The line; what does not fit is cut, equally for all."""
        snapshots = self.snapshots
        glyphs = self.palette.glyphs
        differing = differences(list(snapshots))
        room = max(self.content_size.width // max(len(snapshots), 1) - 2, 6)
        parts = []
        for place, snapshot in enumerate(snapshots):
            sign = f"{LETTERS[place]} {glyphs.markers[place % len(glyphs.markers)]} "
            changes = " · ".join(f"{name} {values[place]}" for name, values in differing)
            # Runs that begin alike differ in the end of their names, but options say more: they get half of the room.
            words = f"{snapshot.name}  {changes}" if changes else snapshot.name
            if changes and len(words) > room - len(sign):
                half = max((room - len(sign)) // 2, room - len(sign) - len(changes) - 2)
                words = f"{glyphs.cut(snapshot.name, half)}  {changes}"
            parts.append((sign, self.palette.series_style(place)))
            parts.append((glyphs.cut(words, room - len(sign)).ljust(room - len(sign) + 2), self.palette.text))
        return self.fitted(*parts)
