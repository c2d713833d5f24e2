"""Whether a condition holds for a row.

Numbers of a row are scalars, or vectors over layers where a metric is taken at ``any`` or ``all`` of them; NaN is
"not computed". A condition is decided by the layers at which all its numbers are known; where there is none it is
undecided, which is neither true nor false.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.breakpoints.conditions import STEP, Comparison, Diverging, Expression, Reference

Array = NDArray[np.float64]

_COMPARE: Mapping[str, Callable[[Array, Array], NDArray[np.bool_]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class RowNumbers:
    """What conditions look at.

    Attributes:
        step: The row's step.
        values: Step metrics by catalogue name; what is absent was not computed.
        layers: Layer metrics by catalogue name, each of shape (depth + 1,), NaN where not computed.
        first_loss: Loss of the run's first row, NaN while it is unknown.
    """

    step: int
    values: Mapping[str, float]
    layers: Mapping[str, Array]
    first_loss: float = math.nan


@dataclass(frozen=True, slots=True)
class Finding:
    """A condition decided for a row.

    Attributes:
        holds: Whether it is true.
        layer: The layer that decides: of those that hold the one furthest beyond, or None without layers.
        left: The left side there.
        right: The right side there; of an interval the end that is nearer.
    """

    holds: bool
    layer: int | None
    left: float
    right: float


def evaluate(condition: Comparison | Diverging, row: RowNumbers) -> Finding | None:
    """Decide a condition for a row.

    Args:
        condition: The condition.
        row: The row's numbers.

    Returns:
        What was found, or None where a number that decides is not known. Cost: some microseconds.
    """
    return _diverging(row) if isinstance(condition, Diverging) else _compared(condition, row)


def _diverging(row: RowNumbers) -> Finding | None:
    if math.isnan(row.first_loss):
        return None
    # A loss that was computed and is NaN is left out of a record.
    loss = row.values.get("loss", math.inf)
    return Finding(not loss <= row.first_loss, None, loss, row.first_loss)


def _compared(condition: Comparison, row: RowNumbers) -> Finding | None:
    sides = [_value(side, row) for side in (condition.left, condition.right, condition.upper or condition.right)]
    left, low, high = (np.atleast_1d(side) for side in np.broadcast_arrays(*sides))
    known = ~(np.isnan(left) | np.isnan(low) | np.isnan(high))
    if not known.any():
        return None
    if condition.upper is None:
        true = _COMPARE[condition.relation](left, low)
    else:
        inside = (left >= low) & (left <= high)
        true = inside if condition.relation == "inside" else ~inside
    true = true & known
    holds = bool(true.any()) if condition.quantifier != "all" else bool((true | ~known).all())
    nearer = np.where(np.abs(left - high) < np.abs(left - low), high, low)
    with np.errstate(invalid="ignore"):
        beyond = np.nan_to_num(np.abs(left - nearer))
    candidates = np.flatnonzero(true if holds else known)
    place = int(candidates[np.argmax(beyond[candidates])])
    return Finding(holds, _layer(condition, place), float(left[place]), float(nearer[place]))


def _layer(condition: Comparison, place: int) -> int | None:
    if condition.quantifier is not None:
        return place
    layers = {reference.layer for reference in condition.references if isinstance(reference.layer, int)}
    return layers.pop() if len(layers) == 1 else None


def _value(side: Expression, row: RowNumbers) -> Array:
    """Return a side's number, shape (), or its numbers over layers."""
    total = np.zeros(())
    with np.errstate(all="ignore"):
        for sign, factors in side.terms:
            product = np.asarray(sign)
            for divides, factor in factors:
                number = _number(factor, row) if isinstance(factor, Reference) else np.asarray(factor)
                product = product / number if divides else product * number
            total = total + product
    return np.asarray(total, dtype=np.float64)


def _number(reference: Reference, row: RowNumbers) -> Array:
    if reference.name == STEP:
        return np.asarray(row.step, dtype=np.float64)
    if reference.layer is None:
        return np.asarray(row.values.get(reference.name, math.nan), dtype=np.float64)
    layers = np.asarray(row.layers.get(reference.name, math.nan), dtype=np.float64)
    if not layers.ndim or isinstance(reference.layer, str):
        return layers
    return np.asarray(layers[reference.layer] if reference.layer < layers.size else math.nan)
