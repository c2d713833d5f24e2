"""The header: the run, its engine's state, its speed and the time left, on one line."""

from __future__ import annotations

import math

from rich.text import Text
from textual.reactive import reactive

from engine.session.text import clock
from wnt_tui.session.engine_state import blocked_phrase, goes_on, hindrance
from wnt_tui.session.snapshot import Snapshot
from wnt_tui.theme.wording import branch_phrase, duration, rate, run_summary
from wnt_tui.widgets.line import ROOMY, Line

STATE_SIGNS: dict[str, tuple[str, str]] = {
    "starting": ("◌", "warn"),
    "running": ("●", "good"),
    "paused": ("‖", "warn"),
    "finished": ("●", "focus"),
    "stopped": ("■", "strong"),
    "diverged": ("▲", "bad"),
    "failed": ("✖", "bad"),
    "died": ("✖", "bad"),
}
"""Sign and role of a state: it is shown by sign and words, never by colour alone."""


def state_phrase(snapshot: Snapshot) -> str:
    """The engine's state in words: ``live running``, ``engine died at step 37``."""
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
        return f"live paused at step {engine.step}"
    if engine.state == "running" and engine.message:
        return f"live at step {engine.step}, replaying recorded steps"
    if engine.blocked_since is None and (hindered := hindrance(engine)):
        return hindered
    return f"live {engine.state}"


def progress_parts(snapshot: Snapshot) -> list[str]:
    """Where the run is, its speed and the time left, the most dispensable last."""
    parts = [f"step {snapshot.last_step}/{snapshot.config.steps}" if snapshot.rows else "no step yet"]
    if goes_on(snapshot.engine):
        remaining = snapshot.seconds_left
        parts.append(rate(snapshot.speed))
        parts.append("" if math.isnan(remaining) else f"{duration(remaining)} left")
    return [part for part in parts if part]


class Header(Line):
    """One line about the run and its engine."""

    # always_update: snapshots hold arrays, which do not compare to one truth.
    snapshot: reactive[Snapshot | None] = reactive(None, always_update=True)
    step: reactive[int] = reactive(0)
    """The cursor's step, whose learning rate is shown."""
    link: reactive[str] = reactive("")
    """A word on the link to the terminal; empty where it is quick."""
    waiting: reactive[str] = reactive("opening…")
    """Shown before there is a snapshot."""

    def render(self) -> Text:
        """The line, without the dispensable parts that do not fit."""
        snapshot = self.snapshot
        if snapshot is None:
            return self.fitted(self.styled(self.waiting, "warn"))
        # One that gives no sign of life is shown as one that has died.
        shown = snapshot.engine.state if snapshot.engine.silent_since is None else "died"
        sign, role = STATE_SIGNS.get(shown, ("●", "strong"))
        left = [
            run_summary(snapshot.config, snapshot.lr_at(self.step)),
            branch_phrase(snapshot.meta),
            snapshot.data_name,
            snapshot.engine.device,
        ]
        progress = [(part, "strong" if place == 0 else "text") for place, part in enumerate(progress_parts(snapshot))]
        right = [
            (f"{sign} {state_phrase(snapshot)}", role),
            (blocked_phrase(snapshot.engine), "bad"),
            (self.link, "warn"),
            *progress,
        ]
        return self._laid_out([part for part in left if part], [part for part in right if part[0]])

    def _laid_out(self, left: list[str], right: list[tuple[str, str]]) -> Text:
        width = self.content_size.width
        gap = " " * (4 if width >= ROOMY else 2)
        left = [self.palette.glyphs.text(part) for part in left]
        right = [(self.palette.glyphs.text(part), role) for part, role in right]

        def taken() -> int:
            return len(gap.join([*left, *(part for part, _ in right)]))

        while taken() > width and (len(left) > 1 or len(right) > 1):
            if len(left) > 1:
                left.pop()
            elif left and " " in left[0]:
                left[0] = left[0].rpartition(" · " if " · " in left[0] else " ")[0]
            elif len(right) > 2 or not left:
                right.pop()
            else:
                left.pop()
        beginning = [(gap * (place > 0) + part, "text" if place else "title") for place, part in enumerate(left)]
        ending = [(gap * (place > 0) + part, role) for place, (part, role) in enumerate(right)]
        filling = width - sum(len(part) for part, _ in (*beginning, *ending))
        middle = (" " * max(1 if left else 0, filling), "text")
        return self.fitted(*(self.styled(*part) for part in (*beginning, middle, *ending)))
