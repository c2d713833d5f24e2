"""The user's own data: an ``.npz`` file with the keys x_train, y_train, x_test and y_test.

The file is untrusted: nothing in it is ever unpickled, sizes are compared before anything is unpacked, and whatever is
wrong is said in one sentence.
"""

from __future__ import annotations

import stat
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.dataset import Labels, Source
from engine.errors import DataError
from engine.paths import existing_path, shown_path

KEYS = ("x_train", "y_train", "x_test", "y_test")
MAX_BYTES = 8 * 2**30
"""Largest unpacked size of the four arrays together; a few kilobytes of zip can unpack to terabytes."""
MAX_CLASSES = 10_000
MAX_MODULUS = 1e100
"""Squares and sums of larger numbers would overflow float64."""
MAX_CHANNELS = 4

_DAMAGED = (ValueError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, TypeError, SyntaxError)
"""numpy refuses pickled objects with a ValueError; the others are what damaged or encrypted members raise."""

_FORM = (
    "Write it with numpy.savez(FILE, x_train=…, y_train=…, x_test=…, y_test=…): "
    "images (N, d), (N, height, width) or (N, height, width, channels), labels as integers from 0."
)


def read(path: str | Path) -> Source:
    """All examples of an ``.npz`` file.

    Images of four axes have their channels last; where the last axis is longer than 4 and the second is
    not, the channels are taken to come first, as in torch, and are moved. uint8 are pixels. The number of
    classes is the largest label plus one, and at least 2. Keys other than the four are ignored.

    Returns:
        The examples.

    Raises:
        DataError: The file is missing, not such a file, or holds something that cannot be trained on.
    """
    path = check(path)
    found = _unpack(path)
    x_train, x_test = (_images(found[key], key, path) for key in ("x_train", "x_test"))
    y_train, y_test = (_labels(found[key], key, path) for key in ("y_train", "y_test"))
    if len(x_train) == 0 or x_train.size == 0:
        raise DataError(f"x_train in {path} is empty, shape {x_train.shape}.", "Give at least one image.")
    if x_train.shape[1:] != x_test.shape[1:]:
        raise DataError(
            f"Training images in {path} have shape {x_train.shape[1:]} and test images {x_test.shape[1:]}.",
            "Both need the same shape.",
        )
    for split, images, labels in (("train", x_train, y_train), ("test", x_test, y_test)):
        if len(images) != len(labels):
            raise DataError(
                f"{path} has {len(images)} images in x_{split} and {len(labels)} labels in y_{split}.",
                "Give every image one label.",
            )
    classes = max(2, *(int(labels.max(initial=0)) + 1 for labels in (y_train, y_test)))
    return Source(shown_path(path.name), _channels_last(x_train), y_train, _channels_last(x_test), y_test, classes)


def check(path: str | Path) -> Path:
    """The path of an ``.npz`` file of four small enough arrays, else DataError; nothing is unpacked."""
    path = existing_path(path)
    try:
        kind = path.stat().st_mode
    except FileNotFoundError:
        there = "is a link to nothing" if path.is_symlink() else "does not exist"
        raise DataError(f"{path} {there}.", "Give --data a file that exists.") from None
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    if not stat.S_ISREG(kind):
        raise DataError(f"{path} is not a file.", "Give --data an .npz file.")
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError):  # damaged, or a file of another kind
        raise DataError(f"{path} is not an .npz file.", _FORM) from None
    except OSError as error:
        raise _unreadable(path, error) from None
    missing = [key for key in KEYS if f"{key}.npy" not in sizes]
    if missing:
        raise DataError(f"{path} has no array {missing[0]}.", _FORM)
    total = sum(sizes[f"{key}.npy"] for key in KEYS)
    if total > MAX_BYTES:
        raise DataError(
            f"{path} unpacks to {total / 2**30:.0f} GiB, more than the {MAX_BYTES / 2**30:.0f} GiB allowed.",
            "Keep only the examples that you need in it.",
        )
    return path


def _unreadable(path: Path, error: OSError | ValueError) -> DataError:
    reason = getattr(error, "strerror", "") or error
    return DataError(f"Cannot read {path}: {reason}.", "Give --data a file that you may read.")


def _unpack(path: Path) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    try:
        with np.load(path, allow_pickle=False) as file:
            for key in KEYS:
                found = file[key]
                # numpy hands out a member that is no array as plain bytes.
                if not isinstance(found, np.ndarray):
                    raise TypeError(key)
                arrays[key] = found
    except MemoryError:
        raise DataError(f"{path} does not fit into memory.", "Keep only the examples that you need in it.") from None
    except OSError as error:
        raise _unreadable(path, error) from None
    except _DAMAGED as error:
        key = next(key for key in KEYS if key not in arrays)
        if "allow_pickle" in str(error):
            raise DataError(f"{key} in {path} holds pickled Python objects, which are never read.", _FORM) from None
        raise DataError(f"{key} in {path} is damaged and cannot be read.", "Write the file again.") from None
    return arrays


def _images(array: NDArray[Any], key: str, path: Path) -> NDArray[Any]:
    if array.dtype.kind not in "uif":
        raise DataError(f"{key} in {path} has type {array.dtype}, not numbers.", "Save images as uint8 or float32.")
    if array.ndim < 2 or array.ndim > 4:
        raise DataError(
            f"{key} in {path} has shape {array.shape}.",
            "Images are (N, d), (N, height, width) or (N, height, width, channels).",
        )
    if array.dtype.kind == "f":
        # A long double outside float64's range becomes infinite here, and is then refused like any infinity.
        array = array if array.dtype.itemsize <= 8 else array.astype(np.float64)
        bad = int(np.count_nonzero(~np.isfinite(array)))
        if bad:
            raise DataError(f"{key} in {path} has {bad} NaN or infinite values.", "Remove or replace them.")
        if array.size and float(np.max(np.abs(array))) > MAX_MODULUS:
            raise DataError(f"{key} in {path} has values beyond ±{MAX_MODULUS:g}.", "Scale the images down.")
    return array


def _labels(array: NDArray[Any], key: str, path: Path) -> Labels:
    if array.dtype.kind not in "ui":
        raise DataError(f"{key} in {path} has type {array.dtype}.", "Save labels as integers: y.astype('int64').")
    if array.ndim != 1:
        raise DataError(f"{key} in {path} has shape {array.shape}.", "Labels are one integer an image, shape (N,).")
    if array.size:
        low, high = int(array.min()), int(array.max())
        if low < 0:
            raise DataError(f"{key} in {path} has the negative label {low}.", "Labels count from 0.")
        if high >= MAX_CLASSES:
            raise DataError(
                f"{key} in {path} has the label {high}, but there can be at most {MAX_CLASSES} classes.",
                "Labels count from 0 without gaps.",
            )
    return array.astype(np.int64)


def _channels_last(images: NDArray[Any]) -> NDArray[Any]:
    if images.ndim == 4 and images.shape[3] > MAX_CHANNELS >= images.shape[1]:
        return np.moveaxis(images, 1, 3)
    return images
