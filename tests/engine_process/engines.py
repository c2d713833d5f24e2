"""Real engines as processes, and waiting for what they do."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine import RunConfig, signals
from engine.__main__ import main as engine_main
from engine.requests import Branch, Request, Resume, Run
from engine.session.commands import send, wait
from engine.session.liveness import viewer_mark
from engine.session.reader import SessionReader
from engine.session.rows import Command, EngineRow

SMALL = {"width": 16, "depth": 3, "examples": 12, "data": "gaussian", "device": "cpu", "steps": 5, "measure": "core"}
PATIENCE = 60.0
ENDLESS = 10_000_000

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["pytest", "engine.__main__", "engine.runner.run", "engine.runner.progress", "engine.data.gaussian"]
)
_LOGS = tempfile.TemporaryDirectory(prefix="wnt-engines-")


def run_request(path: Path, **changes: Any) -> Run:
    return Run(session=path, config=RunConfig(**(SMALL | changes)))


def resume_request(path: Path, steps: int | None = None) -> Resume:
    return Resume(session=path, steps=steps)


def branch_request(parent: Path, step: int, path: Path, **changes: Any) -> Branch:
    return Branch(session=path, parent=parent, step=step, changes=changes)


class EngineProcess:
    """``python -m engine …``, forked from a process that has imported torch, which takes seconds, and done no more.

    A process like any other, with its own files, locks and signals, that can be killed at any moment. It is used like
    a subprocess.Popen; what it prints goes into a file.
    """

    def __init__(self, request: Request) -> None:
        handle, log = tempfile.mkstemp(dir=_LOGS.name)
        os.close(handle)
        self._log = Path(log)
        given = (request.to_json(), dict(os.environ), str(Path.cwd()), log)
        self._process = _FORKS.Process(target=_be_engine, args=given)
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def wait(self, timeout: float | None = PATIENCE) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("engine", timeout or 0.0)
        return self._process.exitcode

    def printed(self) -> str:
        """All that it has printed."""
        return self._log.read_text(encoding="utf-8")


def _be_engine(request: str, environment: dict[str, str], folder: str, log: str) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    output = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.exit(engine_main([request]))


def engine_run(request: Request) -> subprocess.CompletedProcess[str]:
    """``python -m engine …`` without a process of its own, which would spend seconds on importing torch."""
    handlers = {number: signal.getsignal(number) for number in (*signals.ENDING, signals.CHECKPOINT)}
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = engine_main([request.to_json()])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return subprocess.CompletedProcess([], code, out.getvalue(), err.getvalue())


def recorded(path: Path, **changes: Any) -> None:
    done = engine_run(run_request(path, **changes))
    assert done.returncode == 0, done.stderr


@contextmanager
def engine_live(request: Run | Resume, viewer: Path | None = None) -> Generator[EngineProcess]:
    """An engine that waits for viewers, killed at the end; with a viewer's mark it waits when it is done."""
    process = EngineProcess(replace(request, live=True))
    path = request.session
    try:
        until(lambda: (path.exists() and state(path).alive) or process.poll() is not None)
        if viewer is None:
            yield process
        else:
            with viewer_mark(viewer):
                yield process
    finally:
        process.kill()
        process.wait()


def until(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise AssertionError("it did not happen in time")
        time.sleep(0.01)
    return result


def state(path: Path) -> EngineRow:
    with SessionReader(path) as reader:
        return reader.engine()


def ask(path: Path, name: str, **arguments: Any) -> Command:
    return wait(path, send(path, name, arguments, "a test"), timeout=PATIENCE)


def events(path: Path, kind: str) -> list[str]:
    with SessionReader(path) as reader:
        return [row.event.message for row in reader.events() if row.event.kind == kind]


def table(path: Path, first: int = 0) -> tuple[Any, ...]:
    """All rows from a step on, without the clocks, to compare as a whole."""
    with SessionReader(path) as reader:
        steps, columns = reader.steps(first - 1)
        clocks = {"time", "step_seconds", "measure_seconds", "layers_seconds", "curvature_seconds", "kernel_seconds"}
        layers = reader.layers(first, 2**31)
        return (
            steps.tolist(),
            {name: list(map(repr, column.tolist())) for name, column in columns.items() if name not in clocks},
            {name: list(map(repr, column.tolist())) for name, column in layers.columns.items()},
        )
