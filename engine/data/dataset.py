"""The examples of a source (:class:`Source`) and those that a run trains on (:class:`DataSet`)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Source:
    """All the examples that a source has, as they come, before any choice and any preprocessing.

    Attributes:
        name: ``cifar10``, ``digits``, ``gaussian`` or a file's name.
        x_train: Training images, shape (N, ...); with channels (N, height, width, channels). uint8 are
            pixels.
        y_train: Training labels in 0 … classes − 1, shape (N,).
        x_test: Test images, shape (N', ...), same trailing axes.
        y_test: Test labels, shape (N',).
        classes: Number of classes k.
        shuffled: Whether the examples are independent draws already, so that the first n are as good as
            any n.
    """

    name: str
    x_train: NDArray[Any]
    y_train: Labels
    x_test: NDArray[Any]
    y_test: Labels
    classes: int
    shuffled: bool = False


@dataclass(frozen=True, slots=True)
class DataSet:
    """The examples of a run, chosen and prepared: every non-zero row has norm √d.

    Attributes:
        name: Name of the source that was used; ``auto`` is resolved.
        x_train: Prepared training inputs, shape (n, d), float64.
        y_train: Training labels, shape (n,), int64.
        x_test: Prepared test inputs, shape (n_test, d), float64; n_test may be 0.
        y_test: Test labels, shape (n_test,), int64.
        classes: Number of classes k, at least 2.
        image_shape: (height, width, channels) or (height, width) of an image, or None where rows are no
            images.
        fingerprint: SHA-256, in hex, of the chosen images and labels as loaded, *before* preprocessing; see
            :func:`fingerprint_of_raw`.
        notice: Sentences for people, or None.
    """

    name: str
    x_train: Array
    y_train: Labels
    x_test: Array
    y_test: Labels
    classes: int
    image_shape: tuple[int, ...] | None
    fingerprint: str
    notice: str | None = None

    @property
    def inputs(self) -> int:
        """Number of input coordinates d."""
        return int(self.x_train.shape[1])


def fingerprint_of_raw(x_train: NDArray[Any], y_train: Labels, x_test: NDArray[Any], y_test: Labels) -> str:
    """SHA-256 of the chosen arrays, 64 hexadecimal digits: values, types, shapes and order, before preprocessing."""
    # Preprocessing follows from the configuration; hashing before it keeps the fingerprint free of the rounding of one
    # machine, so that the same choice of the same images has the same fingerprint everywhere.
    digest = hashlib.sha256()
    for array in (x_train, y_train, x_test, y_test):
        # Little-endian and C order, whatever the machine and the array's history.
        plain = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{plain.dtype.str}{plain.shape}".encode())
        digest.update(plain.tobytes())
    return digest.hexdigest()
