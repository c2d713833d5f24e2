"""``docs/extending.md``, applied to a copy of the program: the metric that it adds is everywhere it says."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(
    r"^(?:At the end|In `(?P<into>\w+)`) of `(?P<file>[\w/.]+)`.*?```python\n(?P<code>.*?)```", re.M | re.S
)


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the program with the edits of the document."""
    copy = tmp_path_factory.mktemp("extended")
    for folder in ("engine", "wnt_tui", "tests/closed_form", "tests/training"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "tests/conftest.py", "tests/rounding.py"):
        shutil.copy(ROOT / file, copy / file)
    edits = list(BLOCK.finditer((ROOT / "docs" / "extending.md").read_text(encoding="utf-8")))
    assert len(edits) == 3
    for edit in edits:
        path = copy / edit["file"]
        text = path.read_text(encoding="utf-8")
        if edit["into"]:
            text = re.sub(
                rf"^{edit['into']} = \(\n",
                lambda found, edit=edit: f"{found[0]}{edit['code'].rstrip()},\n",
                text,
                flags=re.M,
            )
        else:
            text += "\n\n" + edit["code"]
        path.write_text(text, encoding="utf-8")
    return copy


def run(copy: Path, *arguments: str) -> str:
    """A Python program in the copy; its output."""
    environment = {**os.environ, "PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_the_new_metric_is_measured_recorded_exported_and_explained_and_stops_a_run(extended: Path) -> None:
    options = ["--width", "12", "--depth", "3", "--examples", "8", "--data", "gaussian", "--device", "cpu"]
    stop = ["--steps", "3", "--break", "stable_rank[3] > 0", "--on-break", "stop"]
    run(extended, "-m", "wnt_tui", "run", "--session", "run.wnt", *options, *stop)
    run(extended, "-m", "wnt_tui", "export", "run.wnt", "--output", "out")
    with (extended / "out" / "layers.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["stable_rank"]]
    assert [row["layer"] for row in rows] == ["1", "2", "3"]  # of step 0, where the breakpoint stopped it
    assert all(1 - 1e-9 <= float(row["stable_rank"]) <= 12 for row in rows)
    assert "Stable rank" in run(extended, "-m", "wnt_tui", "explain", "stable_rank")


def test_the_new_metric_is_held_against_its_oracle(extended: Path) -> None:
    tests = ["tests/closed_form/test_oracles.py", "tests/closed_form/test_every_metric.py"]
    chosen = "stable_rank or brute_force_knows or (gives and tanh-mse)"
    assert "stable_rank" in run(extended, "-m", "pytest", "-v", "-p", "no:cacheprovider", *tests, "-k", chosen)
