import csv
import json
import math

import numpy as np
import pytest

from engine.catalogue import CATALOGUE, LAYER_COLUMNS, STEP_COLUMNS
from engine.config import RunConfig
from engine.errors import SessionError
from engine.record import Event, StepRecord
from engine.session.export import export_csv, export_json
from engine.session.reader import SessionReader
from engine.session.writer import SessionWriter

NAMES = ("steps", "layers", "spectra", "events", "metrics", "run")
AWKWARD = {"loss": 0.1 + 0.2, "pl": math.inf, "lr": math.nan, "grad_norm": 5e-324, "test_loss": -math.inf}


@pytest.fixture
def session(tmp_path):
    path = tmp_path / "a.wnt"
    with SessionWriter.create(path, RunConfig(depth=2), {"device": "cpu"}) as writer:
        for step in range(1030):  # more than are exported at a time
            layers = {"log10_cond": np.array([step / 3, math.nan, math.inf])} if step % 2 == 0 else {}
            writer.put(StepRecord(step, AWKWARD, layers))
        writer.put_event(Event(3, "violation", 'says "no", twice;\nλ', layer=1, data={"by": 0.1}))
    return path


def number(cell):
    return math.nan if cell == "" else float(cell)


def test_csv_gives_every_number_back(session, tmp_path):
    written = export_csv(session, tmp_path / "out")
    assert [path.name for path in written] == [f"{name}.csv" for name in NAMES]
    steps, layers, _, events, *_ = (list(csv.DictReader(path.open(encoding="utf-8", newline=""))) for path in written)
    # Marks come last: columns stay where they were.
    assert tuple(steps[0])[: 2 + len(STEP_COLUMNS)] == ("step", "time", *STEP_COLUMNS)
    assert tuple(layers[0])[: 2 + len(LAYER_COLUMNS)] == ("step", "layer", *LAYER_COLUMNS)
    with SessionReader(session) as reader:
        numbers, columns = reader.steps()
        assert [int(row["step"]) for row in steps] == numbers.tolist()
        for name in columns:
            np.testing.assert_array_equal([number(row[name]) for row in steps], columns[name])
        found = reader.layers(0, 2000)
        assert [int(row["layer"]) for row in layers] == found.layer.tolist()
        for name in LAYER_COLUMNS:
            np.testing.assert_array_equal([number(row[name]) for row in layers], found.columns[name])
    assert steps[0]["lr"] == ""
    assert steps[0]["pl"] == "inf"
    assert [(row["kind"], row["layer"], row["message"]) for row in events] == [
        ("violation", "1", 'says "no", twice; λ')
    ]
    assert json.loads(events[0]["data"]) == {"by": 0.1}


def test_json_is_strict_and_complete(session, tmp_path):
    (path,) = export_json(session, tmp_path)

    def refuse(constant):
        raise AssertionError(constant)

    found = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert RunConfig(**found["config"]) == RunConfig(depth=2)
    assert found["meta"]["device"] == "cpu"
    row = dict(zip(found["steps"]["columns"], found["steps"]["rows"][7], strict=True))
    assert (row["step"], row["loss"], row["pl"], row["lr"]) == (7, 0.1 + 0.2, None, None)
    assert len(found["steps"]["rows"]) == 1030
    assert len(found["layers"]["rows"]) == 515 * 3
    assert len(found["events"]["rows"]) == 1


@pytest.fixture
def singular(tmp_path):
    """A session in which the kernel's λ_min and one layer's are not resolved at the first of two rows."""
    path = tmp_path / "singular.wnt"
    with SessionWriter.create(path, RunConfig(depth=2), {}) as writer:
        for step, low in enumerate((0.5, 1.999)):
            values = {"ntk_lambda_min": 2.0, "ntk_lambda_min_low": low, "ntk_lambda_min_high": 2.0,
                      "ntk_lambda_max": 9.0, "ntk_lambda_max_low": 9.0, "ntk_lambda_max_high": 9.0,
                      "ntk_log10_cond": math.log10(4.5)}  # fmt: skip
            layers = {"lambda_min": [1.0, 0.0, math.nan], "lambda_max": [2.0, 2.0, math.nan],
                      "lambda_resolution": [1e-13, 1e-13, math.nan], "log10_cond": [0.3, 13.3, math.nan]}  # fmt: skip
            writer.put(StepRecord(step, values, {name: np.array(cells) for name, cells in layers.items()}))
    return path


def test_csv_says_which_values_are_resolved_and_what_is_certain_of_the_others(singular, tmp_path):
    steps, layers, _, _, metrics, _ = (
        list(csv.DictReader(path.open(encoding="utf-8", newline=""))) for path in export_csv(singular, tmp_path / "out")
    )
    for name in ("ntk_lambda_min", "ntk_log10_cond"):
        assert [row[f"{name}_resolved"] for row in steps] == ["0", "1"]
    assert [row["ntk_lambda_max_resolved"] for row in steps] == ["1", "1"]
    assert [row["smoothness_hessian_resolved"] for row in steps] == ["", ""]
    assert [row["log10_cond_resolved"] for row in layers] == ["1", "0", ""] * 2
    found = {row["name"]: row for row in metrics}
    assert (found["lambda_min"]["resolution"], found["lambda_min"]["unresolved"]) == ("lambda_resolution", "≤")
    assert (found["lambda_min_low"]["kind"], found["lambda_min_high"]["kind"]) == ("lower", "upper")
    assert found["ntk_lambda_min_low"]["kind"] == "probabilistic"
    assert found["log10_cond"]["unresolved"] == "≥"
    assert found["loss"]["resolution"] == found["loss"]["unresolved"] == ""


def test_json_says_the_same_with_truth_values(singular, tmp_path):
    found = json.loads(export_json(singular, tmp_path / "out")[0].read_text(encoding="utf-8"))
    rows = [dict(zip(found["steps"]["columns"], row, strict=True)) for row in found["steps"]["rows"]]
    assert [row["ntk_log10_cond_resolved"] for row in rows] == [False, True]
    assert rows[0]["smoothness_step_resolved"] is None
    layers = [dict(zip(found["layers"]["columns"], row, strict=True)) for row in found["layers"]["rows"]]
    assert [row["lambda_min_resolved"] for row in layers] == [True, False, None] * 2


def test_session_without_rows_is_exported(tmp_path):
    with SessionWriter.create(tmp_path / "a.wnt", RunConfig(), {}):
        pass
    *tables, metrics, _ = export_csv(tmp_path / "a.wnt", tmp_path)
    for path in tables:
        assert len(path.read_text().splitlines()) == 1
    assert len(metrics.read_text().splitlines()) == 1 + len(STEP_COLUMNS + LAYER_COLUMNS)
    assert json.loads(export_json(tmp_path / "a.wnt", tmp_path)[0].read_text())["layers"]["rows"] == []


@pytest.mark.parametrize(("activation", "loss"), [("relu", "mse"), ("tanh", "cross_entropy")])
def test_every_column_comes_with_the_kind_it_has_in_this_run(tmp_path, activation, loss):
    config = RunConfig(activation=activation, loss=loss)
    with SessionWriter.create(tmp_path / "a.wnt", config, {}):
        pass
    steps, layers, _, _, metrics, _ = export_csv(tmp_path / "a.wnt", tmp_path)
    table = {row["name"]: row for row in csv.DictReader(metrics.open(encoding="utf-8", newline=""))}
    headers = {path.stem: path.read_text(encoding="utf-8").splitlines()[0].split(",") for path in (steps, layers)}
    for name in STEP_COLUMNS + LAYER_COLUMNS:
        entry, row = CATALOGUE[name], table[name]
        assert entry.name in headers[row["table"]]
        assert (row["symbol"], row["unit"], row["equation"]) == (entry.symbol, entry.unit, entry.equation)
        assert row["kind"] == entry.kind_in(config)
    assert table["loss_bound"]["kind"] == ("exact" if loss == "mse" else "estimate")
    assert table["eq13_op"]["vacuous"] == "at or below 0"
    found = json.loads(export_json(tmp_path / "a.wnt", tmp_path)[0].read_text(encoding="utf-8"))["metrics"]
    assert [dict(zip(found["columns"], row, strict=True)) for row in found["rows"]] == list(table.values())


@pytest.mark.parametrize("export", [export_csv, export_json])
def test_folder_that_cannot_be_written_is_a_sentence(session, tmp_path, export):
    (tmp_path / "file").write_text("")
    with pytest.raises(SessionError, match="Cannot make the folder"):
        export(session, tmp_path / "file" / "deeper")
    with pytest.raises(SessionError, match="Cannot make the folder"):
        export(session, tmp_path / "file")
    out = tmp_path / "out"
    for name in ("steps.csv", "session.json"):
        (out / name).mkdir(parents=True)  # a folder in the way of the file
    with pytest.raises(SessionError, match="Cannot write"):
        export(session, out, replace=True)
    assert not [path for path in out.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(("export", "name"), [(export_csv, "events.csv"), (export_json, "session.json")])
def test_a_file_that_is_there_is_replaced_whole_and_only_where_that_is_asked_for(session, tmp_path, export, name):
    (tmp_path / name).symlink_to("mine.csv")
    (tmp_path / "mine.csv").write_text("mine")
    with pytest.raises(SessionError, match=f"has a {name} already") as refused:
        export(session, tmp_path)
    assert "--force" in refused.value.hint
    assert {path.name for path in tmp_path.iterdir()} == {"a.wnt", "mine.csv", name}
    written = export(session, tmp_path, replace=True)
    assert tmp_path / name in written
    assert len((tmp_path / name).read_text().splitlines()) > 1
    assert (tmp_path / "mine.csv").read_text() == "mine"


def test_no_text_is_a_formula_to_a_spreadsheet_and_numbers_stay_numbers(tmp_path):
    notes = ["=1+1", "+1", "-1", "@SUM(A1)", "＝1", "plain", "a=b"]
    with SessionWriter.create(tmp_path / "a.wnt", RunConfig(depth=2), {}) as writer:
        writer.put(StepRecord(0, {"loss": -0.5, "pl": -math.inf}, {}))
        for note in notes:
            writer.put_event(Event(0, "mark", note, data={"note": note}))
    steps, _, _, events, metrics, _ = export_csv(tmp_path / "a.wnt", tmp_path)
    found = [row["message"] for row in csv.DictReader(events.open(encoding="utf-8", newline=""))]
    assert found == ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "'＝1", "plain", "a=b"]
    (row,) = csv.DictReader(steps.open(encoding="utf-8", newline=""))
    assert (float(row["loss"]), row["pl"]) == (-0.5, "-inf")
    for path in (events, metrics):
        for row in csv.reader(path.open(encoding="utf-8", newline="")):
            assert not [cell for cell in row if cell.startswith(("=", "+", "-", "@", "\t"))]


@pytest.mark.parametrize("export", [export_csv, export_json])
def test_what_is_no_session_leaves_no_folder_behind(tmp_path, export):
    other = tmp_path / "other.wnt"
    other.write_text("no session")
    with pytest.raises(SessionError):
        export(other, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_csv_has_the_configuration_and_where_the_run_comes_from(session, tmp_path):
    run = export_csv(session, tmp_path / "out")[-1]
    found = {(row["part"], row["name"]): row["value"] for row in csv.DictReader(run.open(encoding="utf-8", newline=""))}
    with SessionReader(session) as reader:
        config, meta = reader.config(), reader.meta()
    for name in ("width", "depth", "examples", "seed", "activation", "loss"):
        assert found["config", name] == str(getattr(config, name))
    assert float(found["config", "lr"]) == config.lr
    assert {name for part, name in found if part == "config"} == set(config.to_dict())
    assert {name for part, name in found if part == "meta"} == set(meta) - {"config"}
