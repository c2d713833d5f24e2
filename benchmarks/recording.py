"""What recording costs the engine: handing rows to the writer at ten a second, on this disk and on one that stalls.

``python -m benchmarks.recording``. The engine's thread only puts a row into a queue; what is timed is that, and the
processor time of the thread that writes beside it.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from engine.__main__ import SWITCH_SECONDS
from engine.catalogue import LAYER_COLUMNS, STEP_COLUMNS
from engine.config import RunConfig
from engine.record import StepRecord
from engine.session.reader import SessionReader
from engine.session.writer import SessionWriter


def records(count: int, layers: int) -> list[StepRecord]:
    """Rows that hold every metric of the catalogue."""
    rng = np.random.default_rng(0)
    return [
        StepRecord(
            step,
            dict(zip(STEP_COLUMNS, rng.random(len(STEP_COLUMNS)).tolist(), strict=True)),
            {name: rng.random(layers + 1) for name in LAYER_COLUMNS},
        )
        for step in range(count)
    ]


def stall(path: Path, stop: threading.Event) -> None:
    """Hold the database's write lock for 200 ms, twice a second: to the writer, a disk that hangs."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    while not stop.wait(0.3):
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(0.2)
        connection.execute("ROLLBACK")
    connection.close()


def main() -> None:
    """Record and print quantiles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=100.0, help="rows a second")
    parser.add_argument("--depth", type=int, default=9)
    arguments = parser.parse_args()
    sys.setswitchinterval(SWITCH_SECONDS)  # as the engine process sets it
    made = records(arguments.steps, arguments.depth)
    config = RunConfig(depth=arguments.depth, steps=arguments.steps)
    for stalling in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "run.wnt"
            stop, times = threading.Event(), []
            with SessionWriter.create(path, config, {}) as writer:
                helper = threading.Thread(target=stall, args=(path, stop))
                if stalling:
                    helper.start()
                cpu = time.process_time()
                for record in made:
                    began = time.perf_counter()
                    writer.put(record)
                    times.append(time.perf_counter() - began)
                    time.sleep(1.0 / arguments.rate)
                cpu = time.process_time() - cpu
                stop.set()
                if stalling:
                    helper.join()
            with SessionReader(path) as reader:
                kept = reader.last_step() + 1
        q50, q999, most = np.quantile(times, [0.5, 0.999, 1.0]) * 1e3
        print(
            f"{'stalling disk' if stalling else 'this disk':14s} put: median {q50:.3f} ms, p99.9 {q999:.3f} ms, "
            f"most {most:.3f} ms; {1e3 * cpu / len(made):.2f} ms of processor time a row "
            f"({cpu / len(made) * 10:.2%} of a core at 10 rows a second); {kept} of {len(made)} rows recorded"
        )


if __name__ == "__main__":
    main()
