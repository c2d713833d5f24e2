"""Reducing a layer metric to a few blocks of steps, exactly: the extremes of a block are its steps'."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.session.rows import LayerBlocks

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]


def merge_blocks(
    first: Integers, last: Integers, layer: Integers, low: Reals, high: Reals, *, layers: int, blocks: int
) -> LayerBlocks:
    """Merge rows, each the extremes of one layer over a range of steps, to at most so many blocks.

    Ranges are equal or disjoint. Memory is that of the rows and of the result: rows × layers is never formed.

    Args:
        first: First step of each row's range, shape (rows,), ascending.
        last: Last step of each row's range, shape (rows,).
        layer: Layer of each row, shape (rows,), 0 … layers − 1.
        low: Smallest value of each row, shape (rows,); what is not finite does not count.
        high: Largest value of each row, shape (rows,); what is not finite does not count.
        layers: Number of layers.
        blocks: The most blocks wanted, at least 1.

    Returns:
        The blocks. Where there are at most ``blocks`` ranges each is a block of its own; otherwise the ranges
        are put together by where their middles fall among ``blocks`` equal parts of the steps.
    """
    if first.size == 0:
        none = np.empty((0, layers))
        return LayerBlocks(first, last, none, none.copy())
    starts = np.flatnonzero(np.r_[True, first[1:] != first[:-1]])
    group = np.cumsum(np.r_[True, first[1:] != first[:-1]]) - 1
    if starts.size > blocks:
        middle = (first.astype(np.float64) + last.astype(np.float64)) / 2
        span = float(last[-1]) - float(first[0]) + 1.0
        part = np.minimum(((middle - float(first[0])) * (blocks / span)).astype(np.int64), blocks - 1)
        starts = np.flatnonzero(np.r_[True, part[1:] != part[:-1]])
        group = np.cumsum(np.r_[True, part[1:] != part[:-1]]) - 1
    ends = np.r_[starts[1:], first.size] - 1
    return LayerBlocks(
        first[starts],
        last[ends],
        _reduced(np.minimum, group, layer, low, starts.size, layers),
        _reduced(np.maximum, group, layer, high, starts.size, layers),
    )


def _reduced(reduce: np.ufunc, group: Integers, layer: Integers, values: Reals, groups: int, layers: int) -> Reals:
    nothing = np.inf if reduce is np.minimum else -np.inf
    result = np.full(groups * layers, nothing)
    reduce.at(result, group * layers + layer, np.where(np.isfinite(values), values, nothing))
    result[~np.isfinite(result)] = np.nan
    return result.reshape(groups, layers)
