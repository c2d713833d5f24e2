"""The terminal app: palette, screens, and how it ends."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.screen import Screen

from engine.errors import WntError
from engine.paths import shell_path
from wnt_tui.process.engine_process import EngineProcess
from wnt_tui.process.exit_message import ExitMessage, messages_for_other_runs
from wnt_tui.screens.dashboard import Dashboard
from wnt_tui.screens.engine_control import BranchWanted
from wnt_tui.screens.keys import KEY_TABLE
from wnt_tui.terminal.driver import TerminalDriver
from wnt_tui.terminal.flow import Link
from wnt_tui.terminal.garbage import INTERVAL_SECONDS, Collector, take_over
from wnt_tui.terminal.hangup import leave_on_hangup
from wnt_tui.terminal.job_control import can_stop, stop_group
from wnt_tui.terminal.type_ahead import TypeAhead
from wnt_tui.theme.themes import app_theme, terminal_palette

LINK_SECONDS = 1.0
"""Seconds between two reports of a slow link."""


class WntApp(TypeAhead[ExitMessage]):
    """Shows sessions, one at a time.

    Args:
        paths: The sessions; the first is shown, compared with the others.
        engine: The engine that was started for the first, if one was.
        origin: The session that the first branches from, and the step, if it is a branch that is being made.
        choose: Whether the first is shown alone, below a list of all to choose from.
        debug: Whether an error shows its traceback.
    """

    TITLE = "wnt-tui"
    CSS_PATH = "app.tcss"
    # With priority: on every screen.
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+z", "suspend_process", show=False, priority=True)]

    def __init__(
        self,
        paths: Sequence[Path],
        engine: EngineProcess | None = None,
        *,
        origin: tuple[Path, int] | None = None,
        choose: bool = False,
        debug: bool = False,
    ) -> None:
        self.palette = terminal_palette()
        self.link = Link()
        self.hung_up = False
        # Decided before Textual chooses its filters: the one it would take for NO_COLOR otherwise turns the
        # terminal's own colours into black on black.
        super().__init__(driver_class=TerminalDriver, ansi_color=self.palette.name in {"16", "mono"})
        self._debug_wanted = debug
        self._choose = choose
        self._origin = origin
        self.paths = tuple(paths)
        self.branched: dict[Path, None] = {}
        """The sessions that were branched from or into, in that order; their engines may live when the app is left."""
        self.engines = [] if engine is None else [engine]
        self._collector = Collector()
        # An animation over SSH is a stutter, and a chart that slides into place shows numbers that are not there.
        self.animation_level = "none"

    def on_mount(self) -> None:
        """Take the terminal's colours and open the first session."""
        self.register_theme(app_theme(self.palette))
        self.theme = f"wnt-{self.palette.name}"
        self.set_interval(INTERVAL_SECONDS, self._collect)
        self.set_interval(LINK_SECONDS, self._report_link)
        first, *others = self.paths
        compared, opened = () if self._choose else others, self.paths
        dashboard = Dashboard(
            first, self.palette, *self.engines, origin=self._origin, compared=compared, opened_together=opened
        )
        self.push_screen(dashboard)
        if self._choose and others:
            dashboard.choose_session()

    def _collect(self) -> None:
        self._collector.tick(self.dashboard.changed if self.dashboard is not None else 0.0)

    def _report_link(self) -> None:
        if self.dashboard is not None:
            driver = self._driver
            self.dashboard.header.link = driver.link_report() if isinstance(driver, TerminalDriver) else ""

    def first_regions(self) -> tuple[list[Region], list[Region]]:
        """What a slow link carries first: the lines about the run, then what a key most likely changes."""
        screen = self.screen
        lines = [line.region for line in screen.query("Line, Prompt") if line.is_on_screen]
        # A dialog is a child of its screen; so is all of the dashboard, whose focused panel is enough.
        dialogs = [] if screen is self.dashboard else list(screen.children)
        return lines, [widget.region for widget in (screen.focused, *dialogs) if widget is not None]

    def repaint(self) -> None:
        """Draw the whole picture, soon."""
        self.call_later(self.refresh)

    def fail(self, error: Exception) -> None:
        """End with an error that came up outside of the app's own messages."""

        def raised() -> None:
            raise error

        self.call_later(raised)

    def _fatal_error(self) -> None:
        # Textual's own prints hundreds of lines, local variables included. There is no public place to say it
        # in one sentence; App.panic, which is public, cannot be reached before this.
        if self._debug_wanted or self.is_headless:
            super()._fatal_error()
            return
        error = sys.exc_info()[1]
        reason = str(error).strip().splitlines()[:1]
        cause = ": ".join([type(error).__name__, *reason])
        sentence = f"wnt-tui: Something unforeseen went wrong on the screen ({cause}); the engine is not touched."
        way_out = f"  `wnt-tui attach {shell_path(self.paths[0])}` opens it again, --debug shows where it went wrong."
        self.panic(Text(f"{sentence}\n{way_out}"))

    def show(self) -> int:
        """Run until the app is left; the exit code."""
        hung_up: list[int] = []

        def leave(code: int) -> None:
            hung_up.append(code)
            self.hung_up = True
            self.call_later(self.exit, ExitMessage(code, ""))

        leave_on_hangup(leave)
        take_over()
        message = self.run()
        if hung_up:
            # The terminal is gone or going: nothing may be written to it any more, not even by the interpreter's end.
            os._exit(hung_up[0])
        for started in self.engines:
            started.tidy()
        if message is None:  # it has not been left: something has ended it
            return self.return_code or 1
        others = [session for session in self.branched if session != message.session]
        with contextlib.suppress(OSError):
            for sentence in (message.sentence, *messages_for_other_runs(others, stop=message.stop)):
                print(sentence, file=sys.stderr if message.code else sys.stdout)
        return message.code or self.return_code or 0

    @property
    def dashboard(self) -> Dashboard | None:
        """The dashboard that is open, whatever lies on it."""
        return next((screen for screen in self.screen_stack if isinstance(screen, Dashboard)), None)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Yield the command palette's entries: the key table."""
        dashboard = self.dashboard
        if dashboard is None:
            return
        for entry in KEY_TABLE:
            if entry.run is not None and entry.keys != "colon" and (dashboard.engine.alive or not entry.engine):
                title = entry.meaning[0].upper() + entry.meaning[1:]
                yield SystemCommand(title, f"key {entry.shown}", partial(entry.run, dashboard))

    def action_command_palette(self) -> None:
        """Open the command palette on the dashboard; its commands are for nothing that lies on it."""
        if self.screen is self.dashboard:
            from wnt_tui.screens.dialog import Commands

            self.push_screen(Commands(id="--command-palette"))

    def action_suspend_process(self) -> None:
        """Stop, until the shell's ``fg``; say so where no shell is there to continue it."""
        if self._driver is not None and self._driver.can_suspend and can_stop():
            stop_group()
        elif self.dashboard is not None:
            self.dashboard.footer.say("ctrl+z: no shell is waiting for this program · q leaves", "warning")

    async def action_quit(self) -> None:
        """Leave, as q does: Textual's own key for it."""
        if self.dashboard is not None:
            self.dashboard.engine.leave()

    def on_branch_wanted(self, message: BranchWanted) -> None:
        """Start an engine on a branch and show it in its parent's place; the parent's engine goes on as it is."""
        from wnt_tui.process.engine_process import start_engine

        wanted = message.branching
        dashboard = self.dashboard
        try:
            request, lock = wanted.reserve(debug=self._debug_wanted)
            engine = start_engine(request, lock)
        except WntError as error:
            if dashboard is not None:
                dashboard.footer.say(str(error), "error", lasting=True)
            return
        path = request.session
        self.engines.append(engine)
        self.paths = (*self.paths, path)
        self.branched |= {wanted.parent: None, path: None}
        origin = (wanted.parent, wanted.step)
        self.switch_screen(Dashboard(path, self.palette, engine, origin=origin, opened_together=self.paths))
