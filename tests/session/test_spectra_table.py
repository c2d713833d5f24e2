"""Whole spectra in a session's file: files without them, and files that hold something else in their place."""

import sqlite3

import numpy as np
import pytest

from engine.config import RunConfig
from engine.record import StepRecord
from engine.session.measuring_version import MEASURED_BY, VERSION, measuring_version, parsed
from engine.session.reader import SessionReader
from engine.session.schema import USER_VERSION
from engine.session.spectra_table import LARGEST_SPECTRA
from engine.session.writer import SessionWriter
from tests.session.recorded import is_whole, record, spectra_of, tampering, write_session


def as_written_by_0_3(path):
    with tampering(path) as file:
        file.execute("DROP TABLE spectra")
        file.execute("PRAGMA user_version = 1")
        file.execute("INSERT OR REPLACE INTO meta VALUES (?, '0.3.0')", (VERSION,))
    return path


def test_eigenvalues_are_stored_ascending_as_plain_numbers(tmp_path):
    path = tmp_path / "a.wnt"
    with SessionWriter.create(path, RunConfig(depth=2), {}) as writer:
        writer.put(StepRecord(0, {"loss": 1.0}, {}, spectra={("G", 2): np.array([3.0, -1e-9, 2.0])}))
    with tampering(path) as file:
        ((step, name, layer, cell),) = file.execute("SELECT step, name, layer, eigenvalues FROM spectra").fetchall()
    assert (step, name, layer) == (0, "G", 2)
    assert np.frombuffer(cell, "<f8").tolist() == [-1e-9, 2.0, 3.0]


def test_a_file_of_an_older_version_has_none_and_is_left_as_it_is(tmp_path):
    path = as_written_by_0_3(write_session(tmp_path / "a.wnt"))
    before = path.read_bytes()
    with SessionReader(path) as reader:
        assert reader.spectra() is None
        assert reader.spectra_at(0) == {}
        assert reader.spectra_steps() == ()
        assert reader.steps()[0].size == 5
    assert path.read_bytes() == before


def test_an_older_session_that_is_gone_on_with_has_them_from_there_on_and_says_who_measured_what(tmp_path):
    path = as_written_by_0_3(write_session(tmp_path / "a.wnt"))
    with SessionWriter.open(path) as writer:
        writer.put(record(5))
        writer.put(record(6))
    with SessionReader(path) as reader:
        assert reader.spectra_steps() == (6,)
        assert is_whole(reader, 6)
        meta = reader.meta()
    assert [parsed(measuring_version(meta, step)) < (0, 4) for step in (0, 4, 5, 6)] == [True, True, False, False]
    with tampering(path) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (USER_VERSION,)


@pytest.mark.parametrize(
    "later", ["", "[]", "7", '{"x": "0.4.0"}', '{"-1": "9"}', '{"3": 4}', '{"9": "1.0"}', "[" * 9000]
)
def test_what_a_strange_file_says_of_versions_is_passed_over(later):
    assert measuring_version({VERSION: "0.3.0", MEASURED_BY: later}, 5) == "0.3.0"


@pytest.mark.parametrize("version", ["", "unknown", "1.x", "..", "0.4.0rc1"])
def test_what_is_no_version_is_older_than_all(version):
    assert parsed(version) < parsed("0.0.1") < parsed("0.3.0") < parsed("0.4.0") < parsed("0.10.2")


def test_cells_that_are_no_spectra_are_passed_over(tmp_path):
    path = write_session(tmp_path / "a.wnt", [0])
    with tampering(path) as file:
        for number, cell in enumerate((b"", b"1234567", "text", 5, None)):
            file.execute("INSERT INTO spectra VALUES (0, ?, 1, ?)", (f"odd {number}", cell))
        file.execute("INSERT INTO spectra VALUES (0, 'deep', 99, zeroblob(8)), (0, 'deep', 'x', zeroblob(8))")
        file.execute("INSERT INTO spectra VALUES (0, x'00', 0, zeroblob(8)), (-1, 'G', 0, zeroblob(8))")
        file.execute(
            "INSERT INTO spectra VALUES ('x', 'G', 0, zeroblob(8)), (9223372036854775807, 'G', 0, zeroblob(8))"
        )
    with SessionReader(path) as reader:
        assert reader.spectra_steps() == (0,)
        found = reader.spectra()
    assert found is not None
    assert found.spectra.keys() == spectra_of(0).keys()


def test_a_file_that_has_too_many_is_read_up_to_a_bound(tmp_path):
    path = write_session(tmp_path / "a.wnt", [0])
    with tampering(path) as file:
        for row in range(20):
            file.execute("INSERT INTO spectra VALUES (1, ?, 0, zeroblob(8000000))", (f"M{row}",))
    with SessionReader(path) as reader:
        found = reader.spectra_at(1)
    assert 0 < sum(values.nbytes for values in found.values()) <= LARGEST_SPECTRA


def test_a_spectrum_is_recorded_once(tmp_path):
    path = write_session(tmp_path / "a.wnt", [0])
    with tampering(path) as file, pytest.raises(sqlite3.IntegrityError):
        file.execute("INSERT INTO spectra VALUES (0, 'G', 1, zeroblob(8))")
