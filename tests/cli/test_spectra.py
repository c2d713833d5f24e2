"""``wnt-tui spectra``: asking an engine for whole spectra, and printing what is stored."""

import json
import math
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.config import RunConfig
from engine.record import StepRecord
from engine.session.reader import SessionReader
from engine.session.writer import SessionWriter

Run = Callable[..., subprocess.CompletedProcess[str]]

KERNEL = np.array([-1e-9, 1.0, 10.0, 100.0, math.inf])


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "stored.wnt"
    with SessionWriter.create(path, RunConfig(depth=2), {}) as writer:
        for step in range(4):
            spectra = {("G", 1): np.geomspace(1e-3, 1.0, 101) * (1 + step), ("K", None): KERNEL}
            writer.put(StepRecord(step, {"loss": 1.0}, {}, spectra=spectra if step in {1, 3} else {}))
    return path


def test_the_newest_are_printed_or_those_at_or_before_a_step(wnt: Run, stored: Path) -> None:
    done = wnt("spectra", str(stored))
    assert done.returncode == 0, done.stderr
    title, header, gram, kernel = done.stdout.splitlines()
    assert title == "Eigenvalues at step 3:"
    assert header.split() == ["matrix", "layer", "order", "min", "5", "%", "median", "95", "%", "max"]
    assert gram.split()[:3] == ["G", "1", "101"]
    expected = np.quantile(np.geomspace(1e-3, 1.0, 101) * 4, [0.0, 0.05, 0.5, 0.95, 1.0])
    np.testing.assert_allclose([float(cell) for cell in gram.split()[3:]], expected, rtol=1e-3)
    assert kernel.split()[:2] == ["K", "5"]
    assert "at step 1:" in wnt("spectra", str(stored), "--step", "2").stdout


def test_json_has_every_eigenvalue(wnt: Run, stored: Path) -> None:
    found = json.loads(wnt("spectra", str(stored), "--json", "--step", "1").stdout)
    assert (found["answer"], found["step"]) == (None, 1)
    gram, kernel = found["spectra"]
    assert (gram["name"], gram["layer"], gram["order"], gram["min"]) == ("G", 1, 101, 2e-3)
    assert gram["eigenvalues"] == (np.geomspace(1e-3, 1.0, 101) * 2).tolist()
    assert (kernel["name"], kernel["layer"], kernel["max"], kernel["q50"]) == ("K", None, None, None)
    assert kernel["eigenvalues"] == [-1e-9, 1.0, 10.0, 100.0, None]


def test_a_plot_shows_the_positive_ones_on_a_log_axis(wnt: Run, stored: Path) -> None:
    done = wnt("spectra", str(stored), "--plot")
    assert done.returncode == 0, done.stderr
    assert "G of layer 1: log₁₀ of 101 eigenvalues" in done.stdout
    assert "K: log₁₀ of 3 eigenvalues, 2 not positive" in done.stdout


@pytest.mark.parametrize(
    ("changes", "arguments", "way_out"),
    [
        ({"measure": "none"}, [], "--step K --measure core` measures from a step on"),
        ({}, [], "--steps N` goes on and records them at the last row"),
    ],
)
def test_a_session_without_any_is_refused_with_a_way_out(wnt: Run, tmp_path: Path, changes, arguments, way_out) -> None:
    with SessionWriter.create(tmp_path / "a.wnt", RunConfig(**changes), {}) as writer:
        writer.put(StepRecord(0, {"loss": 1.0}, {}))
    done = wnt("spectra", "a.wnt", *arguments)
    assert done.returncode == 1
    assert "a has no whole spectra." in done.stderr
    assert way_out in done.stderr


def test_a_step_before_the_first_of_them_is_refused(wnt: Run, stored: Path) -> None:
    done = wnt("spectra", str(stored), "--step", "0")
    assert done.returncode == 1
    assert "no whole spectra at or before step 0" in done.stderr
    assert "It has them at step 1, 3." in done.stderr


def test_a_paused_engine_is_asked_and_records_them_when_it_goes_on(wnt: Run, live: Path) -> None:
    asked = wnt("spectra", str(live))
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout == "whole spectra are recorded at step 4\n"
    assert wnt("step", str(live)).returncode == 0
    printed = wnt("spectra", str(live), "--step", "9")
    assert "Eigenvalues at step 4:" in printed.stdout


def test_a_running_engine_has_recorded_them_when_the_command_ends(wnt: Run, live: Path) -> None:
    assert wnt("resume", str(live)).returncode == 0
    found = json.loads(wnt("spectra", str(live), "--json").stdout)
    assert found["answer"]["state"] == "done"
    assert found["step"] > 4
    assert [matrix["order"] for matrix in found["spectra"]] == [50, 100]
    with SessionReader(live) as reader:
        assert reader.spectra_steps() == (found["step"],)
