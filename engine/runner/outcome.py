"""The outcome of a run: as a sentence for people and as JSON for programs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.catalogue.certainty import resolved
from engine.paths import shell_path, shown_path
from engine.record import StepRecord

_NUMBERS = (
    "loss", "accuracy", "test_loss", "test_accuracy", "grad_norm", "pl",
    "smoothness_hessian", "smoothness_hessian_low", "unstable_directions",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a run.

    Attributes:
        state: ``finished``, ``stopped`` or ``diverged``.
        step: The session's newest step.
        rows: How many rows it has.
        message: A sentence for people.
        last: The row that was observed last, None if this engine has observed none.
        examples: How many examples it was trained on.
    """

    state: str
    step: int
    rows: int
    message: str
    last: StepRecord | None
    examples: int


def sentence(outcome: Outcome, session: Path) -> str:
    """A run's end and what its session holds now, in a sentence or two."""
    rows = f"{outcome.rows} row{'s' if outcome.rows != 1 else ''}, to step {outcome.step},"
    more = f" `wnt-tui resume {shell_path(session)}` goes on." if outcome.state == "stopped" else ""
    return f"{outcome.message} {rows} saved in {shown_path(session)}.{more}"


def summary(outcome: Outcome, session: Path) -> dict[str, Any]:
    """The JSON summary of a run: its end and the last row's main numbers.

    Args:
        outcome: The run's end.
        session: Its file.

    Returns:
        JSON-compatible; a number that was not computed or is not finite is null. Beside conditioning, which may be only
        a bound, stands whether it is resolved.
    """
    values = outcome.last.values if outcome.last is not None else {}
    layers = outcome.last.layers if outcome.last is not None else {}
    return {
        "session": shown_path(session),
        "state": outcome.state,
        "message": outcome.message,
        "step": outcome.step,
        "rows": outcome.rows,
        **{name: _finite(values.get(name, math.nan)) for name in _NUMBERS},
        "log10_cond": [_finite(float(v)) for v in layers["log10_cond"][:-1]] if "log10_cond" in layers else None,
        "log10_cond_resolved": resolved("log10_cond", layers, outcome.examples)[:-1].tolist() if layers else None,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
