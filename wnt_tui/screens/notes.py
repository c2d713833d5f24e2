"""Notes on the session: marks, breakpoints, and the bell at a hit."""

from __future__ import annotations

from dataclasses import dataclass

from engine.session.text import plain_text
from wnt_tui.screens.engine_control import EngineControl
from wnt_tui.session.snapshot import Snapshot
from wnt_tui.widgets.footer import Footer
from wnt_tui.widgets.prompt import Prompt, Question


@dataclass(eq=False)
class Notes:
    """Marks and breakpoints of the session on the screen."""

    engine: EngineControl
    footer: Footer
    prompt: Prompt
    _hits: int | None = None

    def update(self, snapshot: Snapshot) -> None:
        """Ring at a hit of a breakpoint, and say which; those of before this viewer are no news."""
        hits = [event for event in snapshot.events if event.kind == "break"]
        if self._hits is None:
            self._hits = len(hits) if self.engine.process is None else 0
        if len(hits) > self._hits:
            self.footer.app.bell()
            newest = hits[-1]
            self.footer.say(f"breakpoint at step {newest.step}: {newest.message}", "warning", lasting=True)
        self._hits = len(hits)

    def ask_mark(self, step: int) -> None:
        """Ask for a note on a step."""
        if self.engine.rows_or_notice("mark"):
            send = self.engine.commander.send
            mark = Question(
                f"note on step {step}", plain_text, lambda note: send("mark", {"step": step, "note": note}), width=0
            )
            self.prompt.ask(mark)

    def show_breakpoints(self) -> None:
        """Lay the breakpoints over the dashboard."""
        snapshot = self.engine.snapshot_or_notice()
        if snapshot is None:
            return
        from wnt_tui.screens.breakpoint_dialog import BreakpointsDialog

        palette, app = self.footer.palette, self.footer.app
        app.push_screen(BreakpointsDialog(snapshot.config, snapshot.events, self.engine.alive, palette), self._change)

    def _change(self, change: tuple[str, str] | None) -> None:
        if change is not None:
            command, condition = change
            self.footer.say(f"{command} {condition} …", lasting=True)
            self.engine.commander.send(command, {"condition": condition})
