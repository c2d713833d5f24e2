"""CIFAR-10 (Krizhevsky, 2009) from disk, read and checksummed by torchvision; nothing is downloaded here."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.data.dataset import Source
from engine.data.locate import find_cifar10, search_directories
from engine.data.torchvision_import import torchvision_datasets
from engine.errors import DataError
from engine.paths import named_path, shell_path


def _way_out(where: str) -> str:
    """How to get it, into the folder that is searched first."""
    return f"`wnt-tui data download cifar10{where}` gets it; --data digits needs no download."


def folder(data_dir: str | None) -> Path:
    """The folder in which CIFAR-10 lies.

    Args:
        data_dir: The value of ``--data-dir``, or None; see :mod:`engine.data.locate`.

    Returns:
        What torchvision takes for its root.

    Raises:
        DataError: CIFAR-10 is not there.
    """
    root = find_cifar10(data_dir)
    if root is None:
        places = ", ".join(str(place) for place in search_directories(data_dir))
        where = "" if data_dir is None else f" --dir {shell_path(named_path(data_dir))}"
        raise DataError(f"CIFAR-10 is not on disk (looked in {places}).", _way_out(where))
    return root


def read(data_dir: str | None) -> Source:
    """All of CIFAR-10.

    torchvision compares every file with its known MD5 before it unpickles it, so a file that was changed
    on disk is refused unread.

    Args:
        data_dir: The value of ``--data-dir``, or None; see :mod:`engine.data.locate`.

    Returns:
        50000 training and 10000 test images, shape (N, 32, 32, 3), uint8.

    Raises:
        DataError: CIFAR-10 is not there, is damaged, or torchvision cannot be imported.
    """
    root = folder(data_dir)
    get_it = _way_out(f" --dir {shell_path(root)}")
    datasets = torchvision_datasets()
    try:
        train, test = (datasets.CIFAR10(str(root), train=flag, download=False) for flag in (True, False))
    except RuntimeError:
        # What torchvision raises for a missing file and for a wrong checksum alike.
        raise DataError(f"CIFAR-10 in {Path(root)} is incomplete or damaged.", get_it) from None
    except OSError as error:
        raise DataError(f"Cannot read CIFAR-10 in {Path(root)}: {error.strerror or error}.", get_it) from None
    return Source(
        "cifar10",
        np.asarray(train.data, dtype=np.uint8),
        np.asarray(train.targets, dtype=np.int64),
        np.asarray(test.data, dtype=np.uint8),
        np.asarray(test.targets, dtype=np.int64),
        classes=10,
    )
