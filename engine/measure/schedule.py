"""What a row measures: every row alike, every K-th, or as much as a budget of time allows."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

TASKS: dict[str, tuple[str, ...]] = {
    "none": (),
    "core": ("layers",),
    "all": ("layers", "curvature", "kernel"),
}
"""The costly measurements of each set, cheapest first."""

MEASURED = "loss_bound"
"""A metric that every measured row has and no other row: it tells them apart in a session."""

_COMMON_SHARE = 0.5
"""Of what training earns, the most that goes into what every measured row has: the rest is left for the tasks."""


def seconds_of(task: str) -> str:
    """The metric that says what a task cost; a row that does not have it did not make the measurement.

    Args:
        task: One of :data:`TASKS`.

    Returns:
        Its name in the catalogue.
    """
    return f"{task}_seconds"


@dataclass(frozen=True, slots=True)
class Work:
    """What is measured at a row.

    Attributes:
        measured: Whether the row is measured at all. One that is not has what training computes; right after a
            row with costly measurements it has the quantities of the transition too, which are nearly free there.
        tasks: The costly measurements that it makes, of :data:`TASKS`.
    """

    measured: bool
    tasks: tuple[str, ...] = ()


NOTHING = Work(False)


class Schedule:
    """Spends at most a share of the training time on measuring, in the mean over rows.

    Training earns ``budget`` times what it takes. What a measured row has beside its tasks is paid first: no row is
    measured before half of what has been earned since the last one covers what that one cost. The rest is divided
    equally among the tasks. A task is made at a measured row where it owes nothing, and then pays with what it took;
    it may take more than it has and then waits until that is earned back. So whatever the budget, rows are measured
    again and again, the cheap tasks often and the dear ones seldom, and none is starved by another. The first row
    measures everything and is not counted: iterations start cold there. The last row measures everything too.

    Args:
        measure: The measurement set.
        budget: The share; None makes every measurement at every row.
    """

    def __init__(self, measure: str, budget: float | None) -> None:
        self._tasks = TASKS[measure]
        self._budget = budget
        self._balances = dict.fromkeys(self._tasks, 0.0)
        self._owed = 0.0  # for what measured rows have beside their tasks
        self._first = True
        self._spent: dict[str, float] = {}

    def due(self, training_seconds: float, *, regular: bool = True, whole: bool = False) -> Work:
        """What a row measures.

        Args:
            training_seconds: What training has taken since the row measured last.
            regular: Whether it is one of those that may be measured.
            whole: Whether it measures everything, whatever that costs.

        Returns:
            The row's work. The kernel reads the layers' Gram matrices: where it is made, the layers are made too.
        """
        self._spent = {}
        if not (regular or whole):
            return NOTHING
        if self._budget is None or self._first:
            return Work(True, self._tasks)
        earned = self._budget * training_seconds
        if self._owed > _COMMON_SHARE * earned and not whole:
            return NOTHING
        share = (earned - self._owed) / max(len(self._tasks), 1)
        self._owed = 0.0
        for task, balance in self._balances.items():
            # What was earned and not used is not kept for later: a row never measures on behalf of another.
            self._balances[task] = min(balance, 0.0) + share
        due = {task for task, balance in self._balances.items() if balance > 0.0 or whole}
        if "kernel" in due:
            due.add("layers")
        return Work(True, tuple(task for task in self._tasks if task in due))

    def again(self, recorded: Work) -> Work:
        """What was chosen before, of a recorded row that is executed again.

        Args:
            recorded: What the row holds.

        Returns:
            As much of it as the measurement set has.
        """
        self._spent = {}
        return Work(recorded.measured, tuple(task for task in self._tasks if task in recorded.tasks))

    def charge(self, seconds: float) -> None:
        """Pay for what a row has measured.

        Args:
            seconds: What all of it took, tasks included.
        """
        if not self._first:
            self._owed += max(0.0, seconds - sum(self._spent.values()))
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
