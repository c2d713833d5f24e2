"""Sanity checks of data that can be trained on all the same: said in sentences, never refused.

Refusing would keep runs that were recorded on such data from being executed again. What cannot be trained on at all is
refused where it is read (:mod:`engine.data.arrays`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.dataset import Array, Labels, Source
from engine.data.preprocess import unit_pixels

_LISTED = 8
_ANOTHER_SCALE = 10.0
"""Ratio of the largest values of both splits from which they are taken to be scaled in different ways."""

_LARGEST_PIXEL = 255.0


def sanity_checks(
    source: Source, x_train: NDArray[Any], y_train: Labels, x_test: NDArray[Any], y_test: Labels
) -> list[str]:
    """Sentences, usually none, on a source's labels and the chosen raw images (n, ...), in O((n + n_test)·d)."""
    train, test = unit_pixels(x_train), unit_pixels(x_test)
    # A source that is drawn to measure has no more labels than the draw happened to give.
    labels = [] if source.shuffled else _labels(source, y_train, y_test)
    return [*labels, *_scales(x_train, train, x_test, test), *_copies(train, y_train, test)]


def _labels(source: Source, y_train: Labels, y_test: Labels) -> Iterable[str]:
    there = set(np.unique(source.y_train).tolist())
    everywhere = there | set(np.unique(source.y_test).tolist())
    low = min(everywhere)
    if low > 0:
        without = "class 0 has" if low == 1 else f"classes 0 to {low - 1} have"
        yield f"Labels in {source.name} begin at {low}: {without} no image, yet an output. Labels count from 0."
    missing = set(range(low, source.classes)) - there
    if missing and len(there) > 1:
        yield f"No training image in {source.name} has label {_some(missing)}."
    if len(y_train) > 1 and len(set(y_train.tolist())) == 1:
        yield f"All {len(y_train)} training images have label {y_train[0]}."
    unseen = ~np.isin(y_test, y_train)
    if unseen.any() and not set(y_test[unseen].tolist()) <= there:
        unknown = set(y_test[unseen].tolist()) - there
        count = int(np.isin(y_test, list(unknown)).sum())
        yield f"{_images(count, 'test')} a label that no training image has: {_some(unknown)}."


def _scales(x_train: NDArray[Any], train: Array, x_test: NDArray[Any], test: Array) -> Iterable[str]:
    largest, largest_test = (float(np.max(np.abs(images), initial=0.0)) for images in (train, test))
    mixed = bool(test.size) and (x_train.dtype == np.uint8) != (x_test.dtype == np.uint8)
    if mixed:
        first, second = ("x_train", "x_test") if x_train.dtype == np.uint8 else ("x_test", "x_train")
        yield f"{first} holds uint8, which are divided by 255, and {second} does not."
    if min(largest, largest_test) > 0.0 and not 1 / _ANOTHER_SCALE < largest / largest_test < _ANOTHER_SCALE:
        yield (
            f"Training images reach {largest:.4g} and test images {largest_test:.4g}: they are scaled differently, and"
            " are centred alike."
        )
    elif max(largest, largest_test) > _LARGEST_PIXEL:
        yield f"Images reach {max(largest, largest_test):.4g}, more than pixels do; they are taken as they are."


def _copies(train: Array, y_train: Labels, test: Array) -> Iterable[str]:
    labels: dict[bytes, set[int]] = {}
    for row, label in zip(train, y_train.tolist(), strict=True):
        labels.setdefault(_digest(row), set()).add(label)
    copies = len(train) - len(labels)
    if len(labels) == 1 and copies:
        yield f"All {len(train)} training images are the same."
    elif copies:
        yield f"{_images(copies, 'training')} the same pixels as another one: the tangent kernel is singular."
    contradicted = sum(len(found) > 1 for found in labels.values())
    if contradicted:
        yield f"{_images(contradicted, 'training')} copies with another label: no network fits both."
    known = sum(_digest(row) in labels for row in test)
    if known:
        yield f"{_images(known, 'test')} the same pixels as a training image."


def _digest(row: Array) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(row).data, digest_size=16).digest()


def _images(count: int, split: str) -> str:
    return f"1 {split} image has" if count == 1 else f"{count} {split} images have"


def _some(labels: Iterable[int]) -> str:
    ordered = sorted(labels)
    return ", ".join(map(str, ordered[:_LISTED])) + (" …" if len(ordered) > _LISTED else "")
