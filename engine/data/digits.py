"""scikit-learn's embedded handwritten digits: 1797 images of 8×8, the data set that is always there."""

from __future__ import annotations

import numpy as np

from engine.data.dataset import Source

TEST_IMAGES = 500


def read() -> Source:
    """All digits, scaled from 0 … 16 to 0 … 1, in a fixed split.

    Consecutive images come from one writer, so the split is a fixed permutation (PCG64(0)), the same in
    every run whatever its seed: no training image of one run is a test image of another.

    Returns:
        1297 training and 500 test images, shape (N, 8, 8), float64 in [0, 1].
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.asarray(bunch.images, dtype=np.float64) / 16.0
    labels = np.asarray(bunch.target, dtype=np.int64)
    order = np.random.Generator(np.random.PCG64(0)).permutation(len(labels))
    test, train = order[:TEST_IMAGES], order[TEST_IMAGES:]
    return Source("digits", images[train], labels[train], images[test], labels[test], classes=10)
