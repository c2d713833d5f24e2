"""What a row measures: every row alike, every K-th, or as much as a budget of time allows."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

MEASURED = "loss_bound"
"""A metric that every measured row has and no other row: it tells them apart in a session."""

_SECONDS = "_seconds"
_WHOLE = {"step", "measure"}  # what training and all of measuring took: no measurement's own
_COMMON_SHARE = 0.5  # the most that may go into what every measured row has; the rest is for costly measurements


def seconds_of(name: str) -> str:
    """The metric that says what a costly measurement took; a row without it did not make the measurement."""
    return name + _SECONDS


def costly_of(columns: Iterable[str]) -> list[str]:
    """Names of the costly measurements whose seconds are among some metrics."""
    found = (column.removesuffix(_SECONDS) for column in columns if column.endswith(_SECONDS))
    return [name for name in found if name not in _WHOLE]


def made_at(values: Mapping[str, float]) -> frozenset[str]:
    """Names of the costly measurements that a row with these step metrics has made."""
    return frozenset(name for name in costly_of(values) if math.isfinite(values[seconds_of(name)]))


@dataclass(frozen=True, slots=True)
class Work:
    """The measurements made at a row.

    Attributes:
        measured: Whether the row is measured at all. One that is not has what training computes; right after a
            row with costly measurements it has the quantities of the transition too, which are nearly free there.
        costly: Names of the costly measurements that it makes.
        spectra: Whether it records whole spectra.
    """

    measured: bool
    costly: frozenset[str] = frozenset()
    spectra: bool = False


NOTHING = Work(False)


def work_of(values: Mapping[str, float], *, spectra: bool = False) -> Work | None:
    """The work of a recorded row with these step metrics; None where the file is older than the columns that say it."""
    if MEASURED not in values or not costly_of(values):
        return None
    made = made_at(values)
    return Work(bool(made) or not math.isnan(values[MEASURED]), made, spectra)


class Schedule:
    """Spends at most a share of the training time on measuring, in the mean over rows.

    Training earns ``budget`` times what it takes. What a measured row has beside its costly measurements is paid first:
    no row is measured before half of what has been earned since the last one covers what that one cost. The rest is
    divided equally among the costly ones. One of them is made at a measured row where it owes nothing, and then pays
    with what it took; it may take more than it has and then waits until that is earned back. So whatever the budget,
    rows are measured again and again, the cheap measurements often and the dear ones seldom, and none is starved by
    another. The first row measures everything and is not counted: iterations start cold there. The last row measures
    everything too.

    Args:
        costly: Costly measurements by name, each with the names of those that it needs, which come before it.
        budget: The share; None makes every measurement at every row.
    """

    def __init__(self, costly: Mapping[str, Collection[str]], budget: float | None) -> None:
        self._costly = costly
        self._budget = budget
        self._balances = dict.fromkeys(costly, 0.0)
        self._owed = 0.0  # for what measured rows have beside their costly measurements
        self._first = True
        self._spent: dict[str, float] = {}

    def due(self, training_seconds: float, *, regular: bool = True, whole: bool = False) -> Work:
        """What a row measures; a measurement that is due brings those that it needs.

        Args:
            training_seconds: What training has taken since the row measured last.
            regular: Whether it is one of those that may be measured.
            whole: Whether it measures everything, whatever that costs.

        Returns:
            The row's work.
        """
        self._spent = {}
        if not (regular or whole):
            return NOTHING
        if self._budget is None or self._first:
            return Work(True, frozenset(self._costly))
        earned = self._budget * training_seconds
        if self._owed > _COMMON_SHARE * earned and not whole:
            return NOTHING
        share = (earned - self._owed) / max(len(self._costly), 1)
        self._owed = 0.0
        for name, balance in self._balances.items():
            # What was earned and not used is not kept for later: a row never measures on behalf of another.
            self._balances[name] = min(balance, 0.0) + share
        due = {name for name, balance in self._balances.items() if balance > 0.0 or whole}
        for name in reversed(tuple(self._costly)):
            if name in due:
                due.update(self._costly[name])
        return Work(True, frozenset(due))

    def again(self, recorded: Work) -> Work:
        """As much of what a recorded row has measured as the measurement set has."""
        self._spent = {}
        return Work(recorded.measured, recorded.costly & self._costly.keys(), recorded.spectra)

    def charge(self, seconds: float) -> None:
        """Pay for a row that took so many seconds, costly measurements included."""
        if not self._first:
            self._owed += max(0.0, seconds - sum(self._spent.values()))
        self._first = False

    @contextmanager
    def timed(self, name: str, already: float = 0.0) -> Generator[None, None, None]:
        """Time a costly measurement, which has taken some seconds already on the device, and pay for it."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._spent[name] = already + time.perf_counter() - began
            if not self._first:
                self._balances[name] -= self._spent[name]

    def seconds(self) -> dict[str, float]:
        """What the costly measurements of this row took, by the metric that holds it."""
        return {seconds_of(name): seconds for name, seconds in self._spent.items()}
