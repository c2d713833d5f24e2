"""Explanations of metrics and inequalities: the text of ``wnt-tui explain`` and of panels' help."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.catalogue import CATALOGUE, nearest
from engine.catalogue.metric import COST_WORDS, KIND_WORDS, SCOPE_WORDS, Metric, Sign
from engine.errors import UsageError
from engine.theory.inequality import InequalityKind, Setting
from engine.theory.ledger import LEDGER, LEDGER_GROUPS

INEQUALITY_WORDS: dict[InequalityKind, str] = {
    "theorem": "theorem: violated, it is a bug of this program",
    "assumption": "assumption: violated, it is a finding about the network",
}
_UNRESOLVED: dict[Sign, str] = {
    "≤": "where its interval is wide, shown “≤” with its high end, or with both ends",
    "≥": "where its interval is wide, shown “≥” with its low end, or with both ends",
    "±": "at or below its resolution, shown “±”",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """An entry in words.

    Attributes:
        name: The entry's name.
        symbol: Its symbol; empty for an inequality.
        meaning: What it is, one or two sentences.
        formula: What is computed or claimed.
        facts: The rest, each with what it is about.
    """

    name: str
    symbol: str
    meaning: str
    formula: str
    facts: tuple[tuple[str, str], ...]


def explain(name: str, network: Setting | None = None) -> Explanation:
    """The explanation of a metric, an inequality or a line of the ledger's panel; a network decides kinds."""
    if name in CATALOGUE:
        return _metric(CATALOGUE[name], network)
    if name in LEDGER:
        return _inequality(name)
    if name in LEDGER_GROUPS:
        facts = tuple((check.name, f"{check.formula} ({check.kind})") for check in LEDGER_GROUPS[name])
        return Explanation(name, "", "A line of panel 9, the ledger: these inequalities together.", "", facts)
    names = [*CATALOGUE, *LEDGER, *LEDGER_GROUPS]
    raise UsageError(f"There is no metric or inequality {name!r}.", nearest(name, names))


def _metric(entry: Metric, network: Setting | None) -> Explanation:
    facts = [
        ("source", entry.equation or "–"),
        *_kind_facts(entry, network),
        ("vacuous", entry.vacuous),
        *_ends(entry, network),
        ("not resolved", _unresolved(entry)),
        ("unit", "dimensionless" if entry.unit == "1" else entry.unit),
        ("scope", SCOPE_WORDS[entry.scope]),
        ("cost", COST_WORDS[entry.cost]),
        ("measured by", "" if entry.retired else _measured_by(entry)),
        ("the paper", entry.paper),
        ("checked by", ", ".join(check.name for check in LEDGER.values() if entry.name in check.metrics)),
    ]
    present = tuple((about, text) for about, text in facts if text)
    return Explanation(entry.name, entry.symbol, entry.meaning, entry.formula, present)


def _unresolved(entry: Metric) -> str:
    if (found := entry.uncertainty) is None:
        return ""
    resolution = f" (resolution: {found.resolution})" if found.resolution else ""
    return f"{_UNRESOLVED[found.sign]}{resolution}; the interval decides breakpoints and the ledger"


def _measured_by(entry: Metric) -> str:
    return f"--measure {entry.measured_in}" + (" and above" if entry.measured_in != "all" else "")


def _ends(entry: Metric, network: Setting | None) -> Iterator[tuple[str, str]]:
    """How each end is found, and what it is."""
    for end in (CATALOGUE[name] for side in ("low", "high") if (name := f"{entry.name}_{side}") in CATALOGUE):
        (_, kind), *refined = _kind_facts(end, network)
        yield f"{end.name.rpartition('_')[2]} end", f"{end.name}, {kind}: {end.formula}"
    if entry.ends is not None:
        yield from ((f"ends {about}", text) for about, text in refined)


def _kind_facts(entry: Metric, network: Setting | None) -> list[tuple[str, str]]:
    if network is not None:
        reasons = [refinement.why for refinement in entry.refined if refinement.applies(network)]
        return [("kind", KIND_WORDS[entry.kind_in(network)] + (f" ({reasons[0]})" if reasons else ""))]
    refined = [(f"for {', '.join(sorted(found.networks))}", f"{found.kind}: {found.why}") for found in entry.refined]
    return [("kind", KIND_WORDS[entry.kind]), *refined]


def _inequality(name: str) -> Explanation:
    entry = LEDGER[name]
    facts = (
        ("source", entry.equation or "–"),
        ("kind", INEQUALITY_WORDS[entry.kind]),
        ("compares", ", ".join(entry.metrics)),
        ("widened by", entry.widened),
        ("violated", entry.violated),
    )
    return Explanation(name, "", entry.meaning, entry.formula, facts)
