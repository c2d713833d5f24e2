"""A recorded run, executed again, is the same run: every number of every row, from wherever it is begun."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing

import numpy as np
import pytest
import torch
from safetensors import safe_open

from engine.errors import DataError, SessionError
from engine.history.reexecution import Rerun, prepare
from engine.history.verify import verify
from engine.history.weights import write_weights
from engine.requests import Resume
from engine.runner.run import train
from engine.session.reader import SessionReader
from engine.session.recorded import RecordedRun
from tests.history.recording import KINDS, record_run, small


@pytest.fixture
def silent():
    return lambda _step, _goal: None


@pytest.mark.parametrize("kind", KINDS)
def test_every_row_comes_out_the_same_to_the_bit(tmp_path, kind):
    path = tmp_path / "run.wnt"
    record_run(path, small(**KINDS[kind]), rates={4: 0.01})
    verdict = verify(path)
    assert verdict.identical, verdict.sentences()
    assert (verdict.first, verdict.last) == (0, 12)
    assert verdict.sentences()[0] == "Identical, bit by bit: 13 rows from step 0 to step 12."


@pytest.mark.parametrize("kind", KINDS)
def test_rows_after_a_checkpoint_are_those_of_the_run_that_was_not_interrupted(tmp_path, kind):
    path = tmp_path / "run.wnt"
    weights = record_run(path, small(**KINDS[kind]), checkpoints={5}, rates={7: 0.02})
    with SessionReader(path) as reader:
        rerun = Rerun(RecordedRun(reader), prepare(RecordedRun(reader)))
        seen = []
        found = rerun.seek(9, seen.append)
        assert seen == [5, 6, 7, 8]  # it began at the checkpoint and not at step 0
        for _ in range(3):
            found += rerun.forward()[1]
    assert found == []
    for now, then in zip(rerun.trainer.model.parameters.values(), weights[12], strict=True):
        assert torch.equal(now, then)


def test_a_number_that_was_tampered_with_is_found_and_its_size_told(tmp_path):
    path = tmp_path / "run.wnt"
    record_run(path, small())
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE steps SET pl = pl * (1 + 1e-9) WHERE step = 7")
        connection.execute("UPDATE layers SET lambda_max = lambda_max * 2 WHERE step = 9 AND layer = 1")
    verdict = verify(path)
    assert not verdict.identical
    assert verdict.numbers == 2
    assert (verdict.earliest.metric, verdict.earliest.step) == ("pl", 7)
    assert verdict.earliest.relative == pytest.approx(1e-9, rel=1e-3)
    assert (verdict.largest.metric, verdict.largest.layer, verdict.largest.relative) == ("lambda_max", 1, 0.5)
    assert verdict.training is None
    text = " ".join(verdict.sentences())
    assert "pl at step 7" in text
    assert "Training itself is the same" in text


def test_a_changed_learning_rate_shows_in_training_from_the_next_row_on(tmp_path):
    path = tmp_path / "run.wnt"
    record_run(path, small())
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE steps SET lr = 0.06 WHERE step = 3")
    verdict = verify(path)
    assert verdict.training is not None
    assert verdict.training.step == 4


def test_a_number_that_was_computed_and_is_not_recorded_is_a_difference(tmp_path):
    path = tmp_path / "run.wnt"
    record_run(path, small())
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE steps SET test_loss = NULL WHERE step = 2")
    verdict = verify(path)
    assert math.isnan(verdict.earliest.recorded)
    assert math.isinf(verdict.earliest.relative)
    assert "recorded nothing" in str(verdict.earliest)


def test_a_diverging_run_diverges_again_at_the_same_step(tmp_path):
    path = tmp_path / "run.wnt"
    weights = record_run(path, small(loss="mse_logits", lr=100.0, steps=200))
    assert len(weights) < 200
    assert verify(path).identical


def test_columns_that_an_older_file_does_not_have_are_no_difference(tmp_path):
    path = tmp_path / "run.wnt"
    record_run(path, small())
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("ALTER TABLE steps DROP COLUMN pl_samplewise")
        connection.execute("ALTER TABLE layers DROP COLUMN gersh_upper")
    assert verify(path).identical


def test_other_data_are_refused_in_a_sentence(tmp_path):
    path = tmp_path / "run.wnt"
    record_run(path, small())
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET value = 'ab' WHERE key = 'data_fingerprint'")
    with pytest.raises(DataError, match="The data are not those that run was recorded on"):
        verify(path)


@pytest.mark.parametrize("step", [0, 4, 5, 8, 12])
def test_weights_of_any_step_are_those_that_the_run_had(tmp_path, silent, step):
    path = tmp_path / "run.wnt"
    config = small(bias=True)
    weights = record_run(path, config, checkpoints={5}, rates={6: 0.2})
    written = write_weights(path, step, tmp_path / "w.safetensors", silent)
    assert written.differences == ()
    with safe_open(written.output, "pt") as file:
        assert file.metadata() == {"session": "run", "step": str(step), "config": config.to_json(), "exact": "true"}
        for name, then in zip(["W1", "W2", "W3", "b1", "b2", "b3"], weights[step], strict=True):
            assert torch.equal(file.get_tensor(name), then)


def test_weights_of_a_step_that_was_not_recorded_are_refused(tmp_path, silent):
    path = tmp_path / "run.wnt"
    record_run(path, small())
    with pytest.raises(SessionError, match=r"no row of step 13\. Recorded are steps 0 to 12"):
        write_weights(path, 13, tmp_path / "w.safetensors", silent)
    assert not (tmp_path / "w.safetensors").exists()


def test_weights_never_overwrite_a_file(tmp_path, silent):
    path = tmp_path / "run.wnt"
    record_run(path, small())
    (tmp_path / "w.safetensors").write_bytes(b"precious")
    with pytest.raises(SessionError, match="exists already"):
        write_weights(path, 3, tmp_path / "w.safetensors", silent)
    assert (tmp_path / "w.safetensors").read_bytes() == b"precious"


def test_re_execution_takes_the_threads_and_the_data_set_that_were_meant_then(tmp_path):
    path = tmp_path / "run.wnt"
    record_run(path, small(data="digits"))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET value = '2' WHERE key = 'threads'")
        connection.execute("UPDATE meta SET value = replace(value, '\"digits\"', '\"auto\"') WHERE key = 'config'")
    before = torch.get_num_threads()
    try:
        with SessionReader(path) as reader:
            trainer = prepare(RecordedRun(reader))
            assert reader.config().data == "auto"
        assert torch.get_num_threads() == 2
        assert trainer.config.data == "digits"
    finally:
        torch.set_num_threads(before)


def test_rows_at_the_seam_hold_numbers_for_the_transition_too(tmp_path):
    """What relates a row to the one before is there in the first row after a checkpoint."""
    path = tmp_path / "run.wnt"
    record_run(path, small(), checkpoints={5})
    with SessionReader(path) as reader:
        rerun = Rerun(RecordedRun(reader), prepare(RecordedRun(reader)))
        rerun.seek(5)
        record, found = rerun.forward()
    assert found == []
    assert np.isfinite([record.values[name] for name in ("smoothness_secant", "ratio_descent", "radius_bound")]).all()


@pytest.mark.parametrize("changes", [{"every": 5}, {"every": 3, "budget": 0.2}, {"budget": 0.05}], ids=str)
def test_a_run_that_is_not_measured_at_every_row_goes_on_beyond_its_last_row_and_stays_the_same(tmp_path, changes):
    """The row that was the last one was measured in full, and stays so when others follow it."""
    path = tmp_path / "run.wnt"
    record_run(path, small(steps=13, activation="tanh", **changes))
    train(Resume(session=path, steps=24))
    assert verify(path).identical
    with SessionReader(path) as reader:
        _, columns = reader.steps()
    for step in (0, 13, 24):
        assert np.isfinite(columns["smoothness_hessian"][step])
    assert np.isfinite(columns["predicted_lemma1"][14])
    assert np.isfinite(columns["smoothness_segment"][14])


def test_from_a_checkpoint_between_measured_rows_the_same_rows_follow(tmp_path):
    path = tmp_path / "run.wnt"
    record_run(path, small(every=4, activation="tanh"), checkpoints={3, 4, 5, 8})
    for step in (3, 4, 5, 8):
        with SessionReader(path) as reader:
            rerun = Rerun(RecordedRun(reader), prepare(RecordedRun(reader)))
            assert rerun.seek(step) == []
            while rerun.trainer.step < 12:
                assert rerun.forward()[1] == []
