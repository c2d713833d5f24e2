"""When the costly measurements are made: at every measured row, or as often as a budget of time allows."""

from __future__ import annotations

import time
from collections.abc import Collection, Generator, Iterator
from contextlib import contextmanager

TASKS: dict[str, tuple[str, ...]] = {
    "none": (),
    "core": ("layers",),
    "all": ("layers", "curvature", "kernel"),
}
"""The costly measurements of each set, cheapest first. What is free beside them is measured at every row."""


def seconds_of(task: str) -> str:
    """The metric that says what a task cost; a row that does not have it did not make the measurement.

    Args:
        task: One of :data:`TASKS`.

    Returns:
        Its name in the catalogue.
    """
    return f"{task}_seconds"


class Schedule:
    """Spends at most a share of the training time on measuring, in the mean over rows.

    Every row of training earns ``budget`` times what it took, in equal parts for each measurement, which is made when
    it owes nothing, and then pays with what it took. It may take more than it has and then waits until that is earned
    back: so the cheap ones are made often and the dear ones seldom, and none is starved by another. The first row
    measures everything and is not counted: iterations start cold there.

    Args:
        measure: The measurement set.
        budget: The share; None makes every measurement at every row.
    """

    def __init__(self, measure: str, budget: float | None) -> None:
        self._tasks = TASKS[measure]
        self._budget = budget
        self._balances = dict.fromkeys(self._tasks, 0.0)
        self._first = True
        self._spent: dict[str, float] = {}

    def due(self, training_seconds: float) -> Iterator[str]:
        """The tasks of a row, each to be timed with :meth:`timed`.

        Args:
            training_seconds: What training has taken since the row before.

        Yields:
            Names of tasks. The kernel reads the layers' Gram matrices: where it is made, the layers come before it.
        """
        self._spent = {}
        if self._budget is None or self._first:
            yield from self._tasks
        else:
            earned = self._budget * training_seconds / len(self._tasks)
            for task, balance in self._balances.items():
                # What was earned and not used is not kept for later: a row never measures on behalf of another.
                self._balances[task] = min(balance, 0.0) + earned
            due = {task for task, balance in self._balances.items() if balance > 0.0}
            if "kernel" in due:
                due.add("layers")
            yield from (task for task in self._tasks if task in due)

    def only(self, tasks: Collection[str]) -> Iterator[str]:
        """Make the measurements that somebody else has chosen: those of a recorded row that is executed again.

        Args:
            tasks: Names of tasks.

        Yields:
            Those of them that the measurement set has.
        """
        self._spent = {}
        yield from (task for task in self._tasks if task in tasks)

    def charge(self, seconds: float) -> None:
        """Pay for what is measured at every row.

        Args:
            seconds: What it took.
        """
        if not self._first:
            for task in self._tasks:
                self._balances[task] -= seconds / len(self._tasks)
        self._first = False

    @contextmanager
    def timed(self, task: str, already: float = 0.0) -> Generator[None, None, None]:
        """Time a task and pay for it.

        Args:
            task: Its name.
            already: Seconds that it has taken before, on the device.

        Yields:
            Nothing; the measurement is made inside.
        """
        began = time.perf_counter()
        try:
            yield
        finally:
            self._spent[task] = already + time.perf_counter() - began
            if not self._first:
                self._balances[task] -= self._spent[task]

    def seconds(self) -> dict[str, float]:
        """What the tasks of this row took.

        Returns:
            Seconds by the name of the metric that holds them.
        """
        return {seconds_of(task): seconds for task, seconds in self._spent.items()}
