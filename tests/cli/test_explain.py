"""``wnt-tui explain``: each metric and each inequality in full, and the same words in the panels' help."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import click
import pytest

from engine.catalogue import CATALOGUE
from engine.catalogue.explanation import explain
from engine.catalogue.metric import KIND_WORDS
from engine.config import RunConfig
from engine.theory.activation import ACTIVATIONS
from engine.theory.ledger import LEDGER
from engine.theory.loss_constants import LOSSES
from wnt_tui.cli.look_up import explanation, listing
from wnt_tui.panels.panel import entry_help

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_metric_is_explained_with_symbol_formula_source_kind_unit_cost_set_and_the_paper(name: str) -> None:
    entry, text = CATALOGUE[name], explanation(name)
    for said in (entry.symbol, entry.formula, entry.equation, entry.meaning, entry.paper, KIND_WORDS[entry.kind]):
        assert said in text
    assert (f"--measure {entry.measured_in}" in text) != entry.retired
    assert ("dimensionless" if entry.unit == "1" else entry.unit) in text
    assert entry.vacuous in text


@pytest.mark.parametrize("name", LEDGER)
def test_an_inequality_is_explained_with_formula_kind_slack_and_what_its_violation_means(name: str) -> None:
    entry, text = LEDGER[name], explanation(name)
    for said in (entry.formula, entry.kind, entry.equation, entry.meaning, entry.widened, entry.violated):
        assert said in text
    for compared in entry.metrics:
        assert name in explanation(compared)


@pytest.mark.parametrize("name", [*CATALOGUE, *LEDGER])
def test_help_in_the_panels_says_the_same(name: str) -> None:
    entry, shown = explain(name), explanation(name)
    paragraph = entry_help(entry).plain
    for said in (entry.meaning, entry.formula, *(fact for _, fact in entry.facts)):
        assert said in paragraph
        assert said in shown


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", LOSSES)
def test_kinds_are_refined_for_a_run_and_explained_in_general_with_their_reason(activation: str, loss: str) -> None:
    config = RunConfig.from_mapping({"activation": activation, "loss": loss})
    for entry in CATALOGUE.values():
        kind = entry.kind_in(config)
        assert dict(explain(entry.name, config).facts)["kind"].startswith(KIND_WORDS[kind])
        if kind != entry.kind:
            general = dict(explain(entry.name).facts)
            runs = (activation, loss, config.dtype)
            assert any(run in about for about, fact in general.items() if kind in fact for run in runs)


def test_the_listing_has_metrics_and_inequalities_by_kind() -> None:
    text = listing()
    assert all(name in text for name in LEDGER)
    ends_and_retired = {name for name, entry in CATALOGUE.items() if entry.end_of or entry.retired}
    assert {name for name in CATALOGUE if name in click.unstyle(text).split()} == set(CATALOGUE) - ends_and_retired
    assert text.index("Inequalities that must hold") < text.index("Inequalities that may fail")
    assert text.index("Inequalities that may fail") < text.index("gap_bound")


def test_a_near_miss_is_corrected_for_inequalities_too(wnt: Run) -> None:
    done = wnt("explain", "gershgorin_uper")
    assert done.returncode == 2
    assert "gershgorin_upper" in done.stderr
    assert wnt("explain", "descent").returncode == 0


@pytest.mark.parametrize("name", [name for name, entry in CATALOGUE.items() if entry.ends is not None])
def test_the_ends_of_an_interval_are_explained_with_their_metric(name: str) -> None:
    ends = [entry for entry in CATALOGUE.values() if entry.end_of == name]
    facts = dict(explain(name).facts)
    for end in ends:
        fact = facts[f"{end.name.rpartition('_')[2]} end"]
        assert all(said in fact for said in (end.name, end.formula, KIND_WORDS[end.kind]))
    for kind in {refined.kind for end in ends for refined in end.refined}:
        assert kind in facts["ends for float32"]
