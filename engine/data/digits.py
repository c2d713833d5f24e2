"""scikit-learn's embedded handwritten digits: 1797 images of 8×8, the data set that is always there."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.data.dataset import Source

TEST_IMAGES = 500


def read() -> Source:
    """All digits, scaled from 0 … 16 to 0 … 1, in a fixed split.

    Consecutive images come from one writer, so the split is a fixed permutation (PCG64(0)), the same in
    every run whatever its seed: no training image of one run is a test image of another.

    Returns:
        1297 training and 500 test images, shape (N, 8, 8), float64 in [0, 1].
    """
    table = _table()
    images, labels = table[:, :-1].reshape(-1, 8, 8) / 16.0, table[:, -1].astype(np.int64)
    order = np.random.Generator(np.random.PCG64(0)).permutation(len(labels))
    test, train = order[:TEST_IMAGES], order[TEST_IMAGES:]
    return Source("digits", images[train], labels[train], images[test], labels[test], classes=10)


def _table() -> NDArray[np.float64]:
    """A row an image, 64 grey levels and its label, (1797, 65)."""
    # From scikit-learn's own file where it lies as it always has: importing all of it takes a second.
    found = importlib.util.find_spec("sklearn")
    for place in (found and found.submodule_search_locations) or ():
        path = Path(place) / "datasets" / "data" / "digits.csv.gz"
        if path.is_file():
            return np.loadtxt(path, delimiter=",", dtype=np.float64)
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return np.column_stack([images, labels])
