"""Where CIFAR-10 is looked for on disk, and where it is downloaded to."""

from __future__ import annotations

import os
from pathlib import Path

from engine.paths import existing_path, is_folder, named_path, shown_path

CIFAR10_FOLDER = "cifar-10-batches-py"
"""The folder that the official archive unpacks to, and that torchvision reads."""

DATA_DIR_VARIABLE = "WNT_DATA_DIR"


def search_directories(data_dir: str | None) -> list[Path]:
    """The places that are searched, first to last.

    Args:
        data_dir: The value of ``--data-dir``, or None.

    Returns:
        ``--data-dir``, ``$WNT_DATA_DIR``, ``~/.cache/wnt-tui`` and ``./data``, those that are set.
    """
    named = [data_dir, os.environ.get(DATA_DIR_VARIABLE)]
    return [*(existing_path(text) for text in named if text), *map(named_path, ("~/.cache/wnt-tui", "data"))]


def find_cifar10(data_dir: str | None) -> Path | None:
    """The first searched directory that contains CIFAR-10's folder.

    Args:
        data_dir: The value of ``--data-dir``, or None.

    Returns:
        The directory to give to torchvision as its root, or None.
    """
    for directory in search_directories(data_dir):
        if is_folder(directory / CIFAR10_FOLDER):
            return directory
    return None


def download_directory(data_dir: str | None) -> Path:
    """Where a download goes: the first place that the search would look in and that is set.

    Args:
        data_dir: The value of ``--data-dir``, or None.

    Returns:
        ``--data-dir``, else ``$WNT_DATA_DIR``, else ``~/.cache/wnt-tui``.
    """
    return search_directories(data_dir)[0]


def inventory(data_dir: str | None) -> dict[str, str]:
    """What ``--data`` takes, and what of it is here.

    Args:
        data_dir: The value of ``--data-dir``, or None.

    Returns:
        A sentence by source.
    """
    found = find_cifar10(data_dir)
    cifar10 = (
        f"on disk in {shown_path(found)}" if found else "not on disk; `wnt-tui data download cifar10` gets it (170 MB)"
    )
    return {
        "auto": "cifar10 if it is on disk, else digits",
        "cifar10": f"60,000 colour images of 32×32 in 10 classes: {cifar10}",
        "digits": "1,797 grey images of 8×8 in 10 classes: always here",
        "gaussian": "Gaussian inputs labelled by a random linear teacher: always here",
        "FILE.npz": "your own x_train, y_train, x_test, y_test",
    }
