"""Sessions of before intervals: a certificate has an earlier name, and residuals are columns of theirs alone."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from engine.catalogue import CATALOGUE, RETIRED
from engine.catalogue.certainty import interval
from engine.session.export import export_csv
from engine.session.reader import SessionReader
from engine.session.recorded import RecordedRun
from engine.session.schema import extreme_columns
from engine.session.writer import SessionWriter
from tests.session.recorded import is_whole, record, tampering, write_session

LAST = 70  # one whole block of steps, and another


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    path = write_session(tmp_path / "earlier.wnt", range(LAST + 1))
    ends = [name for name, entry in CATALOGUE.items() if entry.end_of and name != "lambda_min_low"]
    with tampering(path) as file:
        for name in (*ends, "unstable_directions"):
            if CATALOGUE[name].scope == "step":
                file.execute(f"ALTER TABLE steps DROP COLUMN {name}")
                continue
            file.execute(f"ALTER TABLE layers DROP COLUMN {name}")
            for column in extreme_columns(name):
                file.execute(f"ALTER TABLE layer_extremes DROP COLUMN {column}")
        file.execute("ALTER TABLE layers RENAME COLUMN lambda_min_low TO lambda_min_lower")
        for now, before in zip(extreme_columns("lambda_min_low"), extreme_columns("lambda_min_lower"), strict=True):
            file.execute(f"ALTER TABLE layer_extremes RENAME COLUMN {now} TO {before}")
        for entry in RETIRED:
            table = "steps" if entry.scope == "step" else "layers"
            file.execute(f"ALTER TABLE {table} ADD COLUMN {entry.name} REAL")
            file.execute(f"UPDATE {table} SET {entry.name} = 0.5")
    return path


def test_the_certificate_is_read_under_its_name_of_today(earlier):
    with SessionReader(earlier) as reader:
        low = reader.layers_at(7)["lambda_min_low"]
        assert np.isfinite(low).all()
        assert np.array_equal(RecordedRun(reader).row(7).layers["lambda_min_low"], low)
        band = reader.layer_bands(("lambda_min_low",), 0, LAST, 2, rough=True)["lambda_min_low"]
        assert band.low[0, 1] == reader.layers_at(0)["lambda_min_low"][1]
        assert np.isnan(reader.layers_at(7)["lambda_max_high"]).all()


def test_residuals_are_read_where_the_file_has_them_and_bound_nothing(earlier, tmp_path):
    with SessionReader(earlier) as reader:
        values = {name: column[0] for name, column in reader.steps(6, 1)[1].items()}
    assert values["ntk_residual"] == 0.5
    assert interval("ntk_lambda_max", values, 20) == (values["ntk_lambda_max"], np.inf)
    assert interval("ntk_lambda_min", values, 20) == (0.0, values["ntk_lambda_min"])
    with SessionReader(write_session(tmp_path / "today.wnt")) as reader:
        assert not {entry.name for entry in RETIRED} & (set(reader.steps()[1]) | set(reader.layers_at(0)))


def test_an_export_has_the_residuals_of_sessions_that_have_them(earlier, tmp_path):
    for path, expected in ((earlier, {entry.name for entry in RETIRED}), (write_session(tmp_path / "b.wnt"), set())):
        steps, layers, *_ = export_csv(path, tmp_path / path.stem)
        metrics = tmp_path / path.stem / "metrics.csv"
        headers = {
            name for file in (steps, layers) for name in file.read_text(encoding="utf-8").split("\n")[0].split(",")
        }
        assert {entry.name for entry in RETIRED} & headers == expected
        with metrics.open(encoding="utf-8", newline="") as file:
            assert {row["name"] for row in csv.DictReader(file)} <= headers


def test_rows_of_today_are_added_and_both_are_read(earlier):
    with SessionWriter.open(earlier) as writer:
        writer.put(record(LAST + 1))
    with SessionReader(earlier) as reader:
        assert is_whole(reader, LAST + 1)
        assert np.isfinite(reader.layers_at(LAST)["lambda_min_low"]).all()
        assert np.isnan(reader.layers_at(LAST)["lambda_min_high"]).all()
        assert np.isfinite(reader.layers_at(LAST + 1)["lambda_min_high"]).all()
