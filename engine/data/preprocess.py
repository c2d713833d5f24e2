"""Preparing images: pixels/255, centring per channel, rows on the sphere of radius √d.

Everything is computed in float64; the trainer casts to its own precision.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Prepared(NamedTuple):
    """Inputs as the network sees them, (n, d) and (n_test, d), and sentences about rows that are not on the sphere."""

    x_train: Array
    x_test: Array
    notices: list[str]


def prepare(x_train: NDArray[Any], x_test: NDArray[Any], *, center: bool) -> Prepared:
    """Images (n, ...), n ≥ 1, with any channels on the fourth axis, as rows of norm √d, in O(n·d).

    uint8 pixels are divided by 255. With ``center`` the mean and standard deviation of the chosen training images
    (population standard deviation over images and pixels), one of each per channel, or a single one where there are no
    channels, are taken from training *and* test images. A channel that is constant over the training images has no
    scale: it is divided by 1. Then every row is scaled to norm √d, which gives unit-variance pre-activations under
    fan-in initialisation; the paper's "‖x_i‖ = √m, m the width of the first layer" is read so. A row of zeros has no
    direction: it stays zero, and a notice says so.

    Returns:
        The prepared rows.
    """
    train, test = unit_pixels(x_train), unit_pixels(x_test)
    if center:
        axes = (0, 1, 2) if train.ndim == 4 else tuple(range(train.ndim))
        mean, scale = _mean_and_scale(train, axes)
        train, test = (train - mean) / scale, (test - mean) / scale
    inputs = int(np.prod(train.shape[1:]))
    train, test = train.reshape(len(train), inputs), test.reshape(len(test), inputs)
    train, zero_train = on_sphere(train)
    test, zero_test = on_sphere(test)
    notices = []
    for count, which in ((zero_train, "training"), (zero_test, "test")):
        if count:
            subject = f"{count} {which} images are" if count > 1 else f"1 {which} image is"
            notices.append(f"{subject} zero after preprocessing and cannot be scaled to norm √d.")
    return Prepared(train, test, notices)


def on_sphere(rows: Array) -> tuple[Array, int]:
    """Rows (n, d) scaled to norm √d, and how many were zero, which stay zero."""
    # The largest entry is divided out first, so that no square over- or underflows.
    peak = np.max(np.abs(rows), axis=1, keepdims=True, initial=0.0)
    zero = ~(peak > 0.0)
    scaled = rows / np.where(zero, 1.0, peak)
    norm = np.sqrt(np.sum(scaled * scaled, axis=1, keepdims=True))
    return scaled * (np.sqrt(rows.shape[1]) / np.where(zero, 1.0, norm)), int(np.count_nonzero(zero))


def unit_pixels(images: NDArray[Any]) -> Array:
    """Images in float64; uint8 are pixels and are divided by 255, everything else is taken as it is."""
    values = images.astype(np.float64)
    return values / 255.0 if images.dtype == np.uint8 else values


def _mean_and_scale(train: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    # (The value, 1) where all values are the same.
    low = np.min(train, axis=axes, keepdims=True)
    # Compared exactly: the computed deviation of equal numbers can be 1e-17 and would blow rounding up to 1.
    constant = low == np.max(train, axis=axes, keepdims=True)
    mean = np.where(constant, low, np.mean(train, axis=axes, keepdims=True))
    scale = np.where(constant, 1.0, np.std(train, axis=axes, keepdims=True))
    return mean, np.where(scale > 0.0, scale, 1.0)
