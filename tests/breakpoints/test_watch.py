"""When a condition holds, what a row that lacks its numbers says, and when a breakpoint is hit."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from engine.breakpoints import BreakpointError, active_breakpoints, parse
from engine.breakpoints.evaluation import evaluate
from engine.breakpoints.watch import BreakpointWatch
from engine.config import RunConfig
from engine.errors import ConfigError, UsageError
from engine.record import Event, StepRecord
from engine.runner.annotations import Annotations, hits_of
from engine.session.reader import SessionReader
from engine.session.writer import SessionWriter

NAN = math.nan


def row(step: int = 0, layers: Mapping[str, Sequence[float]] | None = None, **values: float) -> StepRecord:
    known = {name: value for name, value in values.items() if not math.isnan(value)}
    return StepRecord(step, known, {name: np.array(cells, dtype=float) for name, cells in (layers or {}).items()})


def holds(text: str, record: StepRecord, first_loss: float = NAN) -> bool | None:
    found = evaluate(parse(text).condition, record, first_loss=first_loss, examples=20)
    return None if found is None else found.holds


def hits(text: str, rows: Sequence[StepRecord]) -> list[int]:
    watch = BreakpointWatch([text], depth=3, measure="all", examples=20)
    return [event.step for record in rows for event in watch.row(record)]


def losses(*values: float) -> list[StepRecord]:
    return [row(step, loss=value) for step, value in enumerate(values)]


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("pl < 1", {"pl": 0.5}, True),
        ("pl < 1", {"pl": 1.0}, False),
        ("pl <= 1", {"pl": 1.0}, True),
        ("pl > 1", {"pl": 1.0}, False),
        ("pl >= 1", {"pl": 1.0}, True),
        ("pl > 1", {"pl": math.inf}, True),
        ("pl > 1", {}, None),
        ("loss inside 1..2", {"loss": 1.0}, True),
        ("loss inside 1..2", {"loss": 2.0}, True),
        ("loss inside 1..2", {"loss": 2.5}, False),
        ("loss outside 1..2", {"loss": 2.5}, True),
        ("loss outside 1..2", {"loss": 0.5}, True),
        ("loss outside 1..2", {"loss": 1.5}, False),
        ("smoothness_hessian > 2/lr", {"smoothness_hessian": 201.0, "lr": 0.01}, True),
        ("smoothness_hessian > 2/lr", {"smoothness_hessian": 199.0, "lr": 0.01}, None),
        ("smoothness_secant > 2/lr", {"smoothness_secant": 199.0, "lr": 0.01}, False),
        ("smoothness_secant > 2/lr", {"smoothness_secant": 199.0}, None),
        ("2*loss - 1 < pl/4", {"loss": 1.0, "pl": 5.0}, True),
        ("2*loss - 1 < pl/4", {"loss": 1.0, "pl": 4.0}, False),
        ("loss/pl > 1", {"loss": 1.0, "pl": 0.0}, True),
        ("pl/pl > 1", {"pl": 0.0}, None),
        ("step >= 7", {}, True),
        ("step > 7", {}, False),
    ],
)
def test_a_condition_on_step_metrics(text: str, values: dict[str, float], expected: bool | None) -> None:
    assert holds(text, row(7, **values)) is expected


@pytest.mark.parametrize(
    ("text", "layers", "expected"),
    [
        ("log10_cond[1] > 4", {"log10_cond": [9, 5, 1, NAN]}, True),
        ("log10_cond[2] > 4", {"log10_cond": [9, 5, 1, NAN]}, False),
        ("log10_cond[3] > 4", {"log10_cond": [9, 5, 1, NAN]}, None),
        ("log10_cond[9] > 4", {"log10_cond": [9, 5, 1, NAN]}, None),
        ("log10_cond[any] > 8", {"log10_cond": [9, 5, 1, NAN]}, True),
        ("log10_cond[any] > 9", {"log10_cond": [9, 5, 1, NAN]}, False),
        ("log10_cond[all] > 0", {"log10_cond": [9, 5, 1, NAN]}, True),
        ("log10_cond[all] > 1", {"log10_cond": [9, 5, 1, NAN]}, False),
        ("log10_cond[any] > 0", {"log10_cond": [NAN] * 4}, None),
        ("log10_cond[all] > 0", {"log10_cond": [NAN] * 4}, None),
        ("log10_cond[all] > 0", {}, None),
        # Layer by layer: 3 > 2 at layer 1 although no value of one exceeds all values of the other.
        ("eq13_op[any] > lambda_min[any]", {"eq13_op": [1, 3, 0, NAN], "lambda_min": [9, 2, 9, NAN]}, True),
        ("eq13_op[all] < lambda_min[all]", {"eq13_op": [1, 3, 0, NAN], "lambda_min": [9, 2, 9, NAN]}, False),
        ("log10_cond[any] > log10_cond[0]", {"log10_cond": [4, 5, 1, NAN]}, True),
    ],
)
def test_a_condition_over_layers(text: str, layers: dict[str, list[float]], expected: bool | None) -> None:
    assert holds(text, row(0, layers)) is expected


def test_a_hit_names_the_layer_that_is_furthest_beyond_and_both_sides() -> None:
    watch = BreakpointWatch(["log10_cond[any] > 4"], depth=3, measure="core", examples=20)
    (event,) = watch.row(row(0, {"log10_cond": [4.5, 7.0, 5.0, NAN]}))
    assert (event.kind, event.step, event.layer) == ("break", 0, 1)
    assert event.data["left"] == 7.0
    assert event.data["right"] == 4.0
    assert event.message == "log10_cond[any] > 4: 7 against 4 at layer 1."


@pytest.mark.parametrize(
    ("text", "rows", "expected"),
    [
        # Once an episode: a run that is resumed goes on.
        ("loss < 3", losses(5, 2, 1, 0, 4, 2), [1, 5]),
        ("loss < 3 for 2", losses(5, 2, 1, 0, 4, 2, 1), [2, 6]),
        ("loss < 3 for 2", losses(2, 4, 2, 4, 2, 4), []),
        # What was not measured says nothing: no hit, no interruption, no new episode.
        ("pl < 3 for 2", [row(0, pl=1.0), row(1), row(2, pl=1.0), row(3), row(4, pl=1.0)], [2]),
        ("pl < 3", [row(0), row(1, pl=1.0), row(2), row(3, pl=1.0), row(4, pl=5.0), row(5, pl=1.0)], [1, 5]),
        ("diverging", losses(1, 0.5, 0.9, 1, 1.5, 2, 0.5, 3), [4, 7]),
        ("diverging for 2", losses(1, 1.5, 0.5, 1.5, 2, 3), [4]),
        ("diverging", losses(1, 0.5, math.inf), [2]),
        # A loss that is NaN is left out of its row.
        ("diverging", losses(1, 0.5, NAN), [2]),
        ("diverging", losses(NAN, NAN), []),
        # Fixed at step 0, and known from there on.
        (
            "lambda_min[any] < 0.5*infinite_lambda_min[any]",
            [
                row(0, {"lambda_min": [4, 4, 4, NAN], "infinite_lambda_min": [4, 4, 4, NAN]}),
                row(1, {"lambda_min": [4, 4, 1, NAN], "infinite_lambda_min": [NAN] * 4}),
            ],
            [1],
        ),
    ],
)
def test_hits(text: str, rows: list[StepRecord], expected: list[int]) -> None:
    assert hits(text, rows) == expected


def test_breakpoints_are_set_and_cleared_on_the_way() -> None:
    watch = BreakpointWatch([], depth=3, measure="core", examples=20)
    assert watch.row(row(0, loss=1.0)) == ()
    assert watch.set("loss<3").text == "loss < 3"
    with pytest.raises(UsageError, match="set already"):
        watch.set("loss  <  3")
    assert [event.step for event in watch.row(row(1, loss=1.0))] == [1]
    assert watch.clear(" loss < 3").text == "loss < 3"
    assert watch.breakpoints == ()
    assert watch.row(row(2, loss=9.0)) + watch.row(row(3, loss=1.0)) == ()
    with pytest.raises(UsageError, match="not set"):
        watch.clear("loss < 3")


def test_a_run_that_is_gone_on_with_keeps_its_breakpoints_and_knows_its_first_row(tmp_path: Path) -> None:
    path, config = tmp_path / "a.wnt", RunConfig(depth=3, breakpoints=("pl < 1", "diverging"))
    layers = {"infinite_lambda_min": [4.0, 4.0, 4.0, NAN], "lambda_min": [4.0, 4.0, 4.0, NAN]}
    with SessionWriter.create(path, config, {}) as writer:
        writer.put(row(0, layers, loss=1.0))
        writer.put(row(1, loss=0.5))
        writer.put_event(Event(1, "breakpoint", "", data={"cleared": "pl < 1"}))
        writer.put_event(Event(1, "breakpoint", "", data={"set": "lambda_min[2] < infinite_lambda_min[2]"}))
    with SessionWriter.open(path) as writer, SessionReader(path) as reader:
        going_on = Annotations(config, writer)
        going_on.catch_up(reader, None)
        assert hits_of(going_on.row(row(2, loss=0.9, pl=0.0))) == ()
        found = hits_of(going_on.row(row(3, {"lambda_min": [4.0, 4.0, 3.0, NAN]}, loss=1.5)))
        assert [hit.data["breakpoint"] for hit in found] == ["diverging", "lambda_min[2] < infinite_lambda_min[2]"]


@pytest.mark.parametrize(
    ("text", "measure", "words"),
    [
        ("log10_cond[3] > 4", "core", "layers 0 to 2"),
        ("weight_norm[0] > 4", "core", "layers 1 to 3"),
        ("smoothness_hessian > 4", "core", "--measure all"),
        ("pl > 4", "none", "--measure core"),
    ],
)
def test_what_can_never_be_reached_in_a_run_is_refused(text: str, measure: str, words: str) -> None:
    with pytest.raises(BreakpointError, match=words):
        BreakpointWatch([text], depth=3, measure=measure, examples=20)
    with pytest.raises(ConfigError, match=words):
        RunConfig(depth=3, measure=measure, breakpoints=(text,))


def test_a_configuration_carries_breakpoints_through_json_and_options_of_a_file() -> None:
    config = RunConfig(breakpoints=("pl<1e-4", "pl  < 1e-4", "diverging"), on_break="stop")
    assert config.breakpoints == ("pl < 1e-4", "diverging")
    assert RunConfig.from_mapping(json.loads(config.to_json())) == config
    assert RunConfig.from_mapping({"break": "pl<1e-4; diverging;", "on-break": "stop"}) == config
    with pytest.raises(ConfigError, match="--break takes text"):
        RunConfig.from_mapping({"break": 7})


def test_events_record_which_breakpoints_are_set_and_where_they_were_hit() -> None:
    events = [
        Event(1, "breakpoint", "", data={"set": "loss < 3"}),
        Event(2, "break", "", data={"breakpoint": "loss < 3"}),
        Event(2, "break", "", data={"breakpoint": "pl < 1"}),
        Event(5, "break", "", data={"breakpoint": "loss < 3"}),
        Event(6, "breakpoint", "", data={"cleared": "pl < 1"}),
        Event(6, "breakpoint", "", data={"set": 7}),
        Event(6, "break", "", data={"breakpoint": "unheard of"}),
    ]
    found = active_breakpoints(["pl < 1", "diverging"], events)
    assert [(point.text, point.hits) for point in found] == [("diverging", ()), ("loss < 3", (2, 5))]
