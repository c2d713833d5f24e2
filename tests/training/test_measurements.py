"""Measurements say truly what they find, come in an order that works, and carry what they need."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from engine import RunConfig, Trainer
from engine.catalogue import CATALOGUE, LAYER_COLUMNS, STEP_COLUMNS
from engine.errors import ConfigError
from engine.measure.base import TRAINING_VALUES, Findings, Measurement, RowContext, State, in_order
from engine.measure.schedule import costly_of, seconds_of
from engine.measure.standard import STANDARD, standard
from tests.history.recording import small

SETS = ("none", "core", "all")
BY_TRAINING = {*TRAINING_VALUES, "lr", "step_seconds", "measure_seconds"}


def named(name: str, *needs: str, provides: tuple[str, ...] = (), found: float | None = None) -> Measurement:
    class Named(Measurement):
        def collect(self, row: RowContext) -> Findings:
            return Findings({} if found is None else dict.fromkeys(self.provides, found))

    one = Named()
    one.name, one.needs, one.provides = name, needs, provides
    return one


def test_every_metric_is_provided_by_one_measurement_or_by_training() -> None:
    provided = Counter(name for of in STANDARD for name in of.provides)
    provided.update(seconds_of(of.name) for of in STANDARD if of.costly)
    provided.update(BY_TRAINING)
    assert provided == Counter(STEP_COLUMNS + LAYER_COLUMNS)
    assert set(costly_of(CATALOGUE)) == {of.name for of in STANDARD if of.costly}


@pytest.mark.parametrize("of", STANDARD, ids=lambda of: of.name)
def test_a_measurement_finds_what_it_provides_and_nothing_else_in_the_sets_that_contain_it(
    of: type[Measurement],
) -> None:
    found: set[str] = set()

    class Watched(of):  # type: ignore[misc, valid-type]  # any measurement
        def collect(self, row: RowContext) -> Findings:
            findings = super().collect(row)
            found.update(findings.values, findings.layers)
            return findings

    config = small(activation="tanh", steps=2)
    list(Trainer(config, measurements=standard("all", Watched())).run())
    assert found <= set(of.provides) | {"smoothness_segment"}
    assert set(of.provides) <= found | {"smoothness_segment"}
    assert all(SETS.index(CATALOGUE[name].measured_in) >= SETS.index(of.measured_in) for name in of.provides)


def test_measurements_come_after_those_that_provide_what_they_need() -> None:
    a, b, c = named("a", "x"), named("b", "loss", provides=("x",)), named("c", "b")
    assert in_order([a, c, b]) == [b, a, c]
    assert in_order([b, c, a]) == [b, c, a]
    with pytest.raises(ConfigError, match="Two measurements are called a"):
        in_order([named("a"), named("a")])
    with pytest.raises(ConfigError, match="Nothing provides what a needs"):
        in_order([a])
    with pytest.raises(ConfigError, match="Nothing provides"):
        in_order([named("a", "b"), named("b", "a")])


def test_a_measurement_is_left_out_of_a_row_that_lacks_what_it_needs() -> None:
    never, needing = named("never", provides=("pl",)), named("needing", "pl", provides=("loss_bound",), found=1.0)
    always = named("always", "loss", provides=("pl_samplewise",), found=2.0)
    for record in Trainer(small(steps=2), measurements=[never, needing, always]).run():
        assert record.values["pl_samplewise"] == 2.0
        assert not {"pl", "loss_bound"} & record.values.keys()


def test_standard_sets_contain_each_other_and_take_others_in_place_of_their_own() -> None:
    none, core, every = ({one.name for one in standard(measure)} for measure in SETS)
    assert none < core < every == {of.name for of in STANDARD}
    layers, other = named("layers"), named("other")
    chosen = standard("core", layers, other)
    assert {one.name for one in chosen} == core | {"other"}
    assert layers in chosen
    assert other in chosen


def test_what_a_measurement_carries_is_restored_with_the_run_and_what_it_says_of_a_step_comes_with_the_next_row() -> (
    None
):
    class Counting(Measurement):
        name, provides = "counting", ("pl", "loss_bound")

        def __init__(self) -> None:
            self.rows = 0

        def collect(self, row: RowContext) -> Findings:
            return Findings({"pl": float(self.rows)})

        def after(self, row: RowContext) -> None:
            self.rows += 1

        def before_update(self, lr: float) -> dict[str, float]:
            return {"loss_bound": lr}

        def state(self) -> State:
            return {"rows": self.rows}

        def restore(self, state: State, row: RowContext) -> None:
            self.rows = state["rows"]

    config = RunConfig(width=4, depth=2, examples=3, data="gaussian", device="cpu", lr=0.5)
    trainer = Trainer(config, measurements=[Counting()])
    records = []
    for _ in range(3):
        records.append(trainer.observe())
        held = trainer.step, [p.clone() for p in trainer.model.parameters.values()], trainer.carried()
        trainer.advance()
    assert [record.values["pl"] for record in records] == [0.0, 1.0, 2.0]
    assert [record.values.get("loss_bound", math.nan) for record in records[1:]] == [0.5, 0.5]
    trainer.observe()
    trainer.restore(*held)
    trainer.advance()
    assert trainer.observe().values["pl"] == 3.0
