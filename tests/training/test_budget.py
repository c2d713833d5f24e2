"""What measuring costs, by measurement, and how a budget thins it."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest

from engine import RunConfig, Trainer
from engine.catalogue import CATALOGUE
from engine.history.reexecution import Rerun, prepare
from engine.measure.curvature import Curvature
from engine.measure.kernel_spectrum import KernelSpectrum
from engine.measure.layer_measures import LayerMeasures
from engine.measure.schedule import Schedule, work_of
from engine.measure.standard import standard
from engine.measure.trajectory import Trajectory
from engine.session.reader import SessionReader
from engine.session.recorded import RecordedRun
from engine.session.writer import SessionWriter
from engine.training.provenance import provenance
from tests.training.slow import Clock, Slow

SMALL = {"width": 16, "depth": 3, "examples": 12, "data": "gaussian", "device": "cpu", "steps": 40, "lr": 0.02}
TASKS = ("layers_seconds", "curvature_seconds", "kernel_seconds")


def slow_run(
    monkeypatch: pytest.MonkeyPatch,
    seconds: tuple[float, float, float, float] = (0.01, 0.25, 2.0, 6.0),
    **changes: object,
) -> Trainer:
    """A run of which a pass takes 1 s, and trajectory, layers, Hessian and kernel so many."""
    clock, config = Clock(monkeypatch), RunConfig(**(SMALL | changes))  # type: ignore[arg-type]
    kinds = (Trajectory, LayerMeasures, Curvature, KernelSpectrum)
    slow = [Slow(of(), clock, collecting) for of, collecting in zip(kinds, seconds, strict=True)]
    trainer = Trainer(config, measurements=standard("all", *slow))
    clock.passes(monkeypatch, trainer, 1.0)
    return trainer


def test_a_row_says_what_each_of_its_measurements_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    for record in slow_run(monkeypatch, steps=3).run():
        assert [record.values[name] for name in TASKS] == pytest.approx([0.25, 2.0, 6.0])
        assert record.values["measure_seconds"] == pytest.approx(8.26)


@pytest.mark.parametrize("budget", [0.5, 2.0])
def test_measuring_takes_no_more_than_its_budget_and_starves_nothing(
    budget: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first row and the last are measured in full, whatever that costs.
    records = list(slow_run(monkeypatch, budget=budget, steps=120).run())[1:-1]
    spent = sum(record.values["measure_seconds"] for record in records)
    trained = sum(record.values["step_seconds"] for record in records)
    # What is dear may still be owed at the end; what is cheap may not need its share.
    assert 0.6 * budget * trained <= spent <= budget * trained + 8.26
    for name, cost in zip(TASKS, (0.25, 2.0, 6.0), strict=True):
        made = [record.step for record in records if name in record.values]
        waits = [b - a for a, b in itertools.pairwise(made)]
        assert made, name
        assert max(waits) <= 3 * (cost + 0.02) / budget + 2, name


def test_what_a_budget_leaves_out_is_not_there_and_what_it_leaves_in_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = slow_run(monkeypatch, budget=1.0)
    records = list(trainer.run())
    cadences = {tuple(name in record.values for name in TASKS) for record in records}
    assert len(cadences) > 1
    for record in records:
        made = {name for name in TASKS if name in record.values}
        assert ("lambda_min" in record.layers) == ("layers_seconds" in made)
        assert ("distance_init" in record.values) == ("layers_seconds" in made)
        assert ("lipschitz_bound" in record.values) == ("layers_seconds" in made)
        assert ("smoothness_hessian" in record.values) == ("curvature_seconds" in made)
        assert ("ntk_lambda_max" in record.values) == ("kernel_seconds" in made)
        assert "layers_seconds" in made or "kernel_seconds" not in made  # the kernel is made of Gram matrices
        for always in ("pl", "sample_grad_norm_max", "generalization_bound", "test_loss"):
            assert math.isfinite(record.values[always])


def test_without_a_budget_every_measured_row_has_everything() -> None:
    for record in Trainer(RunConfig(**(SMALL | {"steps": 4}))).run():  # type: ignore[arg-type]
        assert set(TASKS) <= set(record.values)


def test_training_is_bit_identical_under_any_budget() -> None:
    def losses(**changes: object) -> list[float]:
        return [record["loss"] for record in Trainer(RunConfig(**(SMALL | changes))).run()]  # type: ignore[arg-type]

    assert losses(budget=0.01) == losses() == losses(measure="none")


@pytest.mark.parametrize(("budget", "steps"), [(0.1, 900), (0.02, 2500)])
def test_where_what_every_row_has_is_more_than_the_budget_rows_are_left_out_and_still_everything_is_measured(
    budget: float, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = list(slow_run(monkeypatch, (0.2, 0.25, 1.0, 2.0), budget=budget, steps=steps).run())
    inner = records[1:-1]
    spent = sum(record.values.get("measure_seconds", 0.0) for record in inner)
    # What was measured last is paid for by rows to come.
    assert spent <= budget * len(inner) + 3.65
    made = [[record.step for record in inner if name in record.values] for name in TASKS]
    assert min(len(rows) for rows in made) >= 3
    for rows in made:
        waits = [b - a for a, b in itertools.pairwise(rows)]
        assert max(waits) <= 2 * min(waits) + 40
    assert set(TASKS) <= set(records[-1].values)


@pytest.mark.parametrize("changes", [{"every": 10}, {"budget": 0.01}, {"every": 10, "budget": 0.01}])
def test_the_first_row_and_the_last_are_measured_in_full(changes: dict[str, object]) -> None:
    records = list(Trainer(RunConfig(**(SMALL | {"steps": 27} | changes))).run())  # type: ignore[arg-type]
    for record in (records[0], records[-1]):
        assert set(TASKS) | {"test_loss", "ntk_lambda_min", "smoothness_hessian"} <= set(record.values)
        assert "lambda_min" in record.layers


def test_a_run_under_a_budget_is_executed_again_with_the_measurements_it_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, trainer = tmp_path / "run.wnt", slow_run(monkeypatch, (0.0, 0.25, 0.0, 6.0), budget=0.7, steps=25)
    with SessionWriter.create(path, trainer.config, provenance(trainer)) as writer:
        for record in trainer.run():
            writer.put(record)
    monkeypatch.undo()  # now measuring is quick, and a budget would allow more of it
    with SessionReader(path) as reader:
        recorded = RecordedRun(reader)
        cadence = [work.costly for step in range(26) if (work := work_of(recorded.row(step).values)) is not None]
        assert len(cadence) == 26
        assert len(set(cadence)) > 1
        rerun = Rerun(recorded, prepare(recorded))
        assert rerun.begin() == []
        for step in range(1, 26):
            rerun.trainer.advance()
            record, differences = rerun.observe()
            assert differences == [], step
            assert {n.removesuffix("_seconds") for n in TASKS if n in record.values} == cadence[step]


def test_cheap_measurements_are_made_often_and_dear_ones_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    records = list(slow_run(monkeypatch, budget=1.0, steps=120).run())[1:]
    made = [sum(name in record.values for record in records) for name in TASKS]
    assert made[0] > made[1] > made[2] > 0
    # Each has a third of the budget, .33 s a row: its share of the rows is that over its cost.
    assert made[0] == len(records)
    assert made[1] / len(records) == pytest.approx(1 / 6, rel=0.15)
    assert made[2] / len(records) == pytest.approx(1 / 18, rel=0.3)


def test_a_measurement_is_made_as_soon_as_its_part_of_the_budget_has_paid_for_it_and_for_what_every_row_costs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, costs = Clock(monkeypatch), {"layers": 0.25, "curvature": 2.25, "kernel": 6.75}
    schedule = Schedule({"layers": (), "curvature": (), "kernel": ("layers",)}, 0.5)
    made: dict[str, list[int]] = {task: [] for task in costs}
    for row in range(40):
        # Half of 6 s in three parts is 1 s for each, of which a third of .75 s goes into what every row has.
        work = schedule.due(6.0)
        for task in work.costly:
            with schedule.timed(task):
                clock.now += costs[task]
            made[task].append(row)
        schedule.charge(0.75 + sum(costs[task] for task in work.costly))
    # Row 0 is free, and in row 1 nothing is owed. Then .75 s of each row are left to earn back 2.25 s in 3 rows and
    # 6.75 s in 9; that row 1 had its whole 1 s to begin with makes the next time come one row early.
    assert made["layers"] == list(range(40))
    assert made["curvature"] == [0, 1, *range(3, 40, 3)]
    assert made["kernel"] == [0, 1, *range(9, 40, 9)]


def test_what_was_earned_and_not_used_is_not_kept_for_later(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, schedule = Clock(monkeypatch), Schedule({"layers": ()}, 1.0)
    made: list[int] = []
    for row in range(10):
        for task in schedule.due(1.0).costly:
            with schedule.timed(task):
                clock.now += 3.0 if row == 5 else 0.0
            made.append(row)
        schedule.charge(0.0)
    # Row 5 owes 2 s beyond the second of its own, whatever the rows before it did without.
    assert made == [0, 1, 2, 3, 4, 5, 8, 9]


def test_queued_work_is_charged_to_its_measurement_and_the_rest_to_all_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch)
    slow = [
        Slow(Trajectory(), clock, collecting=0.0625, launching=0.125, updating=64.0),
        Slow(LayerMeasures(), clock, collecting=0.25, launching=0.5),
        Slow(Curvature(), clock, collecting=2.0, launching=1.0),
        Slow(KernelSpectrum(), clock, collecting=8.0, launching=4.0),
    ]
    config = RunConfig(**(SMALL | {"steps": 4}))  # type: ignore[arg-type]
    trainer = Trainer(config, measurements=standard("all", *slow))
    clock.passes(monkeypatch, trainer, 16.0, 32.0)
    for record in trainer.run():
        assert [record.values[name] for name in TASKS] == [0.75, 3.0, 12.0]
        assert record.values["measure_seconds"] == 0.75 + 3.0 + 12.0 + 0.125 + 0.0625
        # The update that led to a row counts with the row; nothing led to the first. The test set counts nowhere.
        assert record.values["step_seconds"] == (16.0 if record.step == 0 else 64.0 + 16.0)


def test_every_costly_measurement_has_its_seconds_in_the_catalogue() -> None:
    assert all(CATALOGUE[name].unit == "seconds" for name in TASKS)
