"""A checkpoint in an untrusted file is held against the run before it is used; what does not fit is passed over."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import numpy as np
import pytest

from engine.errors import SessionError
from engine.history.encoding import read_checkpoint
from engine.history.reexecution import Rerun, prepare
from engine.session.reader import SessionReader
from engine.session.recorded import RecordedRun
from tests.history.recording import record_run, small


@pytest.fixture
def session(tmp_path):
    path = tmp_path / "run.wnt"
    record_run(path, small(), checkpoints={5})
    return path


def execute(path, sql, *arguments):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql, arguments)


def carried(path, change):
    with closing(sqlite3.connect(path)) as connection, connection:
        words = json.loads(connection.execute("SELECT data FROM checkpoints WHERE name = 'carried'").fetchone()[0])
        change(words)
        text = json.dumps(words).encode()
        connection.execute(
            "UPDATE checkpoints SET data = ?, shape = ? WHERE name = 'carried'", (text, json.dumps([len(text)]))
        )


def not_finite(path):
    data = np.full((20, 20), np.nan, "<f4").tobytes()
    execute(path, "UPDATE checkpoints SET data = ? WHERE name = 'W2'", data)


def half_precision(path):
    data = np.zeros((20, 20), "<f2").tobytes()
    execute(path, "UPDATE checkpoints SET data = ?, dtype = 'F16' WHERE name = 'W2'", data)


BROKEN = {
    "a weight lacks": lambda path: execute(path, "DELETE FROM checkpoints WHERE name = 'W2'"),
    "a weight has another shape": lambda path: execute(
        path, "UPDATE checkpoints SET shape = '[400]' WHERE name = 'W2'"
    ),
    "a weight has another type": half_precision,
    "a weight is not finite": not_finite,
    "there is an unknown tensor": lambda path: execute(
        path, "INSERT INTO checkpoints VALUES (5, 'surprise', 'F32', '[0]', x'')"
    ),
    "it is far too large": lambda path: execute(
        path, "INSERT INTO checkpoints VALUES (5, 'carried.layers.x.1', 'U8', '[99999999]', zeroblob(99999999))"
    ),
    "a warm start has another length": lambda path: execute(
        path,
        "UPDATE checkpoints SET shape = '[3]', data = ? WHERE name = 'carried.curvature.vectors.0'",
        np.zeros(3, "<f4").tobytes(),
    ),
    "its text is no JSON": lambda path: execute(
        path, "UPDATE checkpoints SET data = x'7b7b', shape = '[2]' WHERE name = 'carried'"
    ),
    "its numbers are words": lambda path: carried(path, lambda words: words["trajectory"].update(gap="wide")),
    "it names no metric": lambda path: carried(path, lambda words: words["before"].update(nonsense=1.0)),
    "it names no inequality": lambda path: carried(path, lambda words: words["violations"].update(nonsense=[0, 1])),
    "its norms are of another depth": lambda path: carried(
        path, lambda words: words["proved_bounds"].update(weight_norms=[1.0])
    ),
    "its numbers are a list": lambda path: carried(path, lambda words: words.update(trajectory=[1.0])),
    "a number is too large for one": lambda path: carried(path, lambda words: words["trajectory"].update(gap=10**400)),
    "its vectors are numbers": lambda path: carried(path, lambda words: words.update(kernel=1.0)),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_checkpoint_that_does_not_fit_is_refused_in_a_sentence_and_passed_over(session, how):
    BROKEN[how](session)
    with SessionReader(session) as reader:
        recorded = RecordedRun(reader)
        rerun = Rerun(recorded, prepare(recorded))
        rerun.begin()
        with pytest.raises(SessionError, match=r"step 5( in run)? does not fit its run|step 5 in .* is damaged"):
            rerun.restore(read_checkpoint(reader, 5, rerun.trainer))
        rerun = Rerun(recorded, prepare(recorded))
        assert rerun.seek(7) == []  # from step 0: what is recorded is still the same run
        assert rerun.trainer.step == 7


def test_weights_of_another_run_are_noticed_by_the_loss_at_them(session):
    with closing(sqlite3.connect(session)) as connection, connection:
        (data,) = connection.execute("SELECT data FROM checkpoints WHERE name = 'W2'").fetchone()
        other = (2 * np.frombuffer(data, "<f4")).tobytes()
        connection.execute("UPDATE checkpoints SET data = ? WHERE name = 'W2'", (other,))
    with SessionReader(session) as reader:
        recorded = RecordedRun(reader)
        rerun = Rerun(recorded, prepare(recorded))
        rerun.begin()
        with pytest.raises(SessionError, match="step 5 is not of this run: loss at step 5"):
            rerun.restore(read_checkpoint(reader, 5, rerun.trainer))
        again = Rerun(recorded, prepare(recorded))
        assert again.seek(7) == []


def test_state_that_lacks_a_number_is_passed_over(session):
    carried(session, lambda words: words["trajectory"].pop("gap"))
    with SessionReader(session) as reader:
        recorded = RecordedRun(reader)
        rerun = Rerun(recorded, prepare(recorded))
        assert rerun.seek(7) == []
        assert rerun.trainer.step == 7
