"""``verify``: execute a recorded run again and say whether the same numbers come out, bit by bit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.device.threads import threads
from engine.errors import SessionError
from engine.history.reexecution import Rerun, prepare
from engine.history.row_differences import Difference, damage
from engine.session.reader import SessionReader
from engine.session.recorded import RecordedRun
from engine.training.provenance import differing, provenance, unrecorded


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of executing a run again.

    Attributes:
        session: Its file.
        start: Where it was begun.
        first: The first step that was compared.
        last: The last one.
        numbers: How many numbers differ of those that are measured as they were.
        earliest: The first difference, of training where there is one in that row; None if all bits are the same.
        training: The first difference in loss, accuracy or gradient norm, that is in θ; None if there is none.
        otherwise: By version, metrics that came out otherwise because they are measured otherwise since then.
        recorded_by: The version that measured the first row, empty where the session does not say.
        largest: The largest relative difference, None if nothing differs.
        threads: How many threads it was run again with.
        own_threads: How many this process would take by itself.
        elsewhere: In what machine, software and threads are not as they were, in words; empty where they are.
        unrecorded: What of them the session does not say, in words; empty where it says everything.
    """

    session: Path
    start: str
    first: int
    last: int
    numbers: int
    earliest: Difference | None
    training: Difference | None
    otherwise: dict[str, tuple[str, ...]]
    recorded_by: str
    largest: Difference | None
    threads: str
    own_threads: str
    elsewhere: str
    unrecorded: str

    @property
    def identical(self) -> bool:
        """Whether every number of every row that is measured as it was came out the same, bit by bit."""
        return self.earliest is None

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-compatible; a number that was not computed is null."""
        plain = asdict(self) | {"session": str(self.session), "identical": self.identical}
        for name in ("earliest", "training", "largest"):
            found: Difference | None = getattr(self, name)
            plain[name] = None if found is None else _as_dict(found)
        return plain

    def sentences(self) -> list[str]:
        """Return it for people, a line each."""
        rows = f"{self.last - self.first + 1} rows from {self.start} to step {self.last}"
        if self.earliest is None:
            but = " in all that is measured as it was" if self.otherwise else ""
            lines = [f"Identical, bit by bit{but}: {rows}."]
        else:
            assert self.largest is not None
            lines = [f"Not identical: {self.numbers:,} numbers in {rows}.", f"First: {self.earliest}."]
            if self.training is None:
                lines.append("Training itself is the same: loss, accuracy and gradient norm agree at every step.")
            elif self.training is not self.earliest:
                lines.append(f"First in training: {self.training}.")
            lines.append(f"Largest: {self.largest}.")
        for since, names in self.otherwise.items():
            by = f", recorded by {self.recorded_by}" if self.recorded_by else ""
            lines.append(f"Measured otherwise since {since}{by}: {', '.join(names)}.")
        if self.threads != self.own_threads:
            lines.append(f"Run again with {self.threads}, as recorded; by itself it would be {self.own_threads} here.")
        if self.elsewhere:
            lines.append(f"Bits are promised on the same machine, software and threads; here: {self.elsewhere}.")
        if self.unrecorded and not self.identical:
            lines.append(f"Not recorded, so that it may have been otherwise: {self.unrecorded}.")
        return lines


def verify(path: Path, progress: Callable[[int, int], None] = lambda _step, _last: None) -> Verdict:
    """Execute a run again from where it began and compare every row; a living session up to its newest.

    Args:
        path: Its session.
        progress: Called with every step and the last one.

    Returns:
        What came of it.

    Raises:
        DataError: The data are not those that it was recorded on.
        SessionError: It has no rows.
    """
    with SessionReader(path) as reader:
        recorded = RecordedRun(reader)
        last = recorded.last
        if last < 0:
            raise SessionError(f"{recorded.name} has no rows: there is nothing to verify.")
        own = threads()
        rerun = Rerun(recorded, prepare(recorded))
        now = provenance(rerun.trainer)
        found = rerun.begin()
        first = rerun.trainer.step
        progress(first, last)
        while rerun.trainer.step < last and not rerun.trainer.diverged:
            found += rerun.forward()[1]
            progress(rerun.trainer.step, last)
        real = damage(found)
        return Verdict(
            session=path,
            start=f"the checkpoint of step {first}" if first else "step 0",
            first=first,
            last=last,
            numbers=len(real),
            earliest=real[0] if real else None,
            training=next((difference for difference in real if difference.in_training), None),
            otherwise=_otherwise(found),
            recorded_by=recorded.version(first),
            largest=max(real, key=lambda difference: difference.relative, default=None),
            threads=str(threads()),
            own_threads=str(own),
            elsewhere=differing(recorded.meta, now),
            unrecorded=unrecorded(recorded.meta),
        )


def _otherwise(found: list[Difference]) -> dict[str, tuple[str, ...]]:
    """By version, the metrics measured otherwise since then that came out otherwise, in the order of their names."""
    names: dict[str, set[str]] = {}
    for difference in found:
        if difference.otherwise_since:
            names.setdefault(difference.otherwise_since, set()).add(difference.metric)
    return {since: tuple(sorted(metrics)) for since, metrics in sorted(names.items())}


def _as_dict(found: Difference) -> dict[str, Any]:
    plain = asdict(found) | {"relative": found.relative}
    return {name: _plain(value) if isinstance(value, float) else value for name, value in plain.items()}


def _plain(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value)
