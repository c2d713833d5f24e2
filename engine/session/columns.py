"""Columns that a file may lack: a session of an older catalogue has fewer metrics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def present(columns: Sequence[str], names: Iterable[str]) -> tuple[str, ...]:
    """Those of some names that a table has.

    Args:
        columns: Columns of the table.
        names: Names wanted.

    Returns:
        Names that are columns, in the order wanted.
    """
    return tuple(name for name in names if name in columns)


def in_place(names: Sequence[str], there: Sequence[str], matrix: Array) -> Array:
    """Values of the columns that there are, in the places of those that were wanted.

    Args:
        names: Names wanted.
        there: Those of them that were read, in the same order.
        matrix: What was read, shape (there, rows).

    Returns:
        Shape (names, rows), NaN for what is not there.
    """
    if tuple(names) == tuple(there):
        return matrix
    out = np.full((len(names), matrix.shape[1]), np.nan)
    for name, values in zip(there, matrix, strict=True):
        out[names.index(name)] = values
    return out
