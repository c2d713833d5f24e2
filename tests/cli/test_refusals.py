"""What cannot be is refused at once, in the same words with and without a screen, which is never taken."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.device.name import device_number
from engine.errors import DeviceError

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def wrong(tmp_path: Path) -> dict[str, list[str]]:
    """Command lines, by what is wrong with them."""
    (tmp_path / "broken.npz").write_bytes(b"PK no archive")
    np.savez(tmp_path / "short.npz", x_train=np.zeros((3, 4)))
    (tmp_path / "bad.toml").write_text("width = [")
    (tmp_path / "odd.toml").write_text("widht = 3")
    return {
        "no such file": ["--data", str(tmp_path / "nope.npz")],
        "no archive": ["--data", str(tmp_path / "broken.npz")],
        "arrays missing": ["--data", str(tmp_path / "short.npz")],
        "a folder as data": ["--data", str(tmp_path)],
        "unknown data": ["--data", "mnist"],
        "too many examples": ["--data", "digits", "--examples", "1298"],
        "too many test examples": ["--data", "digits", "--test-examples", "501"],
        "no data folder": ["--data-dir", str(tmp_path / "nope")],
        "no session folder": ["--session", str(tmp_path / "nope" / "a.wnt")],
        "unknown device": ["--device", "tpu"],
        "no TOML": ["--config", str(tmp_path / "bad.toml")],
        "unknown option": ["--config", str(tmp_path / "odd.toml")],
        "no such TOML": ["--config", str(tmp_path / "nope.toml")],
    }


WRONG = ["no such file", "no archive", "arrays missing", "a folder as data", "unknown data", "too many examples",
         "too many test examples", "no data folder",
         "no session folder", "unknown device", "no TOML", "unknown option", "no such TOML"]  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_is_refused_before_the_screen_is_taken(
    wnt: Run, terminal: Callable[..., Any], wrong: dict[str, list[str]], what: str
) -> None:
    opened = terminal(*wrong[what], size=(200, 40), NO_COLOR="1")
    code = opened.ends()
    assert code in {1, 2}
    assert "\x1b[?1049h" not in opened.output
    headless = wnt("run", *wrong[what], NO_COLOR="1")
    assert headless.returncode == code
    assert headless.stderr.split() == opened.output.split()


@pytest.mark.parametrize("name", ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:²"])
def test_a_device_has_one_of_four_names(name: str) -> None:
    with pytest.raises(DeviceError, match="not known"):
        device_number(name)
