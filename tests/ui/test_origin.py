"""A branch whose engine is still starting: its parent's rows are there to be looked at."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from engine.config import RunConfig
from engine.requests import Training
from engine.session.liveness import EngineLock
from wnt_tui.process.engine_process import EngineProcess


async def test_a_branch_shows_its_parents_rows_while_its_engine_starts(
    watching: Callable[..., Any], synthetic: ModuleType, ended: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Path] = []

    def start(request: Training, lock: EngineLock) -> EngineProcess:
        lock.release()
        started.append(session := request.session)
        idle = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
        return EngineProcess(idle, session.with_name(session.name + ".log"))

    monkeypatch.setattr("wnt_tui.process.engine_process.start_engine", start)
    async with watching(ended, size=(160, 48)) as w:
        await w.press("g", "1", "2", "enter", "b", "enter")
        await w.until(lambda: w.app.engines and w.dashboard.snapshot is not None and w.dashboard.path == started[0])
        try:
            assert w.dashboard.snapshot.last_step == 12, "up to where the branch begins"
            assert w.dashboard.cursor.step == 12
            await w.until(lambda: "starting engine" in w.line("#header"))
            await w.press("space")
            assert "still starting" in w.line("#footer")
            await w.press("left")
            assert w.dashboard.cursor.step == 11
            synthetic.write_session(started[0], RunConfig(steps=20), 15)
            await w.until(lambda: w.dashboard.snapshot.last_step == 14)
            await w.until(lambda: "starting engine" not in w.line("#header"))
        finally:
            w.app.engines[0].process.kill()
            w.app.engines[0].process.wait()
