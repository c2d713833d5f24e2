"""Whole spectra from the engine to the file, what is read from it, and back through execution again."""

from __future__ import annotations

import csv
import json
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.config import RunConfig
from engine.history.reexecution import prepare
from engine.history.verify import verify
from engine.measure.standard import standard
from engine.requests import Verify
from engine.session.copy import copy_session
from engine.session.export import export_csv, export_json
from engine.session.liveness import engine_alive, viewer_mark
from engine.session.reader import SessionReader
from engine.session.recorded import RecordedRun
from engine.training import trainer
from engine.training.trainer import Trainer
from tests.engine_process.engines import (
    ENDLESS,
    SMALL,
    ask,
    branch_request,
    engine_run,
    events,
    recorded,
    resume_request,
    run_request,
    state,
    until,
)
from tests.gram_spectra import with_spectra


@pytest.fixture(autouse=True)
def own_state(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(trainer, "standard", with_spectra)


def steps_of(path: Path) -> tuple[int, ...]:
    with SessionReader(path) as reader:
        return reader.spectra_steps()


def rows_of(**changes: object) -> list[int]:
    """The steps of a run that have whole spectra."""
    run = Trainer(RunConfig(**(SMALL | changes)))  # type: ignore[arg-type]
    return [record.step for record in run.run() if record.spectra]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [0, 5]),
        ({"spectra_every": 2}, [0, 2, 4, 5]),
        ({"spectra_every": 2, "every": 3}, [0, 2, 4, 5]),
        ({"spectra_every": 2, "budget": 1e-6, "measure": "all"}, [0, 2, 4, 5]),
        ({"spectra_every": 100}, [0, 5]),
        ({"steps": 0}, [0]),
        ({"measure": "none", "spectra_every": 1}, []),
    ],
    ids=str,
)
def test_the_first_row_the_last_and_every_kth_have_whole_spectra(changes, expected):
    assert rows_of(**changes) == expected


def test_the_file_gives_back_every_eigenvalue(tmp_path):
    path = tmp_path / "a.wnt"
    recorded(path, spectra_every=2)
    run = Trainer(RunConfig(**SMALL, spectra_every=2))  # type: ignore[arg-type]
    records = list(run.run())
    with SessionReader(path) as reader:
        for record in records:
            found = reader.spectra_at(record.step)
            assert found.keys() == record.spectra.keys()
            for matrix, eigenvalues in found.items():
                np.testing.assert_array_equal(eigenvalues, record.spectra[matrix])
        newest = {step: found.step for step in range(-1, 9) if (found := reader.spectra(step)) is not None}
    assert newest == {0: 0, 1: 0, 2: 2, 3: 2, 4: 4, 5: 5, 6: 5, 7: 5, 8: 5}


def test_exports_and_copies_have_them(tmp_path):
    path = tmp_path / "a.wnt"
    recorded(path, spectra_every=2)
    with SessionReader(path) as reader:
        expected = [
            (step, name, layer, index, value)
            for step in (0, 2, 4, 5)
            for (name, layer), eigenvalues in reader.spectra_at(step).items()
            for index, value in enumerate(eigenvalues.tolist())
        ]
    assert {name for _, name, *_ in expected} == {"G", "K"}
    copy_session(path, tmp_path / "b.wnt")
    for session in (path, tmp_path / "b.wnt"):
        export_csv(session, tmp_path / session.stem)
        with (tmp_path / session.stem / "spectra.csv").open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        assert header == ["step", "name", "layer", "index", "value"]
        found = [
            (int(step), name, int(layer) if layer else None, int(index), float(value))
            for step, name, layer, index, value in rows
        ]
        assert found == expected
    (written,) = export_json(path, tmp_path)
    table = json.loads(written.read_text(encoding="utf-8"))["spectra"]
    assert table["columns"] == header
    assert [tuple(row) for row in table["rows"]] == expected


def test_a_viewer_asks_for_them_at_the_next_row_and_execution_again_finds_the_same(tmp_path):
    path = tmp_path / "a.wnt"
    answers = {}

    def viewer():
        until(lambda: path.exists() and engine_alive(path) and steps_of(path))
        ask(path, "pause")
        answers["asked"] = ask(path, "spectra")
        ask(path, "step", n=3)
        until(lambda: len(steps_of(path)) > 1)
        until(lambda: ask(path, "rewind", step=1).state == "done")
        until(lambda: events(path, "rewind"))
        ask(path, "resume")
        answers["running"] = ask(path, "spectra")
        until(lambda: len(steps_of(path)) > 2)
        ask(path, "stop")

    watching = threading.Thread(target=viewer)
    watching.start()
    done = engine_run(run_request(path, steps=ENDLESS, measure="all"))
    watching.join()
    assert done.returncode == 0, done.stderr
    asked = answers["asked"]
    first, second, third = steps_of(path)
    assert (asked.state, first, second) == ("done", 0, asked.step + 1)
    assert asked.reply == f"Whole spectra of G and K are recorded at step {second}, when it goes on."
    assert answers["running"].state == "done"
    assert third > second
    assert verify(path).identical


def test_single_steps_beyond_the_end_have_none_and_the_next_end_has(tmp_path):
    path = tmp_path / "a.wnt"

    def finished_at(step):
        return state(path).state == "finished" and state(path).step == step

    def viewer():
        until(lambda: path.exists() and engine_alive(path))
        with viewer_mark(path):
            until(lambda: finished_at(5))
            for step in (6, 7, 8):
                ask(path, "step")
                until(lambda wanted=step: finished_at(wanted))
            ask(path, "resume")
            until(lambda: finished_at(13))
            ask(path, "stop")

    watching = threading.Thread(target=viewer)
    watching.start()
    done = engine_run(replace(run_request(path, spectra_every=7), live=True))
    watching.join()
    assert done.returncode == 0, done.stderr
    assert steps_of(path) == (0, 5, 7, 13)


def test_they_are_refused_where_nothing_is_measured(tmp_path):
    path = tmp_path / "a.wnt"
    answers = {}

    def viewer():
        until(lambda: path.exists() and engine_alive(path))
        answers["none"] = ask(path, "spectra")
        ask(path, "stop")

    watching = threading.Thread(target=viewer)
    watching.start()
    assert engine_run(run_request(path, steps=ENDLESS, measure="none")).returncode == 0
    watching.join()
    assert answers["none"].state == "refused"
    assert "--measure core` goes on with them" in answers["none"].reply
    assert steps_of(path) == ()


@pytest.mark.parametrize("changes", [{}, {"every": 3, "budget": 0.5, "spectra_every": 2, "measure": "all"}], ids=str)
def test_a_resumed_run_executes_them_again_and_goes_on(tmp_path, changes):
    path = tmp_path / "a.wnt"
    recorded(path, steps=5, **changes)
    assert engine_run(resume_request(path, 8)).returncode == 0
    expected = {0, 5, 8} | ({2, 4, 6} if changes else set())
    assert set(steps_of(path)) == expected
    assert verify(path).identical


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_spectra_of_the_standard_measurements_lie_between_the_ends_of_their_rows(tmp_path, monkeypatch, dtype):
    monkeypatch.setattr(trainer, "standard", standard)
    path = tmp_path / "a.wnt"
    recorded(path, measure="all", spectra_every=2, dtype=dtype)
    with SessionReader(path) as reader:
        assert reader.spectra_steps() == (0, 2, 4, 5)
        steps, values = reader.steps()
        for step in reader.spectra_steps():
            row, layers = int(np.flatnonzero(steps == step)[0]), reader.layers_at(step)
            found = reader.spectra_at(step)
            assert ("K", None) in found
            for (_name, layer), eigenvalues in found.items():
                assert (np.diff(eigenvalues) >= 0).all()
                of, at, place = ("ntk_", values, row) if layer is None else ("", layers, layer)
                for end, eigenvalue in (("min", eigenvalues[0]), ("max", eigenvalues[-1])):
                    low, high = (at[f"{of}lambda_{end}_{side}"][place] for side in ("low", "high"))
                    slack = 1e-6 * eigenvalues[-1]
                    assert low - slack <= eigenvalue <= high + slack, (step, layer, end)
    assert verify(path).identical


@pytest.mark.parametrize(("kernel", "form"), [(True, "dense"), (False, "products")])
def test_a_run_executed_again_forms_k_as_it_did(tmp_path, monkeypatch, kernel, form):
    monkeypatch.setattr(trainer, "standard", lambda _measure: with_spectra("core", kernel=kernel))
    path = tmp_path / "a.wnt"
    recorded(path, measure="all")
    with SessionReader(path) as reader:
        assert prepare(RecordedRun(reader)).config.kernel == form


def test_an_eigenvalue_that_was_changed_is_named(tmp_path):
    path = tmp_path / "a.wnt"
    recorded(path)
    with closing(sqlite3.connect(path)) as file, file:
        file.execute(
            "UPDATE spectra SET eigenvalues = zeroblob(length(eigenvalues)) WHERE step = 5 AND name = 'G' AND layer = 1"
        )
    verdict = verify(path)
    assert not verdict.identical
    assert "spectrum of G of layer 1 at step 5: recorded 0.0" in str(verdict.earliest)
    assert verdict.training is None
    assert engine_run(Verify(session=path)).returncode == 1


def test_a_branch_begins_with_the_spectra_of_its_parents_row(tmp_path):
    path, child = tmp_path / "a.wnt", tmp_path / "b.wnt"
    recorded(path, spectra_every=2)
    assert engine_run(branch_request(path, 2, child, lr=0.02)).returncode == 0
    assert steps_of(child) == (2, 4, 5)
    with SessionReader(path) as parent, SessionReader(child) as reader:
        for matrix, eigenvalues in parent.spectra_at(2).items():
            np.testing.assert_array_equal(reader.spectra_at(2)[matrix], eigenvalues)
    assert verify(child).identical
