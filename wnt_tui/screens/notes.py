"""Notes on the session: marks, breakpoints, and the bell at a hit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.session.text import plain_text
from wnt_tui.screens.engine_control import EngineControl
from wnt_tui.session.snapshot import Snapshot
from wnt_tui.widgets.footer import Footer
from wnt_tui.widgets.prompt import Prompt, Question

if TYPE_CHECKING:
    from wnt_tui.screens.breakpoint_dialog import Change


class Notes:
    """Marks and breakpoints of the session on the screen.

    Args:
        engine: Its engine.
        footer: For notices.
        prompt: For a mark's text.
    """

    def __init__(self, engine: EngineControl, footer: Footer, prompt: Prompt) -> None:
        self._engine = engine
        self._footer = footer
        self._prompt = prompt
        self._hits: int | None = None

    def update(self, snapshot: Snapshot) -> None:
        """Ring at a hit of a breakpoint, and say which; those of before this viewer are no news."""
        hits = [event for event in snapshot.events if event.kind == "break"]
        if self._hits is None:
            self._hits = len(hits) if self._engine.process is None else 0
        if len(hits) > self._hits:
            self._footer.app.bell()
            newest = hits[-1]
            self._footer.say(f"breakpoint at step {newest.step}: {newest.message}", "warning", lasting=True)
        self._hits = len(hits)

    def ask_mark(self, step: int) -> None:
        """Ask for a note on a step."""
        if self._engine.rows_or_notice("mark"):
            mark = self._engine.commander.mark
            self._prompt.ask(Question(f"note on step {step}", plain_text, lambda note: mark(step, note), width=0))

    def show_breakpoints(self) -> None:
        """Lay the breakpoints over the dashboard."""
        snapshot = self._engine.snapshot_or_notice()
        if snapshot is None:
            return
        from wnt_tui.screens.breakpoint_dialog import BreakpointsDialog

        palette, app = self._footer.palette, self._footer.app
        app.push_screen(BreakpointsDialog(snapshot.config, snapshot.events, self._engine.alive, palette), self._change)

    def _change(self, change: Change | None) -> None:
        if change is not None:
            self._footer.say(f"{change.name} {change.condition} …", lasting=True)
            self._engine.commander.send(change.name, {"condition": change.condition})
