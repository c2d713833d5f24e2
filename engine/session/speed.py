"""The speed of a run, from the times of its newest rows."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

SPEED_ROWS = 21
"""Rows that say how fast a run goes now."""

_PAUSES = 0.2
"""This share of the intervals, the longest ones, is left out: pauses are among them."""


def steps_per_second(times: ArrayLike) -> float:
    """The speed by the times of the newest :data:`SPEED_ROWS` rows, NaN where it cannot be said."""
    between = np.diff(np.asarray(times, dtype=np.float64)[-SPEED_ROWS:])
    between = np.sort(between[np.isfinite(between) & (between >= 0)])
    kept = between[: math.ceil(between.size * (1 - _PAUSES))]
    total = float(kept.sum())
    return kept.size / total if total > 0 else math.nan
