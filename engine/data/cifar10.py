"""CIFAR-10 (Krizhevsky, 2009): found on disk, compared with its checksums and read; nothing is downloaded here."""

from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.dataset import Source
from engine.errors import DataError
from engine.paths import existing_path, is_folder, named_path, shell_path

FOLDER = "cifar-10-batches-py"
"""The folder that the official archive unpacks to, and that torchvision reads."""

CHECKSUMS = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
"""MD5 of the official archive's files, which torchvision compares too."""

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
    # Not by torchvision, which reads the same files: its import takes as long as torch's own.
    root = require(data_dir)
    get_it = _way_out(f" --dir {shell_path(root)}")
    try:
        batches = {name: _batch(root / FOLDER / name, checksum) for name, checksum in CHECKSUMS.items()}
    except (FileNotFoundError, ValueError):
        raise DataError(f"CIFAR-10 in {root} is incomplete or damaged.", get_it) from None
    except OSError as error:
        raise DataError(f"Cannot read CIFAR-10 in {root}: {error.strerror or error}.", get_it) from None
    test = [batches.pop("test_batch")]
    (x_train, y_train), (x_test, y_test) = (_arrays(split) for split in (list(batches.values()), test))
    return Source("cifar10", x_train, y_train, x_test, y_test, classes=10)


def _batch(path: Path, checksum: str) -> dict[str, Any]:
    """A file's images and labels; ValueError where it is not the official one, which is then not unpickled."""
    content = path.read_bytes()
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != checksum:
        raise ValueError(f"{path.name} is another file")
    batch: dict[str, Any] = pickle.loads(content, encoding="latin1")
    return batch


def _arrays(batches: list[dict[str, Any]]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images with their channels last, (N, 32, 32, 3), and labels."""
    pixels = np.vstack([batch["data"] for batch in batches]).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return pixels, np.concatenate([batch["labels"] for batch in batches]).astype(np.int64)


def _way_out(where: str) -> str:
    return f"`wnt-tui data download cifar10{where}` gets it; --data digits needs no download."
