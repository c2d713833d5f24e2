"""Sessions to look at, an app to look with, and waiting for conditions instead of sleeping."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from engine.config import RunConfig
from tests import synthetic_engine
from wnt_tui.app import WntApp
from wnt_tui.screens.dashboard import Dashboard

ROOT = Path(__file__).parents[2]
PATIENCE = 90.0


@pytest.fixture(autouse=True)
def own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the user's is read or written."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("WNT_SESSIONS", str(tmp_path / "kept"))
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture(scope="session")
def synthetic() -> ModuleType:
    return synthetic_engine


@pytest.fixture
def ended(synthetic: ModuleType, tmp_path: Path) -> Path:
    """81 rows, finished; a learning rate change at step 12, a violation at step 30."""
    return synthetic.write_session(tmp_path / "ended.wnt", RunConfig(), 81)


@pytest.fixture
def died(synthetic: ModuleType, tmp_path: Path) -> Path:
    return synthetic.write_session(tmp_path / "died.wnt", RunConfig(), 38, state="died")


@pytest.fixture
def empty(synthetic: ModuleType, tmp_path: Path) -> Path:
    return synthetic.write_session(
        tmp_path / "empty.wnt", RunConfig(), 0, state="failed", message="CUDA is out of memory."
    )


class LiveEngine:
    """A synthetic engine in its own process."""

    def __init__(self, path: Path, process: subprocess.Popen[str]) -> None:
        self.path = path
        self.process = process

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Callable[..., LiveEngine]]:
    """Starts engines: ``live(rows=38, state="paused", steps=80)``; all are ended with the test."""
    started: list[LiveEngine] = []

    def start(
        rows: int = 38, state: str = "paused", interval: float = 0.02, name: str = "live", steps: int = 80
    ) -> LiveEngine:
        path = tmp_path / f"{name}.wnt"
        process = subprocess.Popen(
            [
                sys.executable,
                synthetic_engine.__file__,
                str(path),
                "--rows",
                str(rows),
                "--state",
                state,
                "--interval",
                str(interval),
                "--config",
                RunConfig(steps=steps).to_json(),
            ],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        )
        started.append(LiveEngine(path, process))
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return started[-1]

    yield start
    for engine in started:
        engine.kill()


class Watching:
    """An app under a pilot."""

    def __init__(self, app: WntApp, pilot: Any) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def dashboard(self) -> Dashboard:
        found = self.app.dashboard
        assert found is not None
        return found

    async def until(self, condition: Callable[[], object], what: str = "") -> None:
        """Let the app run until something holds."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"never: {what or condition}"
            await self.pilot.pause(0.02)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    def line(self, selector: str) -> str:
        """What a one-line widget shows."""
        return self.dashboard.query_one(selector).render().plain

    def panel_texts(self) -> dict[str, str]:
        """What each panel shows inside its border, by its key."""
        panels = self.dashboard.grid.panels
        return {
            widget.panel.key: "\n".join(widget.render_line(row).text for row in range(widget.size.height))
            for widget in panels
        }

    def screen_text(self) -> str:
        """Everything on the screen, as a terminal would show it."""
        # Textual has no public way to what a screen shows, but for a drawing.
        strips = self.app.screen._compositor.render_strips(self.app.size)
        return "\n".join(strip.text for strip in strips)


@pytest.fixture
def watching() -> Callable[..., Any]:
    """``async with watching(path, size=(80, 24)) as w``: an app that has drawn its first snapshot."""

    @asynccontextmanager
    async def watch(*paths: Path, size: tuple[int, int] = (80, 24), **given: Any) -> AsyncGenerator[Watching, None]:
        app = WntApp(paths, **given)
        async with app.run_test(size=size) as pilot:
            watched = Watching(app, pilot)
            if "engine" not in given:
                await watched.until(
                    lambda: app.dashboard is not None and app.dashboard.snapshot is not None, "a snapshot"
                )
                await pilot.pause()
            yield watched

    return watch
