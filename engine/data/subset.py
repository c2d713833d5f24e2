"""Which examples of a source a run uses (THEORY section 1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.errors import DataError

TRAIN_STREAM = 1
TEST_STREAM = 2


def choose(
    available: int, wanted: int, seed: int, stream: int, *, shuffled: bool = False, flag: str, what: str
) -> NDArray[np.int64]:
    """Indices of the chosen examples: the first ``wanted`` of numpy's PCG64([seed, stream]).permutation.

    The choice is nested in ``wanted`` (more examples keep the earlier ones, in order) and depends on
    nothing but the seed. Cost O(available).

    Args:
        available: How many examples the source has.
        wanted: How many are asked for.
        seed: The run's seed.
        stream: 1 for training examples, 2 for test examples.
        shuffled: The examples are independent draws from this seed already: take the first ones as they are.
        flag: The option that asks, for the error.
        what: What there is, for the error.

    Returns:
        Indices, shape (wanted,).

    Raises:
        DataError: More are asked for than there are.
    """
    if wanted > available:
        raise DataError(f"{flag} is {wanted}, but {what}.", f"Give {flag} {available} or less.")
    if shuffled:
        return np.arange(wanted)
    order = np.random.Generator(np.random.PCG64([seed, stream])).permutation(available)
    return order[:wanted].astype(np.int64, copy=False)
