"""The breakpoints of a run and their hits; one is set or cleared with a key."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.suggester import Suggester
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from engine.breakpoints import LONGEST_CONDITION, ActiveBreakpoint, BreakpointError, active_breakpoints, parse
from engine.catalogue import CATALOGUE
from engine.config import RunConfig
from engine.record import Event
from wnt_tui.screens.dialog import ListDialog, dialog_key
from wnt_tui.theme.themes import Palette

EXAMPLES = (
    "log10_cond[3] > 4 for 5 · pl < 1e-4 · smoothness_hessian > 2/lr · ratio_descent outside 0.8..1.2 · diverging"
)
_HITS_SHOWN = 6
_METRICS = tuple(name for name, entry in CATALOGUE.items() if not entry.end_of and not entry.retired)
_WORDS = (*_METRICS, "step", "diverging", "inside", "outside")
_LAST_WORD = re.compile(r"[a-z_][a-z_0-9]+$")


class MetricNames(Suggester):
    """Completes the word at the end of a condition to a name of the catalogue."""

    async def get_suggestion(self, value: str) -> str | None:
        """The text with its last word completed, None where it begins no name."""
        word = _LAST_WORD.search(value)
        if word is None:
            return None
        found = next((name for name in _WORDS if name.startswith(word.group()) and name != word.group()), None)
        return None if found is None else value[: word.start()] + found


class BreakpointsDialog(ListDialog[tuple[str, str] | None]):
    """A field for a new breakpoint above the list of those that are set; answers with a command and its condition.

    Args:
        config: The run, with the breakpoints of its beginning.
        events: Its events: breakpoints that were set, cleared and hit.
        engine: Whether an engine lives, which alone can change them.
        palette: Styles and characters.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        dialog_key("tab", "app.focus_next"),
        dialog_key("shift+tab", "app.focus_previous"),
        dialog_key("delete,backspace,x", "clear"),
        dialog_key("enter", "submit"),
    ]

    def __init__(self, config: RunConfig, events: Sequence[Event], engine: bool, palette: Palette) -> None:
        super().__init__()
        self._found = active_breakpoints(config.breakpoints, events)
        self._config = config
        self._engine = engine
        self._palette = palette

    def compose(self) -> ComposeResult:
        """Yield the field, what is wrong with it, and the list."""
        glyphs = self._palette.glyphs
        with Vertical(id="breakpoints-page") as page:
            keys = "enter sets · tab to the list · x clears · esc closes" if self._engine else "esc closes"
            page.border_title = glyphs.text(f"breakpoints · {keys}")
            if self._engine:
                yield Input(
                    id="condition",
                    compact=True,
                    placeholder=glyphs.text("condition at which the engine pauses"),
                    max_length=LONGEST_CONDITION,
                    suggester=MetricNames(case_sensitive=True),
                    select_on_focus=False,
                )
                yield Static(glyphs.text(EXAMPLES), id="remark", markup=False)
            else:
                yield Static("no engine: breakpoints of a recorded run can only be looked at", id="remark")
            # markup=False: texts come from files.
            yield OptionList(*(Option(glyphs.text(described(point))) for point in self._found), markup=False)
            if not self._found:
                yield Static("none is set", classes="nothing")

    def on_mount(self) -> None:
        """Begin at the field, or at the list where nothing can be set."""
        options = self.query_one(OptionList)
        options.display = bool(self._found)
        if self._engine:
            self.set_focus(self.query_one(Input))
        elif self._found:
            self.set_focus(options)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether an action may happen: enter and x are the field's or the list's."""
        if action == "submit":
            return any(field.has_focus for field in self.query(Input))
        return super().check_action("choose" if action == "clear" else action, parameters)

    def action_submit(self) -> None:
        """Set the breakpoint, or point at its mistake."""
        condition = self.query_one(Input).value
        if not condition.strip():
            self.dismiss(None)
            return
        try:
            found = parse(condition)
            found.check(depth=self._config.depth, measure=self._config.measure)
        except BreakpointError as error:
            field = self.query_one(Input)
            # A breakpoint that can never be reached is pointed at in its canonical text.
            field.value = error.text
            field.cursor_position = min(error.column - 1, len(error.text))
            remark = self.query_one("#remark", Static)
            remark.update(self._palette.glyphs.text(f"column {error.column}: {error.reason}. {error.hint}"))
            remark.add_class("-wrong")
            return
        self.dismiss(("break", found.text))

    def action_clear(self) -> None:
        """Clear the highlighted breakpoint."""
        place = self.query_one(OptionList).highlighted
        if self._engine and place is not None:
            self.dismiss(("clear", self._found[place].text))

    def chosen(self, place: int) -> None:
        """Put a breakpoint into the field, to set another like it."""
        if self._engine:
            field = self.query_one(Input)
            field.value = self._found[place].text
            field.cursor_position = len(field.value)
            field.focus()


def described(point: ActiveBreakpoint) -> str:
    """One line about a breakpoint."""
    if not point.hits:
        return f"{point.text}   not hit"
    shown = ", ".join(map(str, point.hits[-_HITS_SHOWN:]))
    earlier = len(point.hits) - _HITS_SHOWN
    return f"{point.text}   hit at step {f'… {shown}' if earlier > 0 else shown}"
