"""Stored cells as values of the type they should have: SQLite checks no types, and files have authors."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.session.schema import LARGEST_STEP
from engine.session.text import plain_text

NumberQuery = Callable[..., NDArray[np.float64]]
"""Reads rows of numbers: cells in a row, statement, its arguments. Shape (cells, rows), NaN for what is no number."""

_NUMBERS = {float, int, type(None)}


def number_matrix(rows: Sequence[Sequence[Any]], columns: int) -> NDArray[np.float64]:
    """Rows as SQLite gave them as shape (columns, rows), NaN for NULL and for whatever is no number."""
    if not rows:
        return np.empty((columns, 0))
    if not set(map(type, chain.from_iterable(rows))) <= _NUMBERS:
        rows = [[cell if type(cell) in _NUMBERS else None for cell in row] for row in rows]
    return np.ascontiguousarray(np.array(rows, dtype=np.float64).reshape(len(rows), columns).T)


def whole_and_ascending(numbers: NDArray[np.float64], *, strictly: bool) -> NDArray[np.bool_]:
    """Which of some numbers, shape (rows,), are steps and in order, as they are in a sound file."""
    with np.errstate(invalid="ignore"):
        sound = (numbers >= 0) & (numbers <= LARGEST_STEP) & (numbers == np.floor(numbers))
    before = np.maximum.accumulate(np.r_[-1.0, np.where(sound, numbers, -1.0)])[:-1]
    return np.asarray(sound & ((numbers > before) if strictly else (numbers >= before)))


def sound_rows(
    matrix: NDArray[np.float64], layers: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Steps (or blocks), layers, (rows,), and values, (values, rows), where both make sense, of a matrix."""
    with np.errstate(invalid="ignore"):
        layered = (matrix[1] >= 0) & (matrix[1] < layers) & (matrix[1] == np.floor(matrix[1]))
    sound = whole_and_ascending(np.where(layered, matrix[0], np.nan), strictly=False)
    matrix = matrix if sound.all() else matrix[:, sound]
    return matrix[0].astype(np.int64), matrix[1].astype(np.int64), matrix[2:]


def real(cell: object) -> float:
    """A cell as a number, NaN if it is none."""
    return float(cell) if isinstance(cell, (int, float)) else math.nan


def real_or_none(cell: object) -> float | None:
    """A cell as a finite number, None if it is none."""
    value = real(cell)
    return value if math.isfinite(value) else None


def whole(cell: object, default: int) -> int:
    """A cell as a whole number that a step or a process can have, or the default."""
    return cell if isinstance(cell, int) and -LARGEST_STEP <= cell <= LARGEST_STEP else default


def whole_or_none(cell: object) -> int | None:
    """A cell as a whole number, None if it is none."""
    return cell if isinstance(cell, int) and -LARGEST_STEP <= cell <= LARGEST_STEP else None


def scalars(cell: object) -> dict[str, float | int | str | bool | None]:
    """The plain entries of a cell that should hold a JSON object, texts made plain; {} if it holds none."""
    if not isinstance(cell, str):
        return {}
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        plain_text(name): plain_text(value) if isinstance(value, str) else value
        for name, value in found.items()
        if value is None or isinstance(value, (bool, int, float, str))
    }
