import threading

import numpy as np

from engine.errors import SessionError
from engine.session.reader import SessionReader
from tests.session.recorded import engine_process, has_rows, is_whole, until


def test_rows_are_whole_and_consecutive_after_kill_9(tmp_path):
    path = tmp_path / "a.wnt"
    for target in (30, 200, 400):  # killed, and gone on with, three times
        with engine_process(path) as engine:
            until(lambda: has_rows(path, target))  # ruff: ignore[function-uses-loop-variable]
            engine.kill()
            engine.wait()
        with SessionReader(path) as reader:
            steps, _ = reader.steps()
            assert steps.tolist() == list(range(steps.size))
            assert all(is_whole(reader, step) for step in range(0, steps.size, 7))
            assert is_whole(reader, reader.last_step())
            assert reader.layers_at(reader.last_step() + 1) == {}
            assert [row.event.step for row in reader.events()] == steps.tolist()


def test_readers_of_a_growing_file_see_only_whole_rows_and_miss_none(tmp_path):
    path = tmp_path / "a.wnt"
    problems = []

    def follow():
        try:
            with SessionReader(path) as reader:
                seen = -1
                while seen < 500:
                    version = reader.data_version()
                    steps, columns = reader.steps(seen)
                    if not steps.size:
                        until(lambda: reader.data_version() != version)  # ruff: ignore[function-uses-loop-variable]
                        continue
                    assert steps.tolist() == list(range(seen + 1, seen + 1 + steps.size))
                    assert (columns["loss"] == steps).all()
                    seen = int(steps[-1])
                    assert is_whole(reader, seen)
                    band = reader.layer_bands(("lambda_min",), 0, seen, 8)["lambda_min"]
                    assert band.first[0] == 0
                    assert band.last[-1] >= seen
                    assert np.array_equal(band.low[:, 0], band.first)
        except (AssertionError, SessionError) as error:
            problems.append(error)

    with engine_process(path):
        until(path.exists)
        threads = [threading.Thread(target=follow) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert not any(thread.is_alive() for thread in threads)
    assert problems == []


def test_log_of_a_live_session_stays_small_under_readers(tmp_path):
    path = tmp_path / "a.wnt"
    with engine_process(path), SessionReader(wait_for(path)) as reader:
        until(lambda: reader.steps()[0].size >= 3000, seconds=120)
        assert (tmp_path / "a.wnt-wal").stat().st_size < 64 * 2**20


def test_one_reader_serves_several_threads(tmp_path):
    path = tmp_path / "a.wnt"
    with engine_process(path, 100) as engine:
        engine.stdout.readline()
        with SessionReader(path) as reader:
            results = []
            threads = [
                threading.Thread(target=lambda: results.append(all(is_whole(reader, k) for k in range(100))))
                for _ in range(4)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert results == [True] * 4


def wait_for(path):
    until(path.exists)
    return path
