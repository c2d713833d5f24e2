"""Sessions of earlier versions: their training is the same to the bit, and what is measured otherwise now is named."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from engine.history.measured_otherwise import MEASURED_OTHERWISE
from engine.history.verify import verify
from engine.requests import Verify
from engine.session.liveness import engine_alive
from engine.session.measuring_version import MEASURED_BY, VERSION
from engine.session.reader import SessionReader
from tests.engine_process.engines import (
    ENDLESS,
    ask,
    branch_request,
    engine_run,
    events,
    recorded,
    resume_request,
    state,
    table,
    until,
)

CHANGED = {"steps": ("smoothness_hessian", "ntk_lambda_min"), "layers": ("lambda_min", "weight_norm")}
KINDS = {
    "all": {"measure": "all"},
    "all, float64, tanh": {"measure": "all", "dtype": "float64", "activation": "tanh", "loss": "cross_entropy"},
    "some rows": {"measure": "all", "every": 2, "budget": 0.5},
    "followed": {"measure": "all", "width": 140, "examples": 130, "data": "digits"},
    "core": {"measure": "core"},
}


@pytest.fixture(autouse=True)
def own_state(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def recorded_by_0_3(path: Path, **changes: object) -> Path:
    """A session as wnt-tui 0.3 left it: other numbers where it measured otherwise, checkpoints in another form."""
    recorded(path, **changes)
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("DROP TABLE spectra")
        file.execute("PRAGMA user_version = 1")
        file.execute("UPDATE meta SET value = '0.3.0' WHERE key = ?", (VERSION,))
        for table_name, columns in CHANGED.items():
            for column in columns:
                file.execute(f"UPDATE {table_name} SET {column} = {column} * 1.001")
        file.execute("UPDATE checkpoints SET name = 'carried.older.' || rowid WHERE name LIKE 'carried.%'")
        for step, cell in file.execute("SELECT step, data FROM checkpoints WHERE name = 'carried'").fetchall():
            words = json.loads(cell)
            kept = {name: words[name] for name in ("before", "violations", "trajectory")}
            text = json.dumps(kept | {"weight_norms": [1.0], "layers": {"form": 3}}).encode()
            file.execute("UPDATE checkpoints SET data = ?, shape = ? WHERE name = 'carried' AND step = ?",
                         (text, json.dumps([len(text)]), step))  # fmt: skip
    return path


def changed(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as file, file:
        file.execute(statement)


def training_of(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as file:
        return file.execute("SELECT step, loss, accuracy, grad_norm, lr FROM steps ORDER BY step").fetchall()


@pytest.mark.parametrize("kind", KINDS)
def test_verify_names_what_is_measured_otherwise_and_finds_no_damage(tmp_path, kind):
    path = recorded_by_0_3(tmp_path / "a.wnt", **KINDS[kind])
    verdict = verify(path)
    assert verdict.identical
    assert verdict.training is None
    ((since, names),) = verdict.otherwise.items()
    assert {name.removesuffix("_low").removesuffix("_high") for name in names} <= MEASURED_OTHERWISE[since]
    assert {"lambda_min", "weight_norm"} <= set(names)
    assert f"Measured otherwise since {since}, recorded by 0.3.0: {', '.join(names)}." in verdict.sentences()
    assert engine_run(Verify(session=path)).returncode == 0
    plain = json.loads(engine_run(Verify(session=path, as_json=True)).stdout)
    assert plain["identical"]
    assert plain["otherwise"] == {since: list(names)}


@pytest.mark.parametrize(
    ("statement", "metric"),
    [
        ("UPDATE steps SET loss = loss * 1.000001 WHERE step = 3", "loss"),
        ("UPDATE steps SET test_loss = test_loss * 1.000001 WHERE step = 3", "test_loss"),
        ("UPDATE steps SET pl_samplewise = 2 * pl_samplewise WHERE step = 3", "pl_samplewise"),
    ],
)
def test_verify_still_finds_what_is_damaged(tmp_path, statement, metric):
    path = recorded_by_0_3(tmp_path / "a.wnt")
    changed(path, statement)
    verdict = verify(path)
    assert (verdict.numbers, verdict.earliest.metric, verdict.earliest.step) == (1, metric, 3)
    assert (verdict.training is None) == (metric != "loss")
    assert verdict.otherwise
    assert engine_run(Verify(session=path)).returncode == 1


def test_a_session_of_this_version_is_compared_in_everything(tmp_path):
    path = tmp_path / "a.wnt"
    recorded(path)
    changed(path, "UPDATE layers SET lambda_min = lambda_min * 1.001 WHERE step = 2")
    verdict = verify(path)
    assert not verdict.identical
    assert verdict.earliest.metric == "lambda_min"
    assert not verdict.otherwise


@pytest.mark.parametrize("checkpoint_every", [None, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_run_is_trained_as_ever_and_can_be_verified(tmp_path, kind, checkpoint_every):
    whole, path = tmp_path / "whole.wnt", tmp_path / "a.wnt"
    recorded(whole, **KINDS[kind], steps=8)
    recorded_by_0_3(path, **KINDS[kind], checkpoint_every=checkpoint_every)
    done = engine_run(resume_request(path, 8))
    assert done.returncode == 0, done.stderr
    assert training_of(path) == training_of(whole)
    (going_on,) = (said for said in events(path, "resume"))
    assert ("checkpoint of step" in going_on) == (checkpoint_every is not None)
    (notice,) = (said for said in events(path, "notice") if "Recorded by" in said)
    assert notice.startswith("Recorded by wnt-tui 0.3.0 up to step 5. Training goes on to the bit;")
    assert "what is measured otherwise now begins anew at step 6" in notice
    with SessionReader(path) as reader:
        assert json.loads(reader.meta()[MEASURED_BY]).keys() == {"6"}
    # Rows of this version are found again to the bit, whatever way leads to them.
    assert verify(path).identical
    changed(path, "UPDATE layers SET lambda_min = lambda_min * 1.001 WHERE step = 8")
    assert not verify(path).identical


def test_where_a_run_was_gone_on_from_does_not_matter(tmp_path):
    near, far = tmp_path / "near.wnt", tmp_path / "far.wnt"
    recorded_by_0_3(near, **KINDS["followed"], checkpoint_every=4)
    far.write_bytes(near.read_bytes())
    changed(far, "DELETE FROM checkpoints")
    for path in (near, far):
        assert engine_run(resume_request(path, 9)).returncode == 0
    assert table(near, 6) == table(far, 6)


def test_it_is_taken_back_over_the_change_of_versions_and_goes_on(tmp_path):
    path = recorded_by_0_3(tmp_path / "a.wnt", **KINDS["followed"], checkpoint_every=4)

    def viewer():
        until(lambda: engine_alive(path) and state(path).step > 8)
        ask(path, "pause")
        for step in (2, 7, 5, 6):
            answer = ask(path, "rewind", step=step)
            assert answer.state == "done", answer.reply
            until(lambda wanted=step: state(path).state == "paused" and state(path).step == wanted)
        ask(path, "resume")
        newest = state(path).step
        until(lambda: state(path).step > newest + 3)
        ask(path, "stop")

    watching = threading.Thread(target=viewer)
    watching.start()
    done = engine_run(resume_request(path, ENDLESS))
    watching.join()
    assert done.returncode == 0, done.stderr
    assert verify(path).identical
    assert not [said for said in events(path, "notice") if "but not" in said]


@pytest.mark.parametrize("changes", [{"lr": 0.02}, {"loss": "cross_entropy"}], ids=str)
def test_a_branch_of_it_is_a_run_of_this_version(tmp_path, changes):
    path, child = recorded_by_0_3(tmp_path / "a.wnt", checkpoint_every=2, measure="all"), tmp_path / "b.wnt"
    done = engine_run(branch_request(path, 3, child, steps=8, **changes))
    assert done.returncode == 0, done.stderr
    verdict = verify(child)
    assert verdict.identical
    assert not verdict.otherwise
