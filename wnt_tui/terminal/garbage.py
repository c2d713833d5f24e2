"""Python's collector of reference cycles, which is run between pictures and not inside one.

Left to itself it walks through all objects whenever some hundred have been made, which every picture does, and at times
through all that ever were: a key then waits up to 50 ms longer for its picture.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

INTERVAL_SECONDS = 0.25
"""How often it is seen whether now is a good moment."""

REST_SECONDS = 0.5
"""After the last change of the picture: who moves the cursor is not held up."""

YOUNG_SECONDS = 0.5
"""While the picture changes without a rest, what the last ones left is collected so often, in some milliseconds."""

OLDER_EVERY = 16
"""… and every so many times also what the times before left over."""

LONGEST_SECONDS = 600.0
"""… and everything so often, which takes as long as a picture or a few."""

MANY_OBJECTS = 200_000
"""… or when so many have been made since, however that came."""


def take_over() -> None:
    """Keep the interpreter from collecting by itself, and what was imported, which stays, out of it."""
    gc.freeze()
    gc.disable()


class Collector:
    """Collects when nothing has been drawn for a while; nothing unless :func:`take_over` was called.

    Args:
        clock: Seconds, for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._collected = self._young = clock()
        self._times = 0

    def tick(self, changed: float) -> int | None:
        """Collect if now is a good moment.

        Args:
            changed: When the picture changed last.

        Returns:
            The oldest generation that was collected: 0, 1, or 2 for everything; None for nothing.
        """
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
