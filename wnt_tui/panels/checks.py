"""The ledger's inequalities at the cursor, a line a group.

The inequalities themselves, their slack and what their violation means are declared once, in ``engine.theory.ledger``;
the engine's ``violation`` events are the record.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Literal, NamedTuple

from engine.catalogue.certainty import with_ends
from engine.catalogue.numerals import distinct, enclosing, short
from engine.theory.inequality import Inequality, InequalityKind, Row, Side, Term
from engine.theory.ledger import LEDGER
from wnt_tui.panels.moment import moment
from wnt_tui.panels.reduction import derived
from wnt_tui.session.snapshot import PanelView

Verdict = Literal["violated", "exceeded", "undecided", "holds", "vacuous"]
"""What fails is ``violated`` if it is a theorem, ``exceeded`` if an assumption."""

FAILING: frozenset[Verdict] = frozenset({"violated", "exceeded"})

_FAILS: dict[InequalityKind, Verdict] = {"theorem": "violated", "assumption": "exceeded"}
_RANK: dict[Verdict, int] = {"violated": 0, "exceeded": 1, "undecided": 2, "holds": 3, "vacuous": 3}
_COUNTED: dict[Verdict, tuple[str, str]] = {
    "violated": ("violated", "violated"),
    "exceeded": ("assumption fails", "assumptions fail"),
    "undecided": ("undecided", "undecided"),
    "holds": ("holds", "hold"),
    "vacuous": ("vacuous", "vacuous"),
}
_DIGITS = 3


class Check(NamedTuple):
    """One group of inequalities at one step.

    Attributes:
        name: Its name.
        text: The numbers with their signs.
        verdict: Whether all of them hold at the layer that is shown.
        undecided: At how many other layers one is undecided.
    """

    name: str
    text: str
    verdict: Verdict
    undecided: int = 0


class _Found(NamedTuple):
    """An inequality with the numbers to show, the selected layer's or the worst that fails; the undecided layers."""

    entry: Inequality
    term: Term
    verdict: Verdict
    undecided: frozenset[int | None] = frozenset()


def checks(view: PanelView) -> list[Check]:
    """The groups whose terms exist at :func:`checked_step`, those that fail first."""
    key = ("checks", checked_step(view), view.layer)
    return derived(view.snapshot, key, lambda: _checks(view))


def checked_step(view: PanelView) -> int:
    """The step that the checks are about: the cursor's, or the newest measured one before it."""
    measured = moment(view).step
    return measured if measured >= 0 else view.cursor


def counted(found: Sequence[Check]) -> list[str]:
    """How many checks have each verdict, the worst first: ``2 assumptions fail``, ``7 hold``, ``3 vacuous``."""
    counts = [(sum(check.verdict == verdict for check in found), *words) for verdict, words in _COUNTED.items()]
    return [f"{count} {one if count == 1 else many}" for count, one, many in counts if count]


def _checks(view: PanelView) -> list[Check]:
    snapshot, step = view.snapshot, checked_step(view)
    examples = snapshot.config.examples
    values, layers = with_ends(snapshot.values_at(step), examples), with_ends(moment(view).values, examples)
    row = Row(snapshot.config, values, layers, snapshot.values_at(step - 1))
    found = [_pick(entry, entry.at(row), view.layer) for entry in LEDGER.values()]
    known = [each for each in found if each is not None]
    lines = [_line(name, list(group)) for name, group in groupby(known, key=lambda each: each.entry.group)]
    return sorted(lines, key=lambda check: _RANK[check.verdict])


def _pick(entry: Inequality, terms: tuple[Term, ...], layer: int) -> _Found | None:
    failing = [term for term in terms if term.truth == "violated"]
    if failing:
        return _Found(entry, max(failing, key=lambda term: term.excess), _FAILS[entry.kind])
    shown = next((term for term in terms if term.layer is None or term.layer == layer), None)
    if shown is None:
        return None
    undecided = frozenset(term.layer for term in terms if term.truth == "undecided")
    return _Found(entry, shown, _verdict(shown), undecided)


def _verdict(term: Term) -> Verdict:
    if term.truth == "undecided":
        return "undecided"
    return "vacuous" if term.vacuous else "holds"


def _line(name: str, group: list[_Found]) -> Check:
    worst = min(group, key=lambda found: _RANK[found.verdict])
    entry, term = worst.entry, worst.term
    if worst.verdict in FAILING:
        where = "" if term.layer is None else f"layer {term.layer}: "
        left, right = distinct(term.left.low, term.right.high, digits=_DIGITS)
        return Check(name, f"{where}{left} > {right}: {entry.formula}", worst.verdict)
    others = len(frozenset().union(*(found.undecided for found in group)) - {term.layer})
    elsewhere = f" · {others} other layer{'s' * (others > 1)} undecided" if others else ""
    if worst.verdict == "undecided":
        text = f"{_interval(term.left)} ≤? {_interval(term.right)}: {entry.formula}"
        return Check(name, text + elsewhere, "undecided", others)
    if all(found.verdict == "vacuous" for found in group):
        best = max(group, key=lambda found: found.term.left.value)
        return Check(name, f"vacuous ({_chain([best])}){elsewhere}", "vacuous", others)
    text = _chained([found for found in _strongest(group) if found.verdict != "vacuous"])
    assumed = any(found.entry.kind == "assumption" for found in group)
    return Check(name, text + " (assumption)" * assumed + elsewhere, "holds", others)


def _interval(side: Side) -> str:
    """A side that decides nothing: its number where it is known well, else the ends that are known."""
    if side.high - side.low <= 1e-3 * abs(side.value):
        return short(side.value, _DIGITS)
    if math.isinf(side.high):
        return f"≥ {short(side.low, _DIGITS)}"
    return enclosing(side.low, side.high, _DIGITS)


def _strongest(group: list[_Found]) -> list[_Found]:
    """Of inequalities with one right side the one with the greatest left side."""
    best: dict[str, _Found] = {}
    for found in sorted(group, key=lambda found: -found.term.left.value):
        best.setdefault(found.entry.right, found)
    return [found for found in group if best[found.entry.right] is found]


def _chained(group: list[_Found]) -> str:
    """``a ≤ b ≤ c`` where one right side is the next left side, and `` · `` between the others."""
    chains = [[group[0]]]
    for found in group[1:]:
        if chains[-1][-1].entry.right == found.entry.left:
            chains[-1].append(found)
        else:
            chains.append([found])
    return " · ".join(map(_chain, chains))


def _chain(chain: list[_Found]) -> str:
    """Both sides of each in as many digits as tell them apart; ``≈`` where they are equal within the slack."""
    alike = [abs(found.term.left.value - found.term.right.value) <= found.term.slack for found in chain]
    values = chain[0].term.left.value, *(found.term.right.value for found in chain)
    first, *rest = distinct(*values, digits=_DIGITS, alike=alike)
    return first + "".join(f" {'≈' if same else '≤'} {text}" for same, text in zip(alike, rest, strict=True))
