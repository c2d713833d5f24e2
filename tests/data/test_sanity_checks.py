"""What looks off in data is said; what is as usual is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.config import RunConfig
from engine.data import load

RNG = np.random.default_rng(0)
IMAGES = RNG.random((24, 4, 4)).astype(np.float32)
TEST = RNG.random((12, 4, 4)).astype(np.float32)
LABELS, TEST_LABELS = np.arange(24) % 3, np.arange(12) % 3
PIXELS, TEST_PIXELS = (IMAGES * 255).astype(np.uint8), (TEST * 255).astype(np.uint8)
TWINS = np.concatenate([IMAGES[:12], IMAGES[:12]])


def notice(path: Path, **changes: Any) -> str:
    content = {"x_train": IMAGES, "y_train": LABELS, "x_test": TEST, "y_test": TEST_LABELS} | changes
    np.savez(path, **content)
    return load(RunConfig(data=str(path), examples=24, test_examples=len(content["x_test"]))).notice or ""


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"y_train": LABELS + 1, "y_test": TEST_LABELS + 1}, "begin at 1: class 0 has no image"),
        ({"y_train": LABELS + 4, "y_test": TEST_LABELS + 4}, "classes 0 to 3 have no image"),
        ({"y_train": LABELS * 2, "y_test": TEST_LABELS * 2}, "has label 1, 3"),
        ({"y_train": LABELS * 0 + 1}, "All 24 training images have label 1"),
        ({"y_test": TEST_LABELS + 2}, "8 test images have a label that no training image has: 3, 4"),
        ({"x_train": PIXELS}, "x_train holds uint8, which are divided by 255, and x_test does not."),
        ({"x_test": TEST_PIXELS.astype(np.float32)}, "scaled differently"),
        ({"x_train": PIXELS, "x_test": TEST_PIXELS.astype(int)}, "scaled differently"),
        ({"x_train": IMAGES * 9e3, "x_test": TEST * 9e3}, "more than pixels do"),
        ({"x_train": np.repeat(IMAGES[:1], 24, axis=0)}, "All 24 training images are the same"),
        ({"x_train": np.zeros_like(PIXELS), "x_test": TEST_PIXELS}, "24 training images are zero"),
        ({"x_train": TWINS, "y_train": LABELS}, "12 training images have the same pixels as another one"),
        ({"x_train": TWINS, "y_train": np.arange(24) // 12}, "12 training images have copies with another label"),
        ({"x_test": IMAGES[:5], "y_test": LABELS[:5]}, "5 test images have the same pixels as a training image"),
    ],
)
def test_what_is_unusual_is_said(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    assert sentence in notice(tmp_path / "mine.npz", **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"x_train": PIXELS, "x_test": TEST_PIXELS},
        {"x_train": PIXELS.astype(np.float32), "x_test": TEST_PIXELS.astype(np.float32)},
        {"x_train": IMAGES - 0.5, "x_test": TEST - 0.5},
        {"x_test": TEST[:0], "y_test": TEST_LABELS[:0]},
        {"y_test": TEST_LABELS * 0},
    ],
)
def test_usual_data_are_not_remarked_on(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert notice(tmp_path / "mine.npz", **changes) == ""


@pytest.mark.parametrize(("source", "examples"), [("digits", 1297), ("gaussian", 300)])
def test_nothing_is_off_in_the_data_that_are_always_here(source: str, examples: int) -> None:
    assert load(RunConfig(data=source, examples=examples, test_examples=300)).notice is None
    assert load(RunConfig(data=source, examples=1, test_examples=0)).notice is None
