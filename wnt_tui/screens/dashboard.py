"""The dashboard: the panels and one cursor over a session."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Static

from engine.paths import shown_path
from engine.theory.pairings import ESTIMATORS, Estimator
from wnt_tui.panels import ALL_PANELS
from wnt_tui.panels.pairing import ESTIMATOR_NAMES
from wnt_tui.process.engine_process import EngineProcess
from wnt_tui.screens.compared_sessions import Comparison
from wnt_tui.screens.engine_control import EngineControl
from wnt_tui.screens.keys import KEY_TABLE, bindings, footer_keys
from wnt_tui.screens.messages import CommandAnswered, SnapshotReady, SourceTrouble, ViewChanged, source_of
from wnt_tui.screens.notes import Notes
from wnt_tui.session.cursor import Cursor
from wnt_tui.session.snapshot import Snapshot
from wnt_tui.terminal.requirements import COMPACT_COLUMNS, COMPACT_ROWS, MIN_COLUMNS, MIN_ROWS, too_small
from wnt_tui.theme.themes import Palette
from wnt_tui.widgets.compared import Compared
from wnt_tui.widgets.footer import Footer
from wnt_tui.widgets.header import Header
from wnt_tui.widgets.numbers import Numbers, Tabs
from wnt_tui.widgets.panel_grid import PanelGrid
from wnt_tui.widgets.prompt import Prompt, Question, whole_number
from wnt_tui.widgets.timeline import Timeline

START_SECONDS = 0.1
"""Between two looks at an engine that was started and has no row yet."""


class Dashboard(Screen[None]):
    """One session on the screen, beside others if it is compared with some.

    Args:
        path: The session.
        palette: Styles and characters.
        process: The engine that was started for it, if this viewer started one.
        origin: The session that it branches from, and the step: shown while the engine starts.
        compared: Sessions to compare it with from the beginning.
        opened_together: Sessions to offer first.
    """

    BINDINGS: ClassVar[list[BindingType]] = bindings()

    def __init__(
        self,
        path: Path,
        palette: Palette,
        process: EngineProcess | None = None,
        *,
        origin: tuple[Path, int] | None = None,
        compared: Sequence[Path] = (),
        opened_together: Sequence[Path] = (),
    ) -> None:
        super().__init__()
        self.path = path
        self.palette = palette
        self.opened_together = tuple(opened_together)
        self.snapshot: Snapshot | None = None
        """The session, or the one that it branches from while it has no row of its own."""
        self.cursor: Cursor = Cursor()
        self.selected_layer = 0
        self.estimator: Estimator | None = None
        self.changed = time.monotonic()
        """Time of the last drawing of the panels."""

        self.header = Header(palette)
        self.compared = Compared(palette)
        self.tabs = Tabs(palette)
        self.grid: PanelGrid = PanelGrid(palette)
        self.numbers = Numbers(palette)
        self.timeline = Timeline(palette)
        self.footer = Footer(palette)
        self.footer.keys = footer_keys(has_engine=False)
        self.prompt = Prompt(self.footer)

        post, leave = self.post_from_thread, lambda result: self.app.exit(result)
        self.engine: EngineControl = EngineControl(path, process, self.footer, self.prompt, post, leave)
        self.notes: Notes = Notes(self.engine, self.footer, self.prompt)
        self.comparison = Comparison(path, self.footer, post, self._sessions_changed)
        self.source = source_of(path, post, awaited=process is not None)
        self._origin = None if origin is None else source_of(origin[0], post)
        self._origin_step = -1 if origin is None else origin[1]
        self._compared_at_first = compared

    def compose(self) -> ComposeResult:
        """Yield header, panels, timeline, footer; tabs and key numbers for one panel alone."""
        yield from (self.header, self.compared, self.tabs, self.grid, self.numbers)
        yield from (self.timeline, self.footer, self.prompt)
        yield Static(f"too small (needs {MIN_COLUMNS}×{MIN_ROWS})", id="too-small")

    def on_mount(self) -> None:
        """Begin to watch the session."""
        if self.engine.process is not None:
            self._check_start()
            self.set_interval(START_SECONDS, self._check_start)
        self.source.start()
        if self._origin is not None:
            self._origin.start()
        self.comparison.add(self._compared_at_first)

    def on_unmount(self) -> None:
        """Stop watching."""
        self.source.close()
        self._close_origin()
        self.comparison.close()

    def post_from_thread(self, message: Message) -> None:
        """Post a message from any thread; nothing once the app has ended."""
        if self.is_attached:
            self.post_message(message)

    # Arrangement

    def on_resize(self, event: events.Resize) -> None:
        """Fit the arrangement to the new size."""
        self.set_class(too_small(*event.size), "-too-small")
        self.grid.small = event.size.width < COMPACT_COLUMNS or event.size.height < COMPACT_ROWS
        self.view_changed()

    @on(PanelGrid.Arranged)
    def _arranged(self) -> None:
        self.tabs.display = self.numbers.display = self.grid.single
        self.tabs.selected = self.grid.selected
        self.view_changed()

    @on(Tabs.Picked)
    def _tab_picked(self, message: Tabs.Picked) -> None:
        self.grid.select(message.place)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """A question keeps the keyboard, whatever is clicked."""
        if self.prompt.active and self.prompt not in event.widget.ancestors:
            self.prompt.take_keyboard()

    @on(Prompt.Closed)
    def _prompt_closed(self) -> None:
        self.grid.take_keyboard()

    # Sessions

    def on_snapshot_ready(self, message: SnapshotReady) -> None:
        """Show a new state of the session, of one that it is compared with, or of the one that it branches from."""
        if message.source is self.source:
            self._show_own(message.snapshot)
        elif message.source is self._origin:
            self._show(message.snapshot.as_origin(self._origin_step))
        else:
            self.comparison.update(message)

    def _show_own(self, snapshot: Snapshot) -> None:
        if self._origin is not None and not snapshot.rows and self.engine.starting:
            return  # the rows that the branch goes on from say more
        self._close_origin()
        self.header.snapshot = snapshot
        self.timeline.happenings = tuple(snapshot.events)
        self.timeline.live = snapshot.engine.alive
        self.engine.update(snapshot)
        self.footer.keys = footer_keys(has_engine=self.engine.alive, waits=self.engine.waits)
        self.notes.update(snapshot)
        self._show(snapshot)

    def _show(self, snapshot: Snapshot) -> None:
        if self.snapshot is None:
            self.selected_layer = snapshot.config.depth - 1
        self.snapshot = snapshot
        self._sessions_changed()

    def _close_origin(self) -> None:
        if self._origin is not None:
            self._origin.close()
        self._origin = None

    def _sessions_changed(self) -> None:
        """Let cursor and axes reach all steps that are shown, and draw."""
        snapshot, others = self.snapshot, self.comparison.snapshots
        if snapshot is None:
            return
        # An ended run's axes end with its rows; only a living one is going to fill the rest. Those of sessions that
        # are compared reach over all of their rows; the cursor goes no further than this session's newest.
        planned = snapshot.config.steps if snapshot.engine.alive else snapshot.last_step
        firsts = [int(shown.step[0]) for shown in (snapshot, *others) if shown.rows]
        longest = max((shown.last_step for shown in others), default=-1)
        self.cursor = self.cursor.extended(min(firsts, default=0), snapshot.last_step, max(planned, longest))
        self.compared.snapshots = (snapshot, *others)
        self.view_changed()

    def on_source_trouble(self, message: SourceTrouble) -> None:
        """Say which session cannot be read; if it is this one and it never could be, leave."""
        if message.source is self.source and self.engine.snapshot is None:
            self.engine.leave(1, str(message.error))
        elif message.source is self.source:
            self.footer.say(str(message.error), "error", lasting=True)
        elif message.source is not self._origin:
            self.comparison.fail(message)

    def _check_start(self) -> None:
        phrase = self.engine.start_phrase()
        if self._origin is not None and self.snapshot is not None:
            phrase += f" · below: {shown_path(self._origin.path.stem)}, to step {self.snapshot.last_step}"
        self.header.waiting = phrase

    def on_command_answered(self, message: CommandAnswered) -> None:
        """Say what the engine has answered."""
        self.engine.answered(message.outcome)

    # The view

    def view_changed(self) -> None:
        """Have the panels drawn soon; the timeline follows the cursor at once."""
        self.timeline.cursor = self.cursor
        self.header.step = self.cursor.step
        self.post_message(ViewChanged())

    def on_view_changed(self) -> None:
        """Draw the panels that are on the screen."""
        self.changed = time.monotonic()
        snapshot = self.snapshot
        if snapshot is None or self.has_class("-too-small"):
            return
        first, last = self.cursor.window()
        others = self.comparison.snapshots
        for widget in self.grid.panels:
            widget.update_view(snapshot, self.cursor.step, first, last, self.selected_layer, self.estimator, others)
        if self.grid.single:
            self.numbers.source = (snapshot, self.cursor.step, self.selected_layer)

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether an action may happen: while a question is asked, keys belong to its field."""
        place = parameters[0] if action == "key" else None
        always = isinstance(place, int) and KEY_TABLE[place].always
        return self.is_mounted and (always or not self.prompt.active)

    def action_key(self, place: int) -> None:
        """Do what a key of the table does."""
        if (run := KEY_TABLE[place].run) is not None:
            run(self)

    def action_panel(self, place: int) -> None:
        """Select a panel."""
        self.grid.select(place)

    def move_to(self, cursor: Cursor) -> None:
        """Show another step or window."""
        self.footer.say("")
        self.cursor = cursor
        self.view_changed()

    @on(Timeline.Picked)
    def _timeline_picked(self, message: Timeline.Picked) -> None:
        self.move_to(self.cursor.to(message.step))

    def forward(self) -> None:
        """Move the cursor one step on, or train one step at the edge of a paused engine."""
        if self.cursor.at_edge and self.engine.waits and not (self.snapshot and self.snapshot.engine_behind):
            self.train(1)
        else:
            self.move_to(self.cursor.moved(1))

    def train(self, count: int) -> None:
        """Train a number of steps and follow them."""
        self.move_to(self.cursor.to_end())
        self.engine.train(count)

    def ask_step(self) -> None:
        """Ask for a step to go to."""

        def recorded_step(text: str) -> int:
            step = whole_number(text)
            if not self.cursor.first <= step <= self.cursor.last:
                raise ValueError(f"Recorded are steps {self.cursor.first} to {self.cursor.last}.")
            return step

        self.prompt.ask(Question("go to step", recorded_step, lambda step: self.move_to(self.cursor.to(step))))

    def go_to_event(self, direction: int) -> None:
        """Go to the nearest step before or after the cursor that has an event, and say which."""
        happenings = self.snapshot.events if self.snapshot is not None else ()
        steps = {event.step for event in happenings if (event.step - self.cursor.step) * direction > 0}
        if not steps:
            self.footer.say("no later event" if direction > 0 else "no earlier event")
            return
        step = min(steps) if direction > 0 else max(steps)
        self.move_to(self.cursor.to(step))
        here = "; ".join(event.message or event.kind for event in happenings if event.step == step)
        self.footer.say(f"step {step}: {here}")

    def restore(self) -> None:
        """Give a maximised panel its place back, and the footer its keys."""
        self.footer.say("")
        self.grid.maximised = False

    def move_layer(self, direction: int) -> None:
        """Select the next or previous layer."""
        if self.snapshot is not None:
            self.selected_layer = min(max(0, self.selected_layer + direction), self.snapshot.config.depth - 1)
            self.footer.say(f"layer {self.selected_layer}")
            self.view_changed()

    def cycle_estimator(self) -> None:
        """Pair every prediction with the next estimator of L; after the last come the stored pairings again."""
        choices: tuple[Estimator | None, ...] = (None, *ESTIMATORS)
        self.estimator = choices[(choices.index(self.estimator) + 1) % len(choices)]
        name = "as stored" if self.estimator is None else f"with L = {ESTIMATOR_NAMES[self.estimator]}"
        paired = " and ".join(panel.key for panel in ALL_PANELS if panel.paired)
        self.footer.say(f"predictions (panels {paired}) {name}")
        self.view_changed()

    def show_help(self) -> None:
        """Lay the help over the dashboard."""
        from wnt_tui.screens.help import HelpScreen

        config = self.snapshot.config if self.snapshot is not None else None
        self.app.push_screen(HelpScreen(ALL_PANELS, self.grid.selected, config, self.palette))

    def choose_comparison(self) -> None:
        """Choose a session to compare with, or one to take out."""
        if self.snapshot is not None:
            self.comparison.choose(self.snapshot.meta, self.opened_together)

    def choose_session(self) -> None:
        """Choose among the sessions that were opened together."""
        from wnt_tui.screens.session_dialogs import SessionDialog

        paths = dict.fromkeys((self.path, *self.opened_together, *self.comparison.paths))
        dialog = SessionDialog(tuple(paths), "sessions · enter opens · esc closes", self.palette)
        self.app.push_screen(dialog, self._open)

    def _open(self, path: Path | None) -> None:
        if path is None or path == self.path or not self.is_current:
            return
        # A comparison goes on, seen from the other session.
        compared = (self.path, *self.comparison.paths) if self.comparison.paths else ()
        opened_together = tuple(dict.fromkeys((*self.opened_together, self.path)))
        self.app.switch_screen(Dashboard(path, self.palette, compared=compared, opened_together=opened_together))
