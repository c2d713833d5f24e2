"""Follows the ledger along a run and says when an inequality starts to be violated, and when it holds again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.catalogue.numerals import distinct, significant
from engine.record import Event
from engine.theory.inequality import Inequality, InequalityKind, Row, Term
from engine.theory.ledger import LEDGER

_VERDICTS: dict[InequalityKind, str] = {
    "theorem": "a theorem, so this is a bug",
    "assumption": "an assumption, so this is a finding",
}

QUIET_ROWS = 10
"""An inequality counts as holding again after so many measured rows without a violation: no flood from flickering."""


class Violations:
    """Turns violated inequalities into events: one when a violation starts and one when it is over."""

    def __init__(self) -> None:
        # By violated inequality: the steps of the measured rows since then in which it held.
        self._violated: dict[str, list[int]] = {}

    def state(self) -> dict[str, list[int]]:
        """The inequalities that count as violated, each with the steps since then in which it held."""
        return {name: list(steps) for name, steps in self._violated.items()}

    def restore(self, state: Mapping[str, Sequence[int]]) -> None:
        """Go on as after the row of a state; ValueError where it names an inequality that there is not."""
        if not set(state) <= set(LEDGER):
            raise ValueError("it names inequalities that there are not")
        self._violated = {name: [int(step) for step in steps] for name, steps in state.items()}

    def check(self, step: int, row: Row) -> tuple[Event, ...]:
        """What is to be reported of a row, usually nothing; rows come in order. Cost: some 50 comparisons a layer."""
        events: list[Event] = []
        for entry in LEDGER.values():
            terms = entry.at(row)
            failing = [term for term in terms if term.truth == "violated"]
            if failing:
                if entry.name not in self._violated:
                    events.append(_violation(step, entry, failing))
                self._violated[entry.name] = []
            # A row that does not decide is neither a violation nor one in which it holds.
            elif terms and entry.name in self._violated and all(term.truth == "holds" for term in terms):
                quiet = self._violated[entry.name]
                quiet.append(step)
                if len(quiet) >= QUIET_ROWS:
                    del self._violated[entry.name]
                    events.append(_over(step, entry, quiet[0]))
        return tuple(events)


def _violation(step: int, entry: Inequality, failing: list[Term]) -> Event:
    worst = max(failing, key=lambda term: term.excess)
    others = len(failing) - 1
    more = f", and in {others} other layer{'s' * (others > 1)}" if others else ""
    low, high = worst.left.low, worst.right.high
    left, right = distinct(low, high)
    sentence = (
        f"{entry.formula} fails{more}: {left} exceeds {right} by {significant(low - high, 3)}, more than the "
        f"{significant(worst.slack, 3)} that rounding allows; {_VERDICTS[entry.kind]}. {entry.violated}"
    )
    data: dict[str, float | int | str | None] = {
        "inequality": entry.name,
        "kind": entry.kind,
        "left": low,
        "right": high,
        "slack": worst.slack,
        "terms": len(failing),
    }
    return Event(step, "violation", sentence, worst.layer, data)


def _over(step: int, entry: Inequality, since: int) -> Event:
    data: dict[str, float | int | str | None] = {"inequality": entry.name, "kind": entry.kind, "since": since}
    return Event(step, "notice", f"{entry.formula} has held again in {QUIET_ROWS} rows since step {since}.", data=data)
