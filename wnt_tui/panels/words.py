"""Small pieces of wording that several panels share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def layer_ranges(chosen: NDArray[np.bool_]) -> str:
    """Which layers are meant, shortly: ``layer 3``, ``layers 0–4, 7``.

    Args:
        chosen: One truth value a layer.

    Returns:
        The words; empty if there are none.
    """
    numbers = np.flatnonzero(chosen)
    if not numbers.size:
        return ""
    breaks = np.flatnonzero(np.diff(numbers) > 1)
    firsts = numbers[np.r_[0, breaks + 1]]
    lasts = numbers[np.r_[breaks, numbers.size - 1]]
    pieces = [str(first) if first == last else f"{first}–{last}" for first, last in zip(firsts, lasts, strict=True)]
    return ("layer " if numbers.size == 1 else "layers ") + ", ".join(pieces)
