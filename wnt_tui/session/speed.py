"""How fast a run goes and how long it will take."""

from __future__ import annotations

import math

import numpy as np

from wnt_tui.session.snapshot import Snapshot

RECENT_ROWS = 20
LONGEST_SHARE = 0.2
"""This share of the longest intervals is left out: they are pauses."""


def steps_per_second(snapshot: Snapshot) -> float:
    """Speed over the newest rows as the clock on the wall has it, measuring and writing included.

    Args:
        snapshot: The session.

    Returns:
        Steps per second, NaN where that cannot be said.
    """
    between = np.diff(snapshot.column("time")[-RECENT_ROWS - 1 :])
    between = np.sort(between[np.isfinite(between) & (between >= 0)])
    kept = between[: math.ceil(between.size * (1 - LONGEST_SHARE))]
    total = float(kept.sum())
    return kept.size / total if total > 0 else math.nan


def seconds_left(snapshot: Snapshot) -> float:
    """Time to the planned end at the present speed.

    Args:
        snapshot: The session.

    Returns:
        Seconds; NaN where the speed is unknown or the plan is done.
    """
    left = snapshot.config.steps - snapshot.last_step
    return left / steps_per_second(snapshot) if left > 0 else math.nan
