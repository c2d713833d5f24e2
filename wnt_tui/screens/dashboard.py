"""The dashboard: nine panels and one cursor over a session."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Static

from engine.paths import shown_path
from engine.theory.pairings import ESTIMATORS, Estimator
from wnt_tui.keys import PROMPT_KEYS, bindings, prompt_bindings
from wnt_tui.panels import ALL_PANELS
from wnt_tui.panels.pairing import ESTIMATOR_NAMES
from wnt_tui.panels.widget import PanelWidget
from wnt_tui.process.command_sender import CommandSender
from wnt_tui.process.engine_process import EngineProcess
from wnt_tui.screens.compare_keys import CompareKeys
from wnt_tui.screens.engine_keys import EngineKeys
from wnt_tui.screens.messages import CommandAnswered, OriginReady, SnapshotReady, SourceTrouble, ViewChanged
from wnt_tui.screens.note_keys import NoteKeys
from wnt_tui.session.cursor import Cursor
from wnt_tui.session.snapshot import Snapshot
from wnt_tui.session.source import Deliveries, SessionSource
from wnt_tui.terminal.requirements import COMPACT_COLUMNS, COMPACT_ROWS, MIN_COLUMNS, MIN_ROWS, too_small
from wnt_tui.theme.themes import Palette
from wnt_tui.widgets.compared import ComparedLine
from wnt_tui.widgets.footer import Footer
from wnt_tui.widgets.header import Header
from wnt_tui.widgets.numbers import Figures, Numbers, Tabs
from wnt_tui.widgets.prompt import Prompt, Question, whole_number
from wnt_tui.widgets.timeline import Timeline

if TYPE_CHECKING:
    from wnt_tui.process.branching import Branching

STARTUP_TICK = 0.1
"""How often a started engine that has not written anything yet is looked after."""


class Dashboard(EngineKeys, NoteKeys, CompareKeys, Screen[None]):
    """One session on the screen, beside others if it is compared with some.

    Args:
        path: The session.
        palette: Styles and characters.
        engine: The engine that was started for it, if this viewer started one.
        origin: The session that it branches from, and the step: shown while the engine starts.
        compared: Sessions to compare it with from the beginning.
        opened_together: Sessions to offer first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(), *prompt_bindings()]

    class BranchWanted(Message):
        """A branch is to be made and shown.

        Args:
            branching: Which.
        """

        def __init__(self, branching: Branching) -> None:
            super().__init__()
            self.branching = branching

    def __init__(
        self,
        path: Path,
        palette: Palette,
        engine: EngineProcess | None = None,
        *,
        origin: tuple[Path, int] | None = None,
        compared: Sequence[Path] = (),
        opened_together: Sequence[Path] = (),
    ) -> None:
        super().__init__()
        self.opened_together = tuple(opened_together)
        self._compared_first = tuple(compared)
        self._companions = []
        self.path = path
        self.palette = palette
        self.engine_process = engine
        self.snapshot: Snapshot | None = None
        self.cursor = Cursor()
        self.selected_layer = 0
        self.estimator: Estimator | None = None
        self.selected = 0
        self.maximised = False
        self.leaving = False
        self.commander = CommandSender(path, lambda outcome: self.tell(CommandAnswered(outcome)))
        self._opened = self.changed = time.monotonic()
        """``changed``: when the panels were drawn last."""
        self._source = SessionSource(
            path,
            Deliveries(
                snapshot=lambda snapshot: self.tell(SnapshotReady(snapshot)),
                trouble=lambda error: self.tell(SourceTrouble(error)),
            ),
            awaited=engine is not None,
        )
        self.shows_origin = False
        """Whether what is shown are rows of the session that it branches from."""
        self._origin = None if origin is None else self._origin_source(*origin)

    def _origin_source(self, parent: Path, step: int) -> SessionSource:
        def show(snapshot: Snapshot) -> None:
            self.tell(OriginReady(snapshot.as_origin(step)))

        # Without it there is nothing to look at yet, as for any run that starts.
        return SessionSource(parent, Deliveries(snapshot=show, trouble=lambda _error: None))

    # What is on the screen

    def compose(self) -> ComposeResult:
        """Yield header, panels, timeline, footer; tabs and key numbers where only one panel fits."""
        yield Header(self.palette, id="header")
        yield ComparedLine(self.palette, id="compared")
        yield Tabs(self.palette, id="tabs")
        with Container(id="panels"):
            for panel in ALL_PANELS:
                yield PanelWidget(panel, self.palette)
        yield Numbers(self.palette, id="numbers")
        yield Timeline(self.palette, id="timeline")
        yield Footer(self.palette, id="footer")
        yield Prompt(id="prompt")
        yield Static(f"too small (needs {MIN_COLUMNS}×{MIN_ROWS})", id="too-small")

    @property
    def panels(self) -> list[PanelWidget]:
        """The panels, in their order."""
        return list(self.query(PanelWidget))

    @property
    def footer(self) -> Footer:
        """The footer."""
        return self.query_one(Footer)

    @property
    def prompt(self) -> Prompt:
        """The prompt in the footer's place."""
        return self.query_one(Prompt)

    @property
    def has_engine(self) -> bool:
        """Whether an engine lives that can be told something."""
        return self.snapshot is not None and self.snapshot.engine.alive

    @property
    def engine_starting(self) -> bool:
        """Whether an engine was started for this session that cannot be told anything yet."""
        return self.engine_process is not None and not self.engine_process.ended and not self.has_engine

    @property
    def single(self) -> bool:
        """Whether one panel fills the screen, because it is small or the panel maximised."""
        return self.maximised or self.size.width < COMPACT_COLUMNS or self.size.height < COMPACT_ROWS

    @property
    def complete(self) -> bool:
        """Whether its widgets are there: they go before the last messages have been handled."""
        return self.is_mounted and bool(self.query(Header)) and bool(self.query(Footer))

    def on_mount(self) -> None:
        """Begin to watch the session."""
        self.query_one(Tabs).titles = tuple(panel.title for panel in ALL_PANELS)
        if self.engine_process is not None:
            self._await_engine()
            self.set_interval(STARTUP_TICK, self._await_engine)
        self._arrange()
        self._source.start()
        if self._origin is not None:
            self._origin.start()
        self.compare_with(self._compared_first)

    def on_unmount(self) -> None:
        """Let go of the sessions."""
        self._source.close()
        self._let_go_of_origin()
        self.let_go_of_all()

    def on_resize(self, event: events.Resize) -> None:
        """Fit the arrangement to the new size."""
        self._arrange()

    def _arrange(self) -> None:
        size = self.size
        self.set_class(too_small(size.width, size.height), "-too-small")
        self.set_class(self.single, "-single")
        for place, widget in enumerate(self.panels):
            widget.display = not self.single or place == self.selected
        self.query_one(Tabs).selected = self.selected
        if not self.prompt.active:
            self.panels[self.selected].focus(scroll_visible=False)
        self.view_changed()
        self.call_after_refresh(self._repaint_borders)

    def _repaint_borders(self) -> None:
        # A panel that appears or changes its size is drawn while it is painted, and its lower line is known only
        # then: too late for that paint.
        for widget in self.panels:
            if widget.display:
                widget.refresh()

    def tell(self, message: Message) -> None:
        """Post a message from any thread; after the app has ended there is nobody to tell."""
        if self.is_attached:
            self.post_message(message)

    # What comes from the session

    def _let_go_of_origin(self) -> None:
        if self._origin is not None:
            self._origin.close()
        self._origin = None

    def on_origin_ready(self, message: OriginReady) -> None:
        """Show the rows that the branch goes on from, until it has one of its own."""
        if self._origin is None or not self.complete:
            return
        if self.snapshot is None:
            self.selected_layer = message.snapshot.config.depth - 1
        self.shows_origin = True
        self.snapshot = message.snapshot
        self.sessions_changed()

    def on_snapshot_ready(self, message: SnapshotReady) -> None:
        """Show a new state of the session."""
        snapshot = message.snapshot
        if not self.complete or (self.shows_origin and not snapshot.rows and self.engine_starting):
            return
        self._let_go_of_origin()
        self.shows_origin = False
        if self.snapshot is None:
            self.selected_layer = snapshot.config.depth - 1
        self.snapshot = snapshot
        self.query_one(Header).snapshot = snapshot
        self.footer.has_engine = snapshot.engine.alive
        self.footer.paused = snapshot.engine.state in {"paused", "finished"}
        self.query_one(Timeline).happenings = tuple(snapshot.events)
        self.query_one(Timeline).live = snapshot.engine.alive
        self.engine_changed(snapshot)
        self.note_hits(snapshot, from_the_beginning=self.engine_process is not None)
        self.sessions_changed()

    def sessions_changed(self) -> None:
        """Let cursor and axes reach all steps that are shown, and draw."""
        snapshot = self.snapshot
        if snapshot is None or not self.complete:
            return
        # An ended run's axes end with its rows; only a living one is going to fill the rest. Those of sessions that
        # are compared reach over all of their rows; the cursor goes no further than this session's newest.
        planned = snapshot.config.steps if snapshot.engine.alive else snapshot.last_step
        firsts = [int(shown.step[0]) for shown in (snapshot, *self.others) if shown.rows]
        longest = max((shown.last_step for shown in self.others), default=-1)
        self.cursor = self.cursor.extended(min(firsts, default=0), snapshot.last_step, max(planned, longest))
        self.show_compared()
        self.view_changed()

    def view_changed(self) -> None:
        """Have the panels drawn soon; the timeline follows the cursor at once."""
        self.query_one(Timeline).cursor = self.cursor
        self.query_one(Header).cursor = self.cursor.step
        self.post_message(ViewChanged())

    def on_view_changed(self) -> None:
        """Draw the panels that are on the screen."""
        self.changed = time.monotonic()
        if self.snapshot is None or self.has_class("-too-small") or not self.complete:
            return
        first, last = self.cursor.window()
        for widget in self.panels:
            widget.update_view(
                self.snapshot, self.cursor.step, first, last, self.selected_layer, self.estimator, self.others
            )
        if self.single:
            self.query_one(Numbers).source = Figures(self.snapshot, self.cursor.step, self.selected_layer)

    def on_source_trouble(self, message: SourceTrouble) -> None:
        """A session that cannot be read: say so; if it never could be, leave."""
        if self.snapshot is None or self.shows_origin:
            self.leave(1, str(message.error))
        else:
            self.footer.say(str(message.error), severity="error", lasting=True)

    def _await_engine(self) -> None:
        """Say that the engine is starting, and leave with its last sentence if it dies before the first row."""
        engine = self.engine_process
        if engine is not None and engine.ended and self.leaving:
            nothing = f"{shown_path(self.path.stem)} was stopped before its first step: nothing was recorded."
            self.leave(0, self.exit_sentence() if Path(self.path).exists() else nothing, stop=True)
            return
        if engine is None or (self.snapshot is not None and self.snapshot.rows and not self.shows_origin):
            return
        header = self.query_one(Header)
        header.waiting = f"starting engine… {time.monotonic() - self._opened:.0f} s"
        if self.shows_origin and self._origin is not None and self.snapshot is not None:
            parent = shown_path(self._origin.path.stem)
            header.waiting += f" · below: {parent}, to step {self.snapshot.last_step}"
        if engine.ended:
            told = self.snapshot.engine.message if self.snapshot is not None else ""
            self.leave(1, f"The engine ended before the first step: {told or engine.reason_of_end()}")

    # Keys: time

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action may happen: while a question is asked, keys belong to its field."""
        if not self.complete:
            return False
        return action == "how_to_quit" or self.prompt.active == (action in PROMPT_KEYS.values())

    def _move_to(self, cursor: Cursor) -> None:
        self.footer.say("")
        self.cursor = cursor
        self.view_changed()

    def action_move(self, count: int) -> None:
        """Move the cursor."""
        self._move_to(self.cursor.moved(count))

    def action_forward(self) -> None:
        """Move the cursor one step on, or train one step at the edge of a paused engine."""
        if self.cursor.at_edge and self.engine_waits and not (self.snapshot and self.snapshot.engine_behind):
            self.train_steps(1)
        else:
            self.action_move(1)

    def action_start(self) -> None:
        """Go to the first step."""
        self._move_to(self.cursor.to_start())

    def action_end(self) -> None:
        """Go to the newest step and follow it."""
        self._move_to(self.cursor.to_end())

    def action_zoom(self, halvings: int) -> None:
        """Zoom the window of steps."""
        self._move_to(self.cursor.zoomed(halvings))

    def action_event(self, direction: int) -> None:
        """Go to the nearest step before or after the cursor at which something happened, and say what."""
        happenings = self.snapshot.events if self.snapshot is not None else ()
        steps = {event.step for event in happenings if (event.step - self.cursor.step) * direction > 0}
        if not steps:
            self.footer.say("no later event" if direction > 0 else "no earlier event")
            return
        step = min(steps) if direction > 0 else max(steps)
        self._move_to(self.cursor.to(step))
        told = "; ".join(event.message or event.kind for event in happenings if event.step == step)
        self.footer.say(f"step {step}: {told}")

    @on(Timeline.Picked)
    def _timeline_picked(self, message: Timeline.Picked) -> None:
        self._move_to(self.cursor.to(message.step))

    # Keys: panels

    def action_panel(self, number: int) -> None:
        """Select a panel."""
        self.selected = number - 1
        self._arrange()

    def action_next_panel(self, direction: int) -> None:
        """Select the next or previous panel."""
        self.selected = (self.selected + direction) % len(ALL_PANELS)
        self._arrange()

    def action_maximise(self) -> None:
        """Let the selected panel fill the screen, or give it its place back."""
        self.maximised = not self.maximised
        self._arrange()

    def action_restore(self) -> None:
        """Give a maximised panel its place back."""
        self.footer.say("")
        if self.maximised:
            self.action_maximise()

    def action_toggle_log(self) -> None:
        """Switch the selected panel's axis."""
        self.panels[self.selected].action_toggle_log()

    def action_layer(self, direction: int) -> None:
        """Select the next or previous layer."""
        if self.snapshot is not None:
            self.selected_layer = min(max(0, self.selected_layer + direction), self.snapshot.config.depth - 1)
            self.footer.say(f"layer {self.selected_layer}")
            self.view_changed()

    def action_cycle_estimator(self) -> None:
        """Pair every prediction with the next estimator of L; after the last come the stored pairings again."""
        choices: tuple[Estimator | None, ...] = (None, *ESTIMATORS)
        self.estimator = choices[(choices.index(self.estimator) + 1) % len(choices)]
        name = "as stored" if self.estimator is None else f"with L = {ESTIMATOR_NAMES[self.estimator]}"
        self.footer.say(f"predictions (panels 1 and 7) {name}")
        self.view_changed()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """A panel was focused, by a click perhaps: that selects it. A question keeps the keyboard."""
        if self.prompt.active and self.prompt not in event.widget.ancestors:
            self.prompt.take_keyboard()
        for place, widget in enumerate(self.panels):
            if widget is event.widget and place != self.selected:
                self.selected = place
                self._arrange()

    @on(Tabs.Picked)
    def _tab_picked(self, message: Tabs.Picked) -> None:
        self.action_panel(message.index + 1)

    # Screens above this one

    def action_help(self) -> None:
        """Lay the help over the dashboard."""
        from wnt_tui.screens.help import HelpScreen

        config = self.snapshot.config if self.snapshot is not None else None
        self.app.push_screen(HelpScreen(ALL_PANELS, self.selected, config, self.palette))

    def action_sessions(self) -> None:
        """Choose among the sessions that were opened together."""
        from wnt_tui.screens.sessions import SessionsScreen

        paths = dict.fromkeys((self.path, *self.opened_together, *self.compared_paths))
        self.app.push_screen(SessionsScreen(tuple(paths), self.path, self.palette), self._open)

    def _open(self, path: Path | None) -> None:
        """Show another session in this one's place."""
        if path is None or path == self.path or not self.is_current:
            return
        # A comparison goes on, seen from the other session.
        compared = (self.path, *self.compared_paths) if self.compared_paths else ()
        opened_together = tuple(dict.fromkeys((*self.opened_together, self.path)))
        self.app.switch_screen(Dashboard(path, self.palette, compared=compared, opened_together=opened_together))

    def action_suspend(self) -> None:
        """Stop this program until the shell continues it."""
        self.app.action_suspend_process()

    async def action_palette(self) -> None:
        """Open the command palette."""
        await self.app.run_action("command_palette")

    def make_branch(self, branching: Branching) -> None:
        """Ask for a branch to be made and shown."""
        self.post_message(self.BranchWanted(branching))

    # Questions

    def action_ask(self, name: str) -> None:
        """Ask for a number in the footer's place."""
        questions = {"goto": self._goto_question, "branch": self.branch_question}
        question = questions[name]() if name in questions else self.engine_question(name)
        if question is not None:
            self.ask(question)

    def ask(self, question: Question) -> None:
        """Put a question in the footer's place."""
        self.footer.say("")
        self.footer.display = False
        self.prompt.ask(question)

    def _goto_question(self) -> Question:
        def parse(text: str) -> int:
            step = whole_number(text)
            if not self.cursor.first <= step <= self.cursor.last:
                raise ValueError(f"Recorded are steps {self.cursor.first} to {self.cursor.last}.")
            return step

        return Question("goto", "go to step", parse)

    def action_drop(self) -> None:
        """Drop the question."""
        self.prompt.close()
        self._prompt_closed()

    def _prompt_closed(self) -> None:
        self.footer.display = True
        self.set_focus(self.panels[self.selected], scroll_visible=False)

    def action_answer(self) -> None:
        """Take the answer, or say what is wrong with it and go on asking."""
        taken = self.prompt.take()
        if taken is None:
            return
        question, answer = taken
        self._prompt_closed()
        if question.name == "goto":
            self._move_to(self.cursor.to(answer))
        elif question.name == "mark":
            self.mark_answered(answer)
        else:
            self.engine_answer(question.name, answer)
