"""The key table: every key of the dashboard once. Dispatch, footer, palette and help are all made from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding

Group = Literal["time", "engine", "panels", "program"]

GROUP_TITLES: dict[Group, str] = {
    "time": "Time",
    "engine": "Engine",
    "panels": "Panels",
    "program": "Program",
}


@dataclass(frozen=True, slots=True)
class Key:
    """One entry of the table.

    Attributes:
        keys: Textual key names, comma separated; they all do the same.
        shown: The key as people see it.
        action: Name of the screen's action.
        meaning: What it does, a phrase for the help screen and the palette.
        label: One or two words for the footer; empty keeps it out of the footer.
        group: Heading in the help screen.
        rank: Place in the footer: where space is short, the highest ranks go first.
    """

    keys: str
    shown: str
    action: str
    meaning: str
    label: str
    group: Group
    rank: int = 50

    @property
    def engine(self) -> bool:
        """Whether it needs an engine; for a session without one, footer and palette leave it out."""
        return self.group == "engine"


KEY_TABLE: tuple[Key, ...] = (
    Key("left", "←", "move(-1)", "move the cursor one step back", "", "time"),
    Key("right", "→", "forward", "move the cursor one step on; at the edge of a paused engine: train one",
        "", "time"),
    Key("left,right", "← →", "", "", "cursor", "time", rank=2),
    Key("shift+left,ctrl+left", "shift ←", "move(-10)", "move the cursor ten steps back", "", "time"),
    Key("shift+right,ctrl+right", "shift →", "move(10)", "move the cursor ten steps on", "", "time"),
    Key("home", "home", "start", "go to the first step", "", "time"),
    Key("end", "end", "end", "go to the newest step and follow it", "follow", "time", rank=9),
    Key("g", "g", "ask('goto')", "go to a step", "go to", "time", rank=5),
    Key("left_square_bracket", "[", "event(-1)", "go to the previous event", "", "time"),
    Key("right_square_bracket", "]", "event(1)", "go to the next event", "", "time"),
    Key("left_square_bracket,right_square_bracket", "[ ]", "", "", "event", "time", rank=6),
    Key("z", "z", "zoom(1)", "zoom in: halve the window of steps around the cursor", "zoom", "time", rank=8),
    Key("Z", "Z", "zoom(-1)", "zoom out", "", "time"),
    Key("b", "b", "ask('branch')", "branch: go on from the cursor's step in a new session, with options changed",
        "branch", "time", rank=8),
    Key("B", "B", "breakpoints", "set, look at and clear breakpoints", "", "time"),
    Key("m", "m", "mark", "mark the cursor's step with a note", "mark", "time", rank=12),
    Key("space", "space", "toggle_running", "pause or resume the engine", "pause", "engine", rank=1),
    Key("N", "N", "ask('steps')", "train a number of steps, then pause", "steps", "engine", rank=4),
    Key("L", "L", "ask('lr')", "set the learning rate", "rate", "engine", rank=7),
    Key("r", "r", "rewind", "take a paused engine back to the cursor's step", "rewind", "engine", rank=8),
    Key("c", "c", "compare", "compare with another session, or take one out", "compare", "panels", rank=7),
    Key("Q", "Q", "stop", "stop the engine, save and leave; paused runs that were branched from end too",
        "stop", "engine", rank=11),
    Key("1,2,3,4,5,6,7,8,9", "1–9", "", "select a panel", "panel", "panels", rank=10),
    Key("tab", "tab", "next_panel(1)", "select the next panel", "", "panels"),
    Key("shift+tab", "shift tab", "next_panel(-1)", "select the previous panel", "", "panels"),
    Key("enter", "enter", "maximise", "maximise the selected panel, or restore", "maximise", "panels", rank=6),
    Key("escape", "esc", "restore", "restore a maximised panel", "", "panels"),
    Key("up", "↑", "layer(1)", "select the next layer, towards the output", "", "panels"),
    Key("down", "↓", "layer(-1)", "select the previous layer, towards the input", "", "panels"),
    Key("up,down", "↑ ↓", "", "", "layer", "panels", rank=8),
    Key("l", "l", "toggle_log", "log or linear axis of the selected panel", "log", "panels", rank=9),
    Key("e", "e", "cycle_estimator",
        "choose L in the predictions of panels 1 and 7: as stored, Hessian, GGN, step, secant, bound", "", "panels"),
    Key("s", "s", "sessions", "choose among the sessions that were opened", "", "program"),
    Key("colon", ":", "palette", "command palette", "", "program"),
    Key("question_mark,f1", "?", "help", "this help", "help", "program", rank=3),
    Key("q", "q", "leave", "leave; a living engine goes on training", "leave", "program", rank=3),
    Key("ctrl+c", "^C", "how_to_quit", "say how to leave", "", "program"),
    Key("ctrl+z", "^Z", "suspend", "suspend; `fg` in the shell comes back", "", "program"),
)  # fmt: skip
"""In the order of the help screen. An entry without an action is a footer label for several, one without
a label stays out of the footer."""

PANEL_KEYS = "123456789"

PROMPT_KEYS = {"enter": "answer", "escape": "drop"}
"""Keys of the prompt while it asks something; all others are for its field."""


def bindings() -> list[Binding]:
    """Return Textual bindings of the whole table, digits for the panels included."""
    # With priority: carried out before the next key is looked at, which may be for what this one opens.
    made = [
        Binding(entry.keys, entry.action, entry.meaning, show=False, priority=True)
        for entry in KEY_TABLE
        if entry.action
    ]
    made += [Binding(key, f"panel({key})", f"select panel {key}", show=False, priority=True) for key in PANEL_KEYS]
    return made


def prompt_bindings() -> list[Binding]:
    """Return Textual bindings for the dashboard while its prompt asks something."""
    return [Binding(key, action, show=False, priority=True) for key, action in PROMPT_KEYS.items()]


def footer_keys(*, has_engine: bool) -> list[Key]:
    """Entries with a footer label, most useful first.

    Args:
        has_engine: Whether an engine lives; without one its keys are left out.

    Returns:
        Entries by rank.
    """
    labelled = [entry for entry in KEY_TABLE if entry.label and (has_engine or not entry.engine)]
    return sorted(labelled, key=lambda entry: entry.rank)
