"""Copies of a run along its way, in bounded memory and for little time: from them any step is near."""

from __future__ import annotations

import time
from collections.abc import Callable

from engine.history.checkpoint import Checkpoint

KEYFRAME_BYTES = 1 << 30
"""Memory of all keyframes together; a run of 500×9 has room for 26, one that is larger than this for none."""

_SHARE = 50.0
"""A keyframe is taken when the run has gone on for so many times as long as taking the last one took: at most 2% of
the time goes into them, and going back takes at most so many times as long as copying."""


class Keyframes:
    """Keyframes of one run, spread evenly over its steps.

    Args:
        most_bytes: Memory for all together.
        clock: Seconds from some moment on.
    """

    def __init__(self, most_bytes: int = KEYFRAME_BYTES, clock: Callable[[], float] = time.perf_counter) -> None:
        self._most = most_bytes
        self._clock = clock
        self._kept: dict[int, Checkpoint] = {}
        self._due = clock()
        self._too_large = False

    @property
    def steps(self) -> list[int]:
        """Steps that have a keyframe, ascending."""
        return sorted(self._kept)

    @property
    def size(self) -> int:
        """Bytes of all together."""
        return sum(frame.size for frame in self._kept.values())

    def offer(self, step: int, take: Callable[[], Checkpoint]) -> None:
        """Take a keyframe of the step that the run is at, if it is time for one."""
        began = self._clock()
        if began < self._due or step in self._kept or self._too_large:
            return
        frame = take()
        self._too_large = frame.size > self._most
        if self._too_large:
            return
        self._kept[step] = frame
        while self.size > self._most:
            del self._kept[self._most_dispensable()]
        now = self._clock()
        self._due = now + _SHARE * (now - began)

    def nearest(self, step: int) -> Checkpoint | None:
        """The newest keyframe that is not later than a step, None if there is none."""
        at = max((kept for kept in self._kept if kept <= step), default=None)
        return None if at is None else self._kept[at]

    def _most_dispensable(self) -> int:
        """The step without which the gap between its neighbours is least; both ends stay if there are others."""
        steps = self.steps
        if len(steps) < 3:
            return steps[-1]
        gaps = {steps[place]: steps[place + 1] - steps[place - 1] for place in range(1, len(steps) - 1)}
        return min(gaps, key=gaps.__getitem__)
