"""Which examples of a source a run uses (THEORY section 1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TRAIN_STREAM = 1
TEST_STREAM = 2


def choose(available: int, wanted: int, seed: int, stream: int, *, shuffled: bool = False) -> NDArray[np.int64]:
    """Indices of the chosen examples: the first ``wanted`` of numpy's PCG64([seed, stream]).permutation.

    The choice is nested in ``wanted`` (more examples keep the earlier ones, in order) and depends on
    nothing but the seed. Cost O(available).

    Args:
        available: How many examples the source has.
        wanted: How many are asked for, at most as many.
        seed: The run's seed.
        stream: 1 for training examples, 2 for test examples.
        shuffled: The examples are independent draws from this seed already: take the first ones as they are.

    Returns:
        Indices, shape (wanted,).
    """
    if shuffled:
        return np.arange(wanted)
    order = np.random.Generator(np.random.PCG64([seed, stream])).permutation(available)
    return order[:wanted].astype(np.int64, copy=False)
