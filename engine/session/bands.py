"""Reducing layer metrics to a few blocks of steps, exactly: the extremes of a block are its steps'."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.session.rows import LayerBlocks

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]


class Extremes(NamedTuple):
    """Extremes of layer metrics over ranges of steps, which are equal or disjoint; a row a range and layer.

    Attributes:
        first: First step of each row's range, shape (rows,), ascending.
        last: Last step of each row's range, shape (rows,).
        layer: Layer of each row, shape (rows,).
        low: Smallest values, shape (metrics, rows); what is not finite does not count.
        high: Largest values, same shape.
    """

    first: Integers
    last: Integers
    layer: Integers
    low: Reals
    high: Reals

    def within(self, begin: int, end: int) -> Extremes:
        """The rows whose ranges begin at begin … end − 1."""
        part = slice(*np.searchsorted(self.first, (begin, end)).tolist())
        return Extremes(self.first[part], self.last[part], self.layer[part], self.low[:, part], self.high[:, part])


def joined(parts: Sequence[Extremes]) -> Extremes:
    """The rows of several windows of steps, one after the other."""
    return Extremes(*(np.concatenate(columns, axis=-1) for columns in zip(*parts, strict=True)))


def layer_blocks(found: Extremes, names: Sequence[str], *, layers: int, blocks: int) -> dict[str, LayerBlocks]:
    """Reduce rows to at most so many blocks of steps.

    Memory is that of the rows and of the result: rows × layers is never formed.

    Args:
        found: The rows.
        names: Their metrics.
        layers: Number of layers.
        blocks: The most blocks wanted, at least 1.

    Returns:
        The blocks by metric. Where there are at most ``blocks`` ranges each is a block of its own; otherwise the ranges
        are put together by where their middles fall among ``blocks`` equal parts of the steps.
    """
    first, last = found.first, found.last
    part = first
    if np.unique(first).size > blocks:
        middle = (first.astype(np.float64) + last.astype(np.float64)) / 2
        span = float(last[-1]) - float(first[0]) + 1.0
        part = np.minimum(((middle - float(first[0])) * (blocks / span)).astype(np.int64), blocks - 1)
    begins = np.ones(part.size, bool)
    begins[1:] = part[1:] != part[:-1]
    starts, group = np.flatnonzero(begins), np.cumsum(begins) - 1
    ends = np.r_[starts[1:], part.size][: starts.size] - 1
    place = group * layers + found.layer
    return {
        name: LayerBlocks(
            first[starts],
            last[ends],
            _reduced(np.minimum, np.inf, place, low, starts.size, layers),
            _reduced(np.maximum, -np.inf, place, high, starts.size, layers),
        )
        for name, low, high in zip(names, found.low, found.high, strict=True)
    }


def _reduced(reduce: np.ufunc, nothing: float, place: Integers, values: Reals, groups: int, layers: int) -> Reals:
    result = np.full(groups * layers, nothing)
    reduce.at(result, place, np.where(np.isfinite(values), values, nothing))
    result[~np.isfinite(result)] = np.nan
    return result.reshape(groups, layers)
