"""Bits are promised for one number of threads: it is recorded, taken again, and named where it cannot be."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from engine.device.threads import Threads, recorded_threads, threads, use_threads
from engine.errors import SessionError
from engine.history.reexecution import prepare
from engine.history.verify import verify
from engine.requests import Resume
from engine.runner.run import train
from engine.session.reader import SessionReader
from engine.session.recorded import RecordedRun
from engine.training.provenance import SURROUNDINGS, differing, unrecorded
from tests.history.recording import record_run, small

ONE, TWO, APART = Threads(1, 1), Threads(2, 2), Threads(2, 1)


@pytest.fixture(autouse=True)
def _own_threads() -> Iterator[None]:
    before = threads()
    yield
    use_threads(before)


def meta_of(path: Path) -> dict[str, str]:
    with SessionReader(path) as reader:
        return dict(reader.meta())


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


@pytest.mark.parametrize(("then", "now"), [(ONE, TWO), (TWO, ONE), (APART, ONE)], ids=str)
def test_a_run_is_executed_again_on_the_threads_it_was_recorded_with(tmp_path, then, now):
    assert use_threads(then)
    record_run(tmp_path / "run.wnt", small(steps=1))
    assert recorded_threads(meta_of(tmp_path / "run.wnt")) == then
    assert use_threads(now)
    verdict = verify(tmp_path / "run.wnt")
    assert threads() == then
    assert verdict.identical
    assert verdict.elsewhere == ""
    assert f"Run again with {then}, as recorded; by itself it would be {now} here." in verdict.sentences()


def test_threads_that_cannot_be_had_are_named_and_a_run_does_not_go_on_without_them(tmp_path):
    path = tmp_path / "run.wnt"
    record_run(path, small(steps=3))
    change(path, "UPDATE meta SET value = '5000' WHERE key = 'threads'")
    now = threads()
    assert f"recorded with 5000 threads, {now.blas} in numpy's BLAS, run again with {now}" in verify(path).elsewhere
    with pytest.raises(SessionError, match="was recorded with 5000 threads") as refused:
        train(Resume(session=path, steps=6))
    assert "wnt-tui branch" in str(refused.value.hint)


def test_what_an_older_session_does_not_say_is_named_where_bits_differ(tmp_path):
    path = tmp_path / "run.wnt"
    record_run(path, small(steps=3))
    change(path, "DELETE FROM meta WHERE key IN ('blas_threads', 'processor')")
    assert recorded_threads(meta_of(path)) == Threads(threads().torch, None)
    change(path, "UPDATE steps SET pl = 2 * pl WHERE step = 2")
    text = " ".join(verify(path).sentences())
    assert "Not recorded, so that it may have been otherwise: threads of numpy's BLAS, processor." in text


def test_a_session_that_says_nothing_of_threads_takes_those_that_there_are(tmp_path):
    path = tmp_path / "run.wnt"
    record_run(path, small(steps=3))
    change(path, "DELETE FROM meta WHERE key LIKE '%threads'")
    before = threads()
    with SessionReader(path) as reader:
        prepare(RecordedRun(reader))
    assert threads() == before
    assert verify(path).identical


def test_every_part_of_the_surroundings_is_recorded_and_told_where_it_differs(tmp_path):
    path = tmp_path / "run.wnt"
    record_run(path, small(steps=1))
    meta = meta_of(path)
    assert unrecorded(meta) == ""
    assert differing(meta, meta) == ""
    for key, name in SURROUNDINGS.items():
        assert differing(meta | {key: "something else"}, meta) == f"{name} something else then, " + (
            f"{meta[key].partition(' · ')[0]} now"
        )
