"""A session in a few words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import WntError
from engine.paths import named_path, printable, real_path, shown_path
from engine.session.locations import sessions_folder
from engine.session.reader import SessionReader
from engine.session.speed import SPEED_ROWS, steps_per_second
from wnt_tui.session.engine_state import engine_view, goes_on, hindrance
from wnt_tui.theme.wording import branch_phrase, run_summary


@dataclass(frozen=True, slots=True)
class Summary:
    """A session in one line.

    Attributes:
        path: The file.
        run: The configuration in a phrase.
        alive: Whether an engine holds it.
        state: The engine's state, or ``unreadable``.
        step: The newest step, −1 before the first.
        planned: ``--steps``.
        loss: Loss of the newest row, NaN if there is none.
        speed: Steps per second over the newest rows, NaN if unknown.
        message: A sentence of the engine's, or why the file cannot be read.
        hindrance: What keeps its engine from going on, with a time; empty where nothing does.
        since: Unix time since when that is so, or None.
        branch: Where it comes from if it is a branch, ``from NAME at 12``, else empty.
    """

    path: Path
    run: str
    alive: bool
    state: str
    step: int
    planned: int
    loss: float
    speed: float
    message: str
    branch: str = ""
    hindrance: str = ""
    since: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it for ``--json``: numbers that are not there are null."""
        return {
            "session": shown_path(self.path),
            "run": self.run,
            "alive": self.alive,
            "state": self.state,
            "step": self.step if self.step >= 0 else None,
            "steps": self.planned,
            "loss": self.loss if math.isfinite(self.loss) else None,
            "steps_per_second": self.speed if math.isfinite(self.speed) else None,
            "message": self.message,
            "branch": self.branch or None,
            "hindrance": self.hindrance or None,
            "since": self.since,
        }

    @property
    def words(self) -> str:
        """Liveness and state: ``live running``, ``ended stopped``, ``no sign of life since 12:03``."""
        if self.hindrance:
            return self.hindrance
        if self.state in {"unreadable", "died"}:
            return self.state
        return f"{'live' if self.alive else 'ended'} {self.state}"

    @property
    def progress(self) -> str:
        """``step 37/80``, or that there is none."""
        return f"step {self.step}/{self.planned}" if self.step >= 0 else "no step"


def summary_of(path: Path) -> Summary:
    """A session's summary; bounded, however long the run."""
    with SessionReader(path) as reader:
        config, row, last = reader.config(), reader.engine(), reader.last_step()
        engine = engine_view(row)
        step, columns = reader.steps(max(last - SPEED_ROWS, -1))
        return Summary(
            path=path,
            run=run_summary(config),
            alive=engine.alive,
            state=engine.state,
            step=last,
            planned=config.steps,
            loss=float(columns["loss"][-1]) if step.size else math.nan,
            speed=steps_per_second(columns["time"]) if goes_on(engine) or not engine.alive else math.nan,
            message=engine.message or row.remedy,
            branch=branch_phrase(reader.meta()),
            hindrance=hindrance(engine),
            since=engine.silent_since or engine.blocked_since or engine.paused_since or engine.busy_since,
        )


def as_typed(path: Path) -> str:
    """A path as one may type it: only the name in the sessions folder, else from here."""
    if real_path(path.parent) == real_path(sessions_folder()):
        return shown_path(path.stem)
    here, path = named_path("."), named_path(path)
    return shown_path(path.relative_to(here) if path.is_relative_to(here) else path)


def summary_or_trouble(path: Path) -> Summary:
    """The summary for a listing, in which one bad file must not hide the others."""
    try:
        return summary_of(path)
    except WntError as error:
        why = error.message
    except OSError as error:
        why = printable(str(error))
    return Summary(path, "", False, "unreadable", -1, 0, math.nan, math.nan, why)
