"""What there is to say about a metric or an inequality: the text of ``wnt-tui explain`` and of panels' help."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from engine.catalogue import CATALOGUE
from engine.catalogue.certainty import CONDITION_NUMBERS, UNCERTAIN, Sign, resolution_of, sign_of
from engine.catalogue.kinds import Network, kind_in_run, refinements
from engine.catalogue.metric import Cost, Kind, MeasuredIn, Metric, Scope
from engine.errors import UsageError
from engine.theory.inequality import Inequality, InequalityKind
from engine.theory.ledger import LEDGER, LEDGER_GROUPS

KIND_WORDS: dict[Kind, str] = {
    "exact": "exact up to rounding",
    "upper": "a proved upper bound",
    "lower": "a proved lower bound",
    "estimate": "an estimate and no bound; its residual or resolution is stored where it has one",
    "heuristic": "heuristic: its assumptions are not checked or do not hold in general",
}
INEQUALITY_WORDS: dict[InequalityKind, str] = {
    "theorem": "theorem: violated, it is a bug of this program",
    "estimate": "a theorem about exact quantities, with an estimate on the side that can break it: if it fails, the "
    "estimate missed",
    "assumption": "assumption: violated, it is a finding about the network",
}
SCOPE_WORDS: dict[Scope, str] = {
    "step": "one number a step",
    "layer": "one number a step and layer",
    "initial": "one number a layer, at step 0",
}
COST_WORDS: dict[Cost, str] = {
    "free": "free: reads what the step has computed",
    "gram": "n×n products",
    "spectrum": "eigenvalues of n×n matrices or spectral norms",
    "products": "Hessian- or NTK-vector products",
    "forward": "another forward pass",
}
_SETS: dict[MeasuredIn, str] = {
    "none": "--measure none and above",
    "core": "--measure core and above",
    "all": "--measure all",
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


def explain(name: str, network: Network | None = None) -> Explanation:
    """Explain a metric of the catalogue, an inequality of the ledger, or a line of the ledger's panel.

    Args:
        name: Its name.
        network: A run's activation and loss, which decide kinds; None for the general case.

    Returns:
        The explanation.

    Raises:
        UsageError: There is neither a metric nor an inequality of that name; the sentence names the nearest ones.
    """
    if name in CATALOGUE:
        return explain_metric(CATALOGUE[name], network)
    if name in LEDGER:
        return explain_inequality(LEDGER[name])
    if name in LEDGER_GROUPS:
        return explain_group(name)
    near = difflib.get_close_matches(name, [*CATALOGUE, *LEDGER, *LEDGER_GROUPS], n=3, cutoff=0.4)
    hint = f"Did you mean {', '.join(near)}?" if near else "`wnt-tui explain` lists them all."
    raise UsageError(f"There is no metric or inequality {name!r}.", hint)


def explain_group(group: str) -> Explanation:
    """Explain a line of the ledger's panel.

    Args:
        group: Its name there.

    Returns:
        The inequalities of the group, each with its formula.
    """
    facts = tuple((check.name, f"{check.formula} ({check.kind})") for check in LEDGER_GROUPS[group])
    return Explanation(group, "", "A line of panel 9, the ledger: these inequalities together.", "", facts)


def explain_metric(entry: Metric, network: Network | None = None) -> Explanation:
    """Explain a metric.

    Args:
        entry: The catalogue entry.
        network: A run's activation and loss, which decide its kind; None for the general case.

    Returns:
        The explanation.
    """
    facts = [
        ("source", entry.equation or "–"),
        *_kind_facts(entry, network),
        ("vacuous", entry.vacuous),
        ("not resolved", _unresolved(entry)),
        ("unit", "dimensionless" if entry.unit == "1" else entry.unit),
        ("scope", SCOPE_WORDS[entry.scope]),
        ("cost", COST_WORDS[entry.cost]),
        ("measured by", _SETS[entry.measured_in]),
        ("the paper", entry.paper),
        ("checked by", ", ".join(check.name for check in LEDGER.values() if entry.name in check.metrics)),
        ("note", "" if entry.computed else "announced; no code computes it yet"),
    ]
    present = tuple((about, text) for about, text in facts if text)
    return Explanation(entry.name, entry.symbol, entry.meaning, entry.formula, present)


_CERTAIN: dict[Sign, str] = {
    "≤": "at most the larger of the two",
    "≥": "at least this",
    "±": "this, give or take that",
}


def _unresolved(entry: Metric) -> str:
    if entry.name not in UNCERTAIN:
        return ""
    sign, limit = sign_of(entry.name), resolution_of(entry.name)
    where = f"where one of {limit} is not" if entry.name in CONDITION_NUMBERS else f"at or below {limit}"
    return f"{where}; then it is {_CERTAIN[sign]}, shown “{sign}”, and decides breakpoints only as such"


def _kind_facts(entry: Metric, network: Network | None) -> list[tuple[str, str]]:
    if network is not None:
        kind = kind_in_run(entry, activation=network.activation, loss=network.loss)
        reasons = [r.why for r in refinements(entry) if r.when & {network.activation, network.loss}]
        return [("kind", KIND_WORDS[kind] + (f" ({reasons[0]})" if reasons else ""))]
    facts = [("kind", KIND_WORDS[entry.kind])]
    for refinement in refinements(entry):
        facts.append((f"for {', '.join(sorted(refinement.when))}", f"{refinement.kind}: {refinement.why}"))
    return facts


def explain_inequality(entry: Inequality) -> Explanation:
    """Explain an inequality.

    Args:
        entry: The ledger's entry.

    Returns:
        The explanation.
    """
    facts = (
        ("source", entry.equation or "–"),
        ("kind", INEQUALITY_WORDS[entry.kind]),
        ("compares", ", ".join(entry.metrics)),
        ("widened by", entry.widened),
        ("violated", entry.violated),
    )
    return Explanation(entry.name, "", entry.meaning, entry.formula, facts)
