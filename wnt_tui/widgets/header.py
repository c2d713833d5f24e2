"""The header: what runs, on what, how it is going, how long it will take. One line."""

from __future__ import annotations

import math

from rich.text import Text
from textual.reactive import reactive

from wnt_tui.session.engine_state import blocked_phrase, goes_on, hindrance
from wnt_tui.session.snapshot import Snapshot
from wnt_tui.session.speed import seconds_left, steps_per_second
from wnt_tui.theme.wording import branch_phrase, clock, duration, rate, run_summary
from wnt_tui.widgets.line import Line

STATE_SIGNS: dict[str, tuple[str, str, str]] = {
    "starting": ("◌", "o", "warn"),
    "running": ("●", "*", "good"),
    "paused": ("‖", "=", "warn"),
    "finished": ("●", "*", "focus"),
    "stopped": ("■", "#", "strong"),
    "diverged": ("▲", "!", "bad"),
    "failed": ("✖", "X", "bad"),
    "died": ("✖", "X", "bad"),
}
"""Sign, its ASCII stand-in and role of a state: it is told by sign and words, never by colour alone."""

ROOMY = 120


def state_phrase(snapshot: Snapshot) -> str:
    """Return the engine's state in words: ``live running``, ``engine died at step 37``."""
    engine = snapshot.engine
    if engine.state == "died":
        seen = "" if engine.silent_since is None else f", last sign of life {clock(engine.silent_since)}"
        return (f"engine died at step {snapshot.last_step}" if snapshot.rows else "engine died before step 0") + seen
    if not engine.alive:
        return f"ended  {engine.state}"
    if engine.silent_since is not None:
        return hindrance(engine)
    if engine.state == "finished":
        return "live finished, waiting"
    if snapshot.engine_behind:
        return f"live rewound to {engine.step}"
    if engine.state == "running" and engine.message:
        return "live executing again"
    if engine.blocked_since is None and (hindered := hindrance(engine)):
        return hindered
    return f"live {engine.state}"


def progress_parts(snapshot: Snapshot) -> list[str]:
    """Return where the run is, its speed and the time left, the most dispensable last."""
    parts = [f"step {snapshot.last_step}/{snapshot.config.steps}" if snapshot.rows else "no step yet"]
    if goes_on(snapshot.engine):
        remaining = seconds_left(snapshot)
        parts.append(rate(steps_per_second(snapshot)))
        parts.append("" if math.isnan(remaining) else f"{duration(remaining)} left")
    return [part for part in parts if part]


class Header(Line):
    """One line about the run and its engine."""

    # always_update: snapshots hold arrays, which do not compare to one truth.
    snapshot: reactive[Snapshot | None] = reactive(None, always_update=True)
    cursor: reactive[int] = reactive(0)
    """The step whose learning rate is told."""
    link: reactive[str] = reactive("")
    """What to say of the link to the terminal: nothing where it is quick."""
    waiting: reactive[str] = reactive("opening…")
    """What to say before there is a snapshot."""

    def render(self) -> Text:
        """Return the line, without the dispensable parts that do not fit."""
        if self.snapshot is None:
            return self.fitted(self.styled(self.waiting, "warn"))
        snapshot = self.snapshot
        # One that gives no sign of life is shown as one that has died.
        shown = snapshot.engine.state if snapshot.engine.silent_since is None else "died"
        sign, stand_in, role = STATE_SIGNS.get(shown, ("●", "*", "strong"))
        state = (f"{self.sign(sign, stand_in)} {state_phrase(snapshot)}", role)
        blocked = (blocked_phrase(snapshot.engine), "bad")
        link = (self.link, "warn")
        progress = [(part, "strong" if place == 0 else "text") for place, part in enumerate(progress_parts(snapshot))]
        left = [
            run_summary(snapshot.config, snapshot.lr_at(self.cursor)),
            branch_phrase(snapshot.meta),
            snapshot.data_name,
            snapshot.engine.device,
        ]
        return self._laid_out(
            [self.palette.glyphs.text(part) for part in left if part],
            [
                (self.palette.glyphs.text(text), role)
                for text, role in (state, *(warning for warning in (blocked, link) if warning[0]), *progress)
            ],
        )

    def _laid_out(self, left: list[str], right: list[tuple[str, str]]) -> Text:
        width = self.content_size.width
        gap = 4 if width >= ROOMY else 2

        def taken() -> int:
            count = len(left) + len(right)
            return sum(map(len, left)) + sum(len(text) for text, _ in right) + gap * (count - 1)

        while taken() > width and (len(left) > 1 or len(right) > 1):
            if len(left) > 1:
                left.pop()
            elif left and " " in left[0]:
                left[0] = left[0].rpartition(" · " if " · " in left[0] else " ")[0]
            elif len(right) > 2:
                right.pop()
            elif left:
                left.pop()
            else:
                right.pop()
        space = " " * gap
        beginning = [self.styled((space if place else "") + part, "text" if place else "title")
                     for place, part in enumerate(left)]  # fmt: skip
        ending = [self.styled((space if place else "") + text, role) for place, (text, role) in enumerate(right)]
        filling = width - sum(len(text) for text, _ in beginning + ending)
        return self.fitted(*beginning, self.styled(" " * max(1 if left else 0, filling), "text"), *ending)
