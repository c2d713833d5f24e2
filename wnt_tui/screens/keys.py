"""The key table: every key of the dashboard once. Dispatch, footer, command palette and help are made from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from textual.binding import Binding, BindingType

from wnt_tui.panels import ALL_PANELS

if TYPE_CHECKING:
    from wnt_tui.screens.dashboard import Dashboard


@dataclass(frozen=True, slots=True)
class Key:
    """One entry of the table."""

    keys: str  # Textual key names, comma separated; they all do the same
    shown: str  # the key as people see it
    run: Callable[[Dashboard], object] | None  # does it; None for an entry that is only a footer label of others
    meaning: str  # a phrase for the help screen and the palette; empty keeps it out of both
    label: str  # one or two words for the footer; empty keeps it out of the footer
    group: Literal["Time", "Engine", "Panels", "Program"]  # heading in the help screen
    rank: int = 50  # place in the footer: where space is short, the highest ranks go first
    always: bool = False  # whether it works while the prompt asks something, too

    @property
    def engine(self) -> bool:
        """Whether it needs an engine; for a session without one, footer and palette leave it out."""
        return self.group == "Engine"


PANEL_KEYS = [panel.key for panel in ALL_PANELS]

KEY_TABLE: tuple[Key, ...] = (
    Key("left", "←", lambda on: on.move_to(on.cursor.moved(-1)), "move the cursor one step back", "", "Time"),
    Key("right", "→", lambda on: on.forward(),
        "move the cursor one step on; at the edge of a paused engine: train one", "", "Time"),
    Key("left,right", "← →", None, "", "cursor", "Time", rank=2),
    Key("shift+left,ctrl+left", "shift ←", lambda on: on.move_to(on.cursor.moved(-10)),
        "move the cursor ten steps back", "", "Time"),
    Key("shift+right,ctrl+right", "shift →", lambda on: on.move_to(on.cursor.moved(10)),
        "move the cursor ten steps on", "", "Time"),
    Key("home", "home", lambda on: on.move_to(on.cursor.to_start()), "go to the first step", "", "Time"),
    Key("end", "end", lambda on: on.move_to(on.cursor.to_end()),
        "go to the newest step and follow it", "follow", "Time", rank=9),
    Key("g", "g", lambda on: on.ask_step(), "go to a step", "go to", "Time", rank=5),
    Key("left_square_bracket", "[", lambda on: on.go_to_event(-1), "go to the previous event", "", "Time"),
    Key("right_square_bracket", "]", lambda on: on.go_to_event(1), "go to the next event", "", "Time"),
    Key("left_square_bracket,right_square_bracket", "[ ]", None, "", "event", "Time", rank=6),
    Key("z", "z", lambda on: on.move_to(on.cursor.zoomed(1)),
        "zoom in: halve the window of steps around the cursor", "zoom", "Time", rank=8),
    Key("Z", "Z", lambda on: on.move_to(on.cursor.zoomed(-1)), "zoom out", "", "Time"),
    Key("b", "b", lambda on: on.engine.ask_branch(on.cursor.step),
        "branch: go on from the cursor's step in a new session, with options changed", "branch", "Time", rank=8),
    Key("B", "B", lambda on: on.notes.show_breakpoints(), "set, look at and clear breakpoints", "", "Time"),
    Key("m", "m", lambda on: on.notes.ask_mark(on.cursor.step),
        "mark the cursor's step with a note", "mark", "Time", rank=12),
    Key("space", "space", lambda on: on.engine.toggle(), "pause or resume the engine", "pause", "Engine", rank=1),
    Key("N", "N", lambda on: on.engine.ask_steps(on.train),
        "train a number of steps, then pause", "steps", "Engine", rank=4),
    Key("L", "L", lambda on: on.engine.ask_rate(), "set the learning rate", "rate", "Engine", rank=7),
    Key("w", "w", lambda on: on.engine.record_spectra(),
        "record the whole spectra of G and K at the next row", "", "Engine"),
    Key("r", "r", lambda on: on.engine.rewind(on.cursor.step),
        "take a paused engine back to the cursor's step", "rewind", "Engine", rank=8),
    Key("c", "c", lambda on: on.choose_comparison(),
        "compare with another session, or take one out", "compare", "Panels", rank=7),
    Key("Q", "Q", lambda on: on.engine.stop(),
        "stop the engine, save and leave; paused runs that were branched from end too", "stop", "Engine", rank=11),
    Key(",".join(PANEL_KEYS), f"{PANEL_KEYS[0]}–{PANEL_KEYS[-1]}", None, "select a panel", "panel", "Panels", rank=10),
    Key("tab", "tab", lambda on: on.grid.select(on.grid.selected + 1), "select the next panel", "", "Panels"),
    Key("shift+tab", "shift tab", lambda on: on.grid.select(on.grid.selected - 1),
        "select the previous panel", "", "Panels"),
    Key("enter", "enter", lambda on: on.grid.toggle_maximised(),
        "maximise the selected panel, or restore", "maximise", "Panels", rank=6),
    Key("escape", "esc", lambda on: on.restore(), "restore a maximised panel", "", "Panels"),
    Key("up", "↑", lambda on: on.move_layer(1), "select the next layer, towards the output", "", "Panels"),
    Key("down", "↓", lambda on: on.move_layer(-1), "select the previous layer, towards the input", "", "Panels"),
    Key("up,down", "↑ ↓", None, "", "layer", "Panels", rank=8),
    Key("l", "l", lambda on: on.grid.panel.action_toggle_log(),
        "log or linear axis of the selected panel", "log", "Panels", rank=9),
    Key("e", "e", lambda on: on.cycle_estimator(),
        "choose L in the predicted losses: as stored, Hessian, GGN, step, secant, bound", "", "Panels"),
    Key("s", "s", lambda on: on.choose_session(), "choose among the sessions that were opened", "", "Program"),
    Key("colon", ":", lambda on: on.app.action_command_palette(), "command palette", "", "Program"),
    Key("question_mark,f1", "?", lambda on: on.show_help(), "this help", "help", "Program", rank=3),
    Key("q", "q", lambda on: on.engine.leave(), "leave; a living engine goes on training", "leave", "Program", rank=3),
    Key("ctrl+c", "^C", lambda on: on.engine.explain_leaving(), "say how to leave", "", "Program", always=True),
    Key("ctrl+z", "^Z", lambda on: on.app.action_suspend_process(),
        "suspend; `fg` in the shell comes back", "", "Program"),
)  # fmt: skip
"""In the order of the help screen."""


def bindings() -> list[BindingType]:
    """Textual bindings: ``key(place in the table)``, and ``panel(place)`` for the digits."""
    # With priority: carried out before the next key is looked at, which may be for what this one opens.
    actions = [(entry.keys, f"key({place})") for place, entry in enumerate(KEY_TABLE) if entry.run is not None]
    panels = [(key, f"panel({place})") for place, key in enumerate(PANEL_KEYS)]
    return [Binding(keys, action, show=False, priority=True) for keys, action in (*actions, *panels)]


def footer_keys(*, has_engine: bool, waits: bool = False) -> tuple[tuple[str, str], ...]:
    """Key and label of the footer's keys by rank, those of the engine only if there is one."""
    labelled = [entry for entry in KEY_TABLE if entry.label and (has_engine or not entry.engine)]
    ranked = sorted(labelled, key=lambda entry: entry.rank)
    return tuple((entry.shown, "resume" if entry.label == "pause" and waits else entry.label) for entry in ranked)
