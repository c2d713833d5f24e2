"""How fast a run goes, from the times of its newest rows."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

SPEED_ROWS = 21
"""Rows that say how fast a run goes now."""

_PAUSES = 0.2
"""This share of the intervals, the longest ones, is left out: pauses are among them."""


def steps_per_second(times: ArrayLike) -> float:
    """Speed as the clock on the wall has it, measuring and writing included.

    Args:
        times: Seconds at which each row was recorded, shape (rows,), of which the newest :data:`SPEED_ROWS` count.

    Returns:
        Steps per second, NaN where that cannot be said.
    """
    between = np.diff(np.asarray(times, dtype=np.float64)[-SPEED_ROWS:])
    between = np.sort(between[np.isfinite(between) & (between >= 0)])
    kept = between[: math.ceil(between.size * (1 - _PAUSES))]
    total = float(kept.sum())
    return kept.size / total if total > 0 else math.nan
