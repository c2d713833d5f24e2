"""The dashboard's keys that note something on the session: marks and breakpoints; and the bell at a hit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.session.text import plain_text
from wnt_tui.process.command_sender import CommandSender
from wnt_tui.session.cursor import Cursor
from wnt_tui.session.snapshot import Snapshot
from wnt_tui.theme.themes import Palette
from wnt_tui.widgets.footer import Footer
from wnt_tui.widgets.prompt import Question

if TYPE_CHECKING:
    from textual.screen import Screen

    from wnt_tui.screens.breakpoint_dialog import Change

    _Base = Screen[None]
else:
    _Base = object


class NoteKeys(_Base):
    """Mixed into the dashboard; it has the session, this what people and conditions note on it."""

    snapshot: Snapshot | None
    cursor: Cursor
    commander: CommandSender
    palette: Palette
    shows_origin: bool
    _marking: int = 0
    _hits_told: int | None = None

    if TYPE_CHECKING:

        @property
        def footer(self) -> Footer:
            """The footer."""

        @property
        def has_engine(self) -> bool:
            """Whether an engine lives that can be told something."""

        def ask(self, question: Question) -> None:
            """Ask in the footer's place."""

    def note_hits(self, snapshot: Snapshot, *, from_the_beginning: bool) -> None:
        """Ring and tell when a breakpoint is hit while somebody looks.

        Args:
            snapshot: A new state of the session.
            from_the_beginning: Whether hits of the first snapshot are news as well, because this viewer started it.
        """
        hits = [event for event in snapshot.events if event.kind == "break"]
        told = self._hits_told
        if told is None:
            told = 0 if from_the_beginning else len(hits)
        self._hits_told = len(hits)
        if len(hits) > told:
            self.app.bell()
            newest = hits[-1]
            self.footer.say(f"breakpoint at step {newest.step}: {newest.message}", severity="warning", lasting=True)

    def action_mark(self) -> None:
        """Ask for a note on the cursor's step."""
        if self.shows_origin:
            self.footer.say("the engine is still starting", severity="warning")
            return
        if self.snapshot is None or not self.snapshot.rows:
            self.footer.say("there is no step to mark yet")
            return
        self._marking = self.cursor.step
        self.ask(Question("mark", f"note on step {self._marking}", plain_text, width=0))

    def mark_answered(self, note: str) -> None:
        """Mark the step that was asked about."""
        self.commander.mark(self._marking, note)

    def action_breakpoints(self) -> None:
        """Lay the breakpoints over the dashboard."""
        if self.snapshot is None or self.shows_origin:
            self.footer.say("the engine is still starting", severity="warning")
            return
        from engine.breakpoints import breakpoints_set
        from wnt_tui.screens.breakpoint_dialog import BreakpointsScreen

        config = self.snapshot.config
        found = breakpoints_set(config.breakpoints, self.snapshot.events)
        self.app.push_screen(BreakpointsScreen(found, config, self.has_engine, self.palette), self._change)

    def _change(self, change: Change | None) -> None:
        if change is not None:
            self.footer.say(f"{change.name} {change.condition} …", lasting=True)
            self.commander.send(change.name, {"condition": change.condition})
