import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from engine.config import RunConfig
from engine.errors import WntError
from engine.session.liveness import EngineLock
from engine.session.marks import put_mark
from engine.session.rows import LayerBlocks
from engine.session.writer import SessionWriter
from wnt_tui.session.growing_rows import GrowingRows
from wnt_tui.session.layer_cache import LayerCache
from wnt_tui.session.snapshot import Snapshot
from wnt_tui.session.source import Deliveries, SessionSource

PATIENCE = 60.0
NAME = "log10_cond"
NAMES = (NAME, "lambda_min")


class Listener:
    """Collects what a source delivers."""

    def __init__(self, path: Path, **given: bool) -> None:
        self.snapshots: list[Snapshot] = []
        self.troubles: list[WntError] = []
        self.source = SessionSource(path, Deliveries(self.snapshots.append, self.troubles.append), **given)
        self.source.start()

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.01)

    def __enter__(self) -> "Listener":
        return self

    def __exit__(self, *_: object) -> None:
        self.source.close()
        self.source.join(10)


def test_a_snapshot_has_every_row_event_and_state_of_the_file(ended: Path) -> None:
    with Listener(ended) as heard:
        heard.until(lambda: heard.snapshots)
        snapshot = heard.snapshots[-1]
    assert (snapshot.rows, snapshot.last_step) == (81, 80)
    assert snapshot.engine.state == "finished"
    assert not snapshot.engine.alive
    assert [event.step for event in snapshot.events] == [12, 30]
    assert snapshot.value("loss", 0) == pytest.approx(0.45)


def test_new_rows_arrive_without_the_old_ones_being_read_again(synthetic: ModuleType, tmp_path: Path) -> None:
    path, config = tmp_path / "growing.wnt", RunConfig(depth=3)
    with EngineLock(path), SessionWriter.create(path, config, synthetic.META) as writer, Listener(path) as heard:
        for step in range(5):
            writer.put(synthetic.record(step, config))
            heard.until(lambda step=step: heard.snapshots and heard.snapshots[-1].last_step == step)
            writer.flush(30)
            with sqlite3.connect(path) as connection:
                connection.execute("UPDATE steps SET accuracy = 7 WHERE step < ?", (step,))
            connection.close()
    assert 7 not in heard.snapshots[-1].column("accuracy")


def test_a_long_session_appears_at_once_and_fills_up(ended: Path) -> None:
    with sqlite3.connect(ended) as connection:
        connection.execute(
            "INSERT INTO steps (step, loss) WITH RECURSIVE more(step) AS"
            " (SELECT 81 UNION ALL SELECT step + 1 FROM more WHERE step < 29999) SELECT step, 1.0 FROM more"
        )
    connection.close()
    with Listener(ended) as heard:
        heard.until(lambda: heard.snapshots and heard.snapshots[-1].rows == 30_000)
    rows = [snapshot.rows for snapshot in heard.snapshots]
    assert 0 < rows[0] < 30_000
    assert rows == sorted(rows)


def test_snapshots_that_were_handed_out_never_change(synthetic: ModuleType, tmp_path: Path) -> None:
    path, config = tmp_path / "growing.wnt", RunConfig(depth=3)
    with EngineLock(path), SessionWriter.create(path, config, synthetic.META) as writer, Listener(path) as heard:
        writer.put(synthetic.record(0, config))
        heard.until(lambda: heard.snapshots and heard.snapshots[-1].rows == 1)
        early = heard.snapshots[-1]
        before = early.column("loss").copy()
        for step in range(1, 600):
            writer.put(synthetic.record(step, config))
        heard.until(lambda: heard.snapshots[-1].rows == 600)
        assert early.rows == 1
        np.testing.assert_array_equal(early.column("loss"), before)
        with pytest.raises(ValueError, match="read-only"):
            early.column("loss")[0] = 1.0


def test_versions_grow_and_equal_versions_are_never_delivered_twice(
    live: Callable[..., object], tmp_path: Path
) -> None:
    live(rows=3, state="running", interval=0.04, steps=100_000)
    with Listener(tmp_path / "live.wnt") as heard:
        heard.until(lambda: len(heard.snapshots) >= 4)
    versions = [snapshot.version for snapshot in heard.snapshots]
    assert versions == sorted(set(versions))


def test_an_idle_session_delivers_nothing_new(ended: Path) -> None:
    with Listener(ended) as heard:
        heard.until(lambda: heard.snapshots)
        put_mark(ended, 3, "here")
        heard.until(lambda: any(event.kind == "mark" for event in heard.snapshots[-1].events))
        assert len(heard.snapshots) == 2


def test_a_killed_engine_is_noticed_though_the_file_does_not_change(live: Callable[..., object]) -> None:
    engine = live()
    with Listener(engine.path) as heard:
        heard.until(lambda: heard.snapshots and heard.snapshots[-1].engine.alive)
        engine.kill()
        heard.until(lambda: heard.snapshots[-1].engine.state == "died")


def test_an_awaited_session_is_opened_when_it_appears(synthetic: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "later.wnt"
    with Listener(path, awaited=True) as heard:
        synthetic.write_session(path, RunConfig(depth=3), 2)
        heard.until(lambda: heard.snapshots and heard.snapshots[-1].rows == 2)
    assert heard.troubles == []


def test_a_missing_session_that_is_not_awaited_is_trouble(tmp_path: Path) -> None:
    with Listener(tmp_path / "none.wnt") as heard:
        heard.until(lambda: heard.troubles)
    assert "none.wnt" in heard.troubles[0].message


def test_an_awaited_file_that_is_no_session_is_trouble_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "other.wnt"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE something (x)")
    connection.close()
    with Listener(path, awaited=True) as heard:
        heard.until(lambda: heard.troubles)


def test_layers_come_from_the_file_and_then_from_memory(ended: Path) -> None:
    with Listener(ended) as heard:
        heard.until(lambda: heard.snapshots)
        layers = heard.snapshots[-1].layers
        heard.until(lambda: layers.at(5))
        assert layers.at(5)["log10_cond"].shape == (10,)
        assert layers.at(5) is layers.at(5)
        assert layers.at(81) == {}
        assert layers.at(-1) == {}
        heard.until(lambda: layers.bands(NAMES, 0, 80, 40)[NAME].first.size)
        assert layers.bands(NAMES, 0, 80, 40)[NAME].high.shape[1] == 10


def test_after_its_source_has_closed_a_snapshot_still_answers(ended: Path) -> None:
    with Listener(ended) as heard:
        heard.until(lambda: heard.snapshots)
    layers = heard.snapshots[-1].layers
    assert layers.at(7) == {}
    assert layers.bands(NAMES, 0, 33, 10)[NAME].first.size == 0


class SlowReader:
    """A disk that answers on demand."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def layers_at(self, step: int) -> dict[str, np.ndarray]:
        self.go.wait(10)
        return {"log10_cond": np.full(4, float(step))}

    def layer_bands(
        self, names: tuple[str, ...], first: int, last: int, blocks: int, layer: int | None = None, *, rough: bool
    ) -> dict[str, LayerBlocks]:
        self.go.wait(10)
        steps = np.arange(first, last + 1, 64 if rough else 1)
        return dict.fromkeys(names, LayerBlocks(steps, steps, np.zeros((steps.size, 4)), np.ones((steps.size, 4))))


def test_a_slow_disk_delays_the_answer_and_not_the_asker() -> None:
    woken = threading.Event()
    cache, reader = LayerCache(4, woken.set), SlowReader()
    cache.extend(9)
    began = time.monotonic()
    assert cache.at(3) == {}
    assert cache.bands(NAMES, 0, 9, 10)[NAME].first.size == 0
    assert time.monotonic() - began < 1.0
    assert woken.is_set()
    reader.go.set()
    assert cache.serve(reader), "what went on without it must be drawn again"
    assert cache.at(3)["log10_cond"][0] == 3.0
    assert cache.bands(NAMES, 0, 9, 10)[NAME].first.size == 10
    assert not cache.serve(reader)


def test_a_band_is_read_again_only_when_it_has_new_rows() -> None:
    cache, reader = LayerCache(4, lambda: None), SlowReader()
    reader.go.set()
    cache.extend(9)
    cache.bands(NAMES, 0, 80, 10)
    cache.serve(reader)
    band = cache.bands(NAMES, 0, 80, 10)[NAME]
    assert cache.bands(NAMES, 0, 80, 10)[NAME] is band
    cache.extend(10)
    assert cache.bands(NAMES, 0, 80, 10)[NAME] is band, "the old band, while the new one is being read"
    cache.serve(reader)
    assert cache.bands(NAMES, 0, 80, 10)[NAME].first.size == 11


def test_a_wide_window_is_shown_roughly_at_first_and_refined_when_nothing_else_is_asked_for() -> None:
    cache, reader = LayerCache(4, lambda: None), SlowReader()
    reader.go.set()
    cache.extend(100_000)

    def shown(first: int) -> int:
        """Blocks that are drawn in the end, after the source has answered."""
        cache.bands(NAMES, first, first + 999, 1000)
        cache.serve(reader)
        return cache.bands(NAMES, first, first + 999, 1000)[NAME].first.size

    assert shown(5000) == 16
    assert cache.is_rough
    assert shown(70_000) == 16, "somewhere else"
    assert cache.refine(reader), "that was the only one: what was left behind is not read"
    assert not cache.is_rough
    assert shown(70_000) == 1000
    assert not cache.is_rough
    assert shown(70_010) == 1000, "moved a little: what is there will do until it is read"
    assert cache.refine(reader)
    assert cache.bands(NAMES, 70_010, 71_009, 1000)[NAME].first[0] == 70_010
    cache.extend(200_000)
    cache.bands(NAMES, 70_010, 71_019, 1010)
    cache.serve(reader)
    assert cache.bands(NAMES, 70_010, 71_019, 1010)[NAME].first.size == 1010, "one that has only grown is read at once"
    cache.bands(NAMES, 5, 100, 96)
    cache.serve(reader)
    assert cache.bands(NAMES, 5, 100, 96)[NAME].first.size == 96, "a narrow one is read at once"
    assert not cache.is_rough


def test_a_zoomed_view_of_a_long_session_becomes_sharp_by_itself(synthetic: ModuleType, tmp_path: Path) -> None:
    path = synthetic.write_session(tmp_path / "long.wnt", RunConfig(depth=3), 700)
    with Listener(path) as heard:
        heard.until(lambda: heard.snapshots and heard.snapshots[-1].rows == 700)
        layers = heard.snapshots[-1].layers
        heard.until(lambda: layers.bands(NAMES, 40, 639, 600)[NAME].first.size)
        assert layers.bands(NAMES, 40, 639, 600)[NAME].first.size < 200
        version = heard.snapshots[-1].version
        heard.until(lambda: heard.snapshots[-1].version > version)
        sharp = layers.bands(NAMES, 40, 639, 600)[NAME]
        assert sharp.first.tolist() == list(range(40, 640))


def test_rows_keep_their_order_and_gaps_across_many_appends() -> None:
    rows = GrowingRows()
    for start in range(0, 2000, 7):
        step = np.arange(start, start + 7)
        rows.append(step, {"loss": step / 2.0} if start % 2 == 0 else {"loss": step / 2.0, "late": step * 1.0})
    step, columns = rows.view()
    np.testing.assert_array_equal(step, np.arange(step.size))
    np.testing.assert_array_equal(columns["loss"], step / 2.0)
    assert np.isnan(columns["late"][:7]).all()
    assert columns["late"][7] == 7.0
