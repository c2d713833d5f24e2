"""Garbage collection between pictures and not inside one.

Left to itself the interpreter walks through young objects at every picture, and at times through all there are: a key
then waits up to 50 ms longer for its picture.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

INTERVAL_SECONDS = 0.25
"""Seconds between two calls of :meth:`Collector.tick`."""

REST_SECONDS = 0.5
"""Everything is collected so long after the last change of the picture: who moves the cursor is not held up."""

YOUNG_SECONDS = 0.5
OLDER_EVERY = 16
"""A picture that changes without a rest has young objects collected so often, and every so many times older ones."""

LONGEST_SECONDS = 600.0
MANY_OBJECTS = 200_000
"""Everything is also collected after so long, or when so many objects have been made; it takes as long as a picture."""


def take_over() -> None:
    """Keep the interpreter from collecting by itself, and what was imported, which stays, out of it."""
    gc.freeze()
    gc.disable()


class Collector:
    """Collects when nothing has been drawn for a while, after :func:`take_over`; the clock in seconds is for tests."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._collected = self._young = clock()
        self._times = 0

    def tick(self, changed: float) -> int | None:
        """Collect if it is time; the oldest generation that was collected (2: everything), None for nothing."""
        now = self._clock()
        if gc.isenabled():
            return None
        rested = now - changed >= REST_SECONDS and changed > self._collected
        if rested or now - self._collected >= LONGEST_SECONDS or gc.get_count()[0] > MANY_OBJECTS:
            self._collected = self._young = now
            gc.collect()
            return 2
        if changed > self._young and now - self._young >= YOUNG_SECONDS:
            self._young = now
            self._times += 1
            generation = int(self._times % OLDER_EVERY == 0)
            gc.collect(generation)
            return generation
        return None
