"""CIFAR-10 (Krizhevsky, 2009): found on disk, read and checksummed by torchvision; nothing is downloaded here."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from engine.data.dataset import Source
from engine.data.torchvision_import import torchvision_datasets
from engine.errors import DataError
from engine.paths import existing_path, is_folder, named_path, shell_path

FOLDER = "cifar-10-batches-py"
"""The folder that the official archive unpacks to, and that torchvision reads."""

DATA_DIR_VARIABLE = "WNT_DATA_DIR"


def search_directories(data_dir: str | None) -> list[Path]:
    """The places searched, in order: ``--data-dir``, ``$WNT_DATA_DIR`` if set, ``~/.cache/wnt-tui``, ``./data``."""
    named = [data_dir, os.environ.get(DATA_DIR_VARIABLE)]
    return [*(existing_path(text) for text in named if text), *map(named_path, ("~/.cache/wnt-tui", "data"))]


def download_directory(data_dir: str | None) -> Path:
    """The place of a download: ``--data-dir``, else ``$WNT_DATA_DIR``, else ``~/.cache/wnt-tui``."""
    return search_directories(data_dir)[0]


def find(data_dir: str | None) -> Path | None:
    """The first searched directory that contains CIFAR-10's folder, torchvision's root, or None."""
    return next((place for place in search_directories(data_dir) if is_folder(place / FOLDER)), None)


def require(data_dir: str | None) -> Path:
    """The directory of :func:`find`; DataError where CIFAR-10 is in none."""
    root = find(data_dir)
    if root is None:
        places = ", ".join(map(str, search_directories(data_dir)))
        where = "" if data_dir is None else f" --dir {shell_path(named_path(data_dir))}"
        raise DataError(f"CIFAR-10 is not on disk (looked in {places}).", _way_out(where))
    return root


def read(data_dir: str | None) -> Source:
    """50000 training and 10000 test images, shape (N, 32, 32, 3), uint8; DataError where they cannot be read."""
    # torchvision compares every file with its known MD5 before it unpickles it: one that was changed is refused unread.
    root = require(data_dir)
    get_it = _way_out(f" --dir {shell_path(root)}")
    datasets = torchvision_datasets()
    try:
        train, test = (datasets.CIFAR10(str(root), train=flag, download=False) for flag in (True, False))
    except RuntimeError:
        # What torchvision raises for a missing file and for a wrong checksum alike.
        raise DataError(f"CIFAR-10 in {root} is incomplete or damaged.", get_it) from None
    except OSError as error:
        raise DataError(f"Cannot read CIFAR-10 in {root}: {error.strerror or error}.", get_it) from None
    pixels = [np.asarray(split.data, dtype=np.uint8) for split in (train, test)]
    labels = [np.asarray(split.targets, dtype=np.int64) for split in (train, test)]
    return Source("cifar10", pixels[0], labels[0], pixels[1], labels[1], classes=10)


def _way_out(where: str) -> str:
    return f"`wnt-tui data download cifar10{where}` gets it; --data digits needs no download."
