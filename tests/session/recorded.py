"""Sessions for tests: records whose every number follows from its step, and engines that are real processes."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import numpy as np

from engine.catalogue import LAYER_COLUMNS, STEP_COLUMNS
from engine.config import RunConfig
from engine.record import Event, Spectra, StepRecord
from engine.session.reader import SessionReader
from engine.session.writer import SessionWriter

ROOT = Path(__file__).parents[2]
DEPTH = 3


def value_of(step: int, column: int) -> float:
    return step + column / 1024


def layer_values(step: int, column: int, layers: int = DEPTH + 1) -> np.ndarray:
    return step + column / 1024 + np.arange(layers) / 65536


def spectra_of(step: int) -> Spectra:
    """Whole spectra, at even steps."""
    return {("G", 1): np.arange(3) + step / 8, ("K", None): np.arange(6) - step / 8} if step % 2 == 0 else {}


def record(step: int, *, depth: int = DEPTH, events: Sequence[Event] = ()) -> StepRecord:
    values = {name: value_of(step, column) for column, name in enumerate(STEP_COLUMNS)}
    layers = {name: layer_values(step, column, depth + 1) for column, name in enumerate(LAYER_COLUMNS)}
    return StepRecord(step, values, layers, tuple(events), spectra_of(step))


def write_session(path: Path, steps: Sequence[int] = range(5), *, depth: int = DEPTH) -> Path:
    with SessionWriter.create(path, RunConfig(depth=depth), {"device": "cpu"}) as writer:
        for step in steps:
            writer.put(record(step, depth=depth))
    return path


def is_whole(reader: SessionReader, step: int) -> bool:
    """Whether a step's row, all its layers and its event are there, with the right numbers."""
    steps, columns = reader.steps(step - 1)
    row_right = steps[0] == step and all(
        columns[name][0] == value_of(step, column) for column, name in enumerate(STEP_COLUMNS)
    )
    layers = reader.layers_at(step)
    spectra, expected = reader.spectra_at(step), spectra_of(step)
    spectra_right = spectra.keys() == expected.keys() and all(
        np.array_equal(spectra[matrix], eigenvalues) for matrix, eigenvalues in expected.items()
    )
    return (
        row_right
        and spectra_right
        and all(np.array_equal(layers[name], layer_values(step, column)) for column, name in enumerate(LAYER_COLUMNS))
    )


@contextlib.contextmanager
def tampering(path: Path) -> Generator[sqlite3.Connection]:
    """A connection that writes what no engine writes."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA writable_schema = OFF")
        yield connection
    finally:
        connection.close()


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


ENGINE = """
import itertools, sys
from pathlib import Path
from engine.config import RunConfig
from engine.record import Event
from engine.session.liveness import EngineLock
from engine.session.writer import SessionWriter
from tests.session.recorded import DEPTH, record
path, steps = Path(sys.argv[1]), int(sys.argv[2])
with EngineLock(path):
    make = SessionWriter.open if path.exists() else lambda p: SessionWriter.create(p, RunConfig(depth=DEPTH), {})
    with make(path) as writer:
        writer.set_engine(state="running")
        first = writer.last_step + 1
        for step in itertools.count(first) if steps < 0 else range(first, first + steps):
            writer.put(record(step, events=[Event(step, "notice", f"event of step {step}")]))
            if step % 50 == 0:
                writer.flush()  # a queue that is full counts as a disk that does not keep up
            for command in writer.pending_commands():
                writer.answer(command.id, "done", step, f"{command.name} done")
                if command.name == "stop":
                    sys.exit()
        writer.set_engine(state="finished")
        writer.flush()
        print("ready", flush=True)
        sys.stdin.read()
"""


@contextlib.contextmanager
def child(program: str, *arguments: object, **options: object) -> Generator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        **options,  # type: ignore[call-overload]
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def engine_process(path: Path, steps: int = -1) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
    """An engine; with a number of steps it then waits, finished, until its standard input closes."""
    return child(ENGINE, path, steps)


def has_rows(path: Path, rows: int) -> bool:
    if not path.exists():
        return False
    with SessionReader(path) as reader:
        return reader.steps()[0].size >= rows
