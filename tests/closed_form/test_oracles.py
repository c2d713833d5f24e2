"""No metric without an oracle: the registry names the catalogue's every entry, and tests that exist."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from engine.catalogue import CATALOGUE
from tests.closed_form.brute_force import LAYER, STEP
from tests.closed_form.oracles import ORACLES, table

_TESTS = Path(__file__).parents[1]


def _functions(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)}


def test_every_metric_of_the_catalogue_has_an_oracle_and_no_oracle_is_left_over() -> None:
    assert set(ORACLES) == {name for name, entry in CATALOGUE.items() if not entry.retired}


@pytest.mark.parametrize("name", sorted(ORACLES))
def test_every_test_that_an_oracle_names_exists_and_one_of_them_goes_through_the_trainer(name: str) -> None:
    oracle = ORACLES[name]
    assert oracle.what
    for test in oracle.tests:
        file, function = test.split("::")
        assert function in _functions(_TESTS / file), test
    assert any(test.startswith(("closed_form/test_every_metric.py::", "training/")) for test in oracle.tests)
    # The tests by brute force go through these two.
    if oracle.tests[0].endswith("metrics_that_brute_force_gives"):
        assert name in (LAYER if "layer_metrics" in oracle.tests[0] else STEP)


def test_the_table_has_a_line_for_every_metric() -> None:
    assert [line.split("`")[1] for line in table().splitlines()[2:]] == [
        name for name, entry in CATALOGUE.items() if not entry.retired
    ]
