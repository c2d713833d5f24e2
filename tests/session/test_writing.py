import json
import math
import os
import sqlite3
import stat
import time

import numpy as np
import pytest

from engine.catalogue import LAYER_COLUMNS, STEP_COLUMNS
from engine.config import RunConfig
from engine.errors import SessionError
from engine.record import Event, StepRecord
from engine.session.changes import changed_config
from engine.session.commands import send
from engine.session.liveness import EngineLock
from engine.session.reader import SessionReader
from engine.session.recorded import RecordedRun
from engine.session.rows import Tensor
from engine.session.schema import APPLICATION_ID, USER_VERSION, extreme_columns
from engine.session.writer import SessionWriter
from tests.session.recorded import is_whole, record, tampering, write_session


def test_every_number_is_read_back_to_the_last_bit(tmp_path):
    path = write_session(tmp_path / "a.wnt", range(70))
    with SessionReader(path) as reader:
        assert reader.steps()[0].size == 70
        assert reader.last_step() == 69
        assert all(is_whole(reader, step) for step in range(70))
        assert reader.steps(after=9, limit=3)[0].tolist() == [10, 11, 12]
        assert reader.steps(after=69)[0].size == 0


def test_nan_is_null_and_infinities_are_kept(tmp_path):
    path = tmp_path / "a.wnt"
    with SessionWriter.create(path, RunConfig(depth=2), {}) as writer:
        layers = {"log10_cond": np.array([np.nan, np.inf, -np.inf])}
        writer.put(StepRecord(0, {"loss": math.nan, "pl": math.inf, "lr": -math.inf}, layers))
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT loss, pl, lr, accuracy FROM steps").fetchall() == [
        (None, math.inf, -math.inf, None)
    ]
    assert connection.execute("SELECT log10_cond FROM layers").fetchall() == [(None,), (math.inf,), (-math.inf,)]
    connection.close()
    with SessionReader(path) as reader:
        np.testing.assert_array_equal(reader.layers_at(0)["log10_cond"], [np.nan, np.inf, -np.inf])
        assert np.isnan(reader.layers_at(0)["lambda_min"]).all()


def test_step_without_measured_layers_has_no_layer_rows(tmp_path):
    path = tmp_path / "a.wnt"
    with SessionWriter.create(path, RunConfig(), {}) as writer:
        writer.put(StepRecord(0, {"loss": 1.0}, {}))
    with SessionReader(path) as reader:
        assert reader.last_step() == 0
        assert reader.layers_at(0) == {}
        assert reader.layer_bands(("log10_cond",), 0, 10, 5)["log10_cond"].first.size == 0


def test_file_says_what_it_is(tmp_path):
    path = write_session(tmp_path / "a.wnt")
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    assert connection.execute("PRAGMA user_version").fetchone() == (USER_VERSION,)
    columns = [row[1] for row in connection.execute("PRAGMA table_info(steps)")]
    assert columns == ["step", "time", *STEP_COLUMNS]
    columns = [row[1] for row in connection.execute("PRAGMA table_info(layer_extremes)")]
    assert columns == ["block", "layer", *(name for metric in LAYER_COLUMNS for name in extreme_columns(metric))]
    connection.close()


def test_file_is_its_owners_only_and_alone_after_the_end(tmp_path):
    path = tmp_path / "a.wnt"
    with SessionWriter.create(path, RunConfig(), {}) as writer:
        writer.put(record(0, depth=9))
        writer.flush()
        for beside in tmp_path.iterdir():
            assert stat.S_IMODE(beside.stat().st_mode) == 0o600
    assert [found.name for found in tmp_path.iterdir()] == ["a.wnt"]
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    connection.close()


def test_a_viewer_that_is_open_does_not_hinder_the_end(tmp_path):
    path = tmp_path / "a.wnt"
    writer = SessionWriter.create(path, RunConfig(depth=3), {})
    writer.put(record(0))
    with SessionReader(path) as reader:
        writer.close()
        assert is_whole(reader, 0)
        assert reader.engine().state == "stopped"
    with SessionReader(path) as reader:
        assert is_whole(reader, 0)


def test_session_can_be_read_as_soon_as_it_can_be_seen(tmp_path):
    path = tmp_path / "a.wnt"
    config = RunConfig(width=123, data="naïve “path”.npz")
    with (
        EngineLock(path),
        SessionWriter.create(path, config, {"device": "cpu"}),
        SessionReader(path) as reader,
    ):
        assert reader.config() == config
        assert reader.meta()["device"] == "cpu"
        assert reader.engine().state == "starting"
        assert reader.last_step() == -1


@pytest.mark.parametrize("left", ["a.wnt", "a.wnt-wal", "a.wnt-journal"])
def test_nothing_that_is_there_is_written_over(tmp_path, left):
    (tmp_path / left).write_bytes(b"something of value")
    with pytest.raises(SessionError, match=left):
        SessionWriter.create(tmp_path / "a.wnt", RunConfig(), {})
    assert (tmp_path / left).read_bytes() == b"something of value"
    assert len(list(tmp_path.iterdir())) == 1


def test_missing_folder_is_a_sentence(tmp_path):
    with pytest.raises(SessionError, match="Cannot write"):
        SessionWriter.create(tmp_path / "nowhere" / "a.wnt", RunConfig(), {})
    with pytest.raises(SessionError, match="Cannot lock"), EngineLock(tmp_path / "nowhere" / "a.wnt"):
        pass


def test_history_is_never_overwritten(tmp_path):
    path = tmp_path / "a.wnt"
    with SessionWriter.create(path, RunConfig(depth=3), {}) as writer:
        writer.put(record(4))
        for step in (4, 3, -1):
            with pytest.raises(SessionError, match=f"Step {step} cannot follow step 4"):
                writer.put(record(step))
    with pytest.raises(SessionError, match="cannot follow"), SessionWriter.open(path) as writer:
        writer.put(record(4))
    with SessionReader(path) as reader:
        assert is_whole(reader, 4)
        assert reader.steps()[0].size == 1


def test_row_written_behind_the_writers_back_stops_it_with_a_sentence(tmp_path):
    path = tmp_path / "a.wnt"
    writer = SessionWriter.create(path, RunConfig(depth=3), {})
    with tampering(path) as connection:
        connection.execute("INSERT INTO steps (step, loss) VALUES (0, 42)")
    writer.put(record(0))
    assert not writer.flush(30)
    assert "UNIQUE" in (writer.trouble or "")
    with pytest.raises(SessionError, match="Recording in"):
        writer.put(record(1))
    with pytest.raises(SessionError, match="Recording in"):
        writer.close()
    with SessionReader(path) as reader:
        assert reader.steps()[1]["loss"].tolist() == [42.0]


def test_number_without_a_place_in_the_catalogue_is_refused(tmp_path):
    with SessionWriter.create(tmp_path / "a.wnt", RunConfig(), {}) as writer:
        with pytest.raises(ValueError, match="no_such_metric"):
            writer.put(StepRecord(0, {"no_such_metric": 1.0}, {}))
        with pytest.raises(ValueError, match="shapes"):
            writer.put(StepRecord(0, {}, {"log10_cond": np.zeros(3), "lambda_min": np.zeros(4)}))
        writer.put(record(0, depth=9))


def test_record_may_be_changed_after_it_was_put(tmp_path):
    path = tmp_path / "a.wnt"
    values = np.zeros(10)
    with SessionWriter.create(path, RunConfig(), {}) as writer:
        for step in range(100):
            values[:] = step
            writer.put(StepRecord(step, {}, {"log10_cond": values}))
    with SessionReader(path) as reader:
        rows = reader.layers(0, 99)
        assert (rows.columns["log10_cond"][rows.layer == 5] == np.arange(100)).all()


def test_put_costs_far_less_than_a_millisecond(tmp_path):
    records = [record(step, depth=9) for step in range(500)]
    seconds = []
    with SessionWriter.create(tmp_path / "a.wnt", RunConfig(), {}) as writer:
        for one in records:
            start = time.perf_counter()
            writer.put(one)
            seconds.append(time.perf_counter() - start)
    assert np.median(seconds) < 0.0005


def test_events_keep_order_layer_and_data(tmp_path):
    path = tmp_path / "a.wnt"
    event = Event(1, "violation", "λ_min < bound", layer=2, data={"by": 0.5, "at": math.inf, "who": "x"})
    with SessionWriter.create(path, RunConfig(depth=3), {}) as writer:
        writer.put_event(Event(-1, "start", "begins"))
        writer.put(record(0))
        writer.put(record(1, events=[event, Event(1, "lr", "η")]))
    with SessionReader(path) as reader:
        rows = reader.events()
        assert [row.event.kind for row in rows] == ["start", "violation", "lr"]
        assert rows[1].event == Event(
            1, "violation", "λ_min < bound", layer=2, data={"by": 0.5, "at": None, "who": "x"}
        )
        assert reader.events(after_id=rows[1].id) == rows[2:]
        assert abs(rows[1].time - time.time()) < 60


def test_engine_row_follows_and_is_visible_with_the_rows_before_it(tmp_path):
    path = tmp_path / "a.wnt"
    with (
        EngineLock(path),
        SessionWriter.create(path, RunConfig(depth=3), {}) as writer,
        SessionReader(path) as reader,
    ):
        writer.put(record(0))
        writer.set_engine(state="paused", step=0, message="by you", device="cpu")
        writer.flush()
        row = reader.engine()
        assert (row.state, row.step, row.message, row.device) == ("paused", 0, "by you", "cpu")
        assert row.alive
        assert row.pid == os.getpid()
        assert row.ended is None
        assert reader.last_step() == 0
    with SessionReader(path) as reader:
        assert reader.engine().ended is not None


def test_heart_beats_while_nothing_happens(tmp_path):
    path = tmp_path / "a.wnt"
    with SessionWriter.create(path, RunConfig(), {}), SessionReader(path) as reader:
        first = reader.engine().heartbeat
        deadline = time.monotonic() + 30
        while reader.engine().heartbeat == first:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_exception_in_the_engine_leaves_its_sentence(tmp_path):
    path = tmp_path / "a.wnt"

    def engine(error):
        with SessionWriter.create(path, RunConfig(), {}) as writer:
            writer.set_engine(state="running")
            raise error

    with pytest.raises(RuntimeError):
        engine(RuntimeError("out of luck"))
    with SessionReader(path) as reader:
        assert (reader.engine().state, reader.engine().message) == ("failed", "out of luck")


def test_session_goes_on_after_its_last_row(tmp_path):
    path = write_session(tmp_path / "a.wnt", range(100))
    with EngineLock(path):
        number = send(path, "pause")
    with SessionWriter.open(path) as writer:
        assert writer.last_step == 99
        for step in range(100, 200):
            writer.put(record(step))
    with SessionReader(path) as reader:
        assert reader.steps()[0].tolist() == list(range(200))
        answer = reader.command(number)
        assert answer is not None
        assert answer.state == "refused"
        assert "ended" in answer.reply
    connection = sqlite3.connect(path)
    low, high = extreme_columns("lambda_min")
    blocks = connection.execute(f"SELECT block, {low}, {high} FROM layer_extremes WHERE layer = 0").fetchall()
    connection.close()
    assert blocks == [(0, 0, 63), (1, 64, 127), (2, 128, 191)]


@pytest.mark.parametrize(("changed", "left_with"), [(None, 0.25), (0.125, 0.125)])
def test_an_older_sessions_last_row_is_left_with_the_rate_in_force(tmp_path, changed, left_with):
    path = tmp_path / "a.wnt"
    with SessionWriter.create(path, RunConfig(depth=3, lr=0.5), {}) as writer:
        writer.put(StepRecord(0, {"lr": 0.25}, {}))
        writer.put(StepRecord(1, {}, {}))
        if changed is not None:
            writer.put_event(Event(1, "lr", "", data={"lr": changed}))
    with SessionReader(path) as reader:
        branch = changed_config(RecordedRun(reader), 1, {})
    assert branch.lr == left_with
    with SessionWriter.open(path), SessionReader(path) as reader:
        assert reader.steps()[1]["lr"].tolist() == [0.25, left_with]


def test_session_of_an_older_catalogue_is_read_and_goes_on(tmp_path):
    path = write_session(tmp_path / "a.wnt", range(3))
    low, high = extreme_columns("ntk_trace_share")
    with tampering(path) as older:
        older.execute("ALTER TABLE steps DROP COLUMN ntk_lambda_max")
        older.execute("ALTER TABLE layers DROP COLUMN ntk_trace_share")
        older.execute(f"ALTER TABLE layer_extremes DROP COLUMN {low}")
        older.execute(f"ALTER TABLE layer_extremes DROP COLUMN {high}")
    with SessionReader(path) as reader:
        assert np.isnan(reader.steps()[1]["ntk_lambda_max"]).all()
        assert np.isnan(reader.layers_at(2)["ntk_trace_share"]).all()
        assert np.isnan(reader.layer_bands(("ntk_trace_share",), 0, 10**6, 4)["ntk_trace_share"].low).all()
    with SessionWriter.open(path) as writer:
        writer.put(record(3))
    with SessionReader(path) as reader:
        assert is_whole(reader, 3)
        assert np.isnan(reader.steps()[1]["ntk_lambda_max"][:3]).all()


def test_checkpoints_are_read_back_and_checked(tmp_path):
    path = tmp_path / "a.wnt"
    weights = np.arange(6, dtype="<f4").reshape(2, 3)
    tensors = {"W1": Tensor("F32", (2, 3), weights.tobytes()), "empty": Tensor("F64", (0,), b"")}
    with SessionWriter.create(path, RunConfig(), {}) as writer:
        writer.put_checkpoint(7, tensors)
    with SessionReader(path) as reader:
        assert reader.checkpoints() == (7,)
        assert reader.checkpoint(7) == tensors
        assert reader.checkpoint(8) == {}
    with tampering(path) as connection:
        connection.execute("UPDATE checkpoints SET shape = '[2, 4]' WHERE name = 'W1'")
    with SessionReader(path) as reader, pytest.raises(SessionError, match="damaged"):
        reader.checkpoint(7)


def test_meta_holds_the_configuration_and_what_was_known_at_the_start(tmp_path):
    path = tmp_path / "a.wnt"
    with SessionWriter.create(path, RunConfig(), {"device": "cpu"}):
        pass
    with SessionReader(path) as reader:
        assert reader.meta()["device"] == "cpu"
        assert RunConfig(**json.loads(reader.meta()["config"])) == RunConfig()
