"""Whether a condition holds for a row.

Numbers of a row are scalars, or vectors over layers where a metric is taken at ``any`` or ``all`` of them; NaN is
"not computed". A condition is decided by the layers at which all its numbers are known; where there is none it is
undecided, which is neither true nor false.

A number with a residual or resolution stands for the interval that :mod:`engine.catalogue.certainty` gives it: a
comparison is true where it holds for all of both sides' intervals, false where it holds for nothing in them, and
undecided between. What is not resolved is seldom decided: κ "≥ 13" may be above any number, and is not below 12.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.breakpoints.conditions import STEP, Comparison, Diverging, Expression, Quantifier, Reference
from engine.breakpoints.enclosure import Enclosure, exactly
from engine.catalogue.certainty import interval

Array = NDArray[np.float64]
Truths = NDArray[np.bool_]

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
        examples: n.
    """

    step: int
    values: Mapping[str, float]
    layers: Mapping[str, Array]
    first_loss: float = math.nan
    examples: int = 1


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
        What was found, or None where a number that decides is not known or not certain enough. Cost: some
        microseconds.
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
    left, low, high = _aligned(sides)
    known = ~(np.isnan(left.value) | np.isnan(low.value) | np.isnan(high.value))
    if condition.upper is None:
        true, false = _compare(left, condition.relation, low)
    else:
        above, below = _compare(left, ">=", low), _compare(left, "<=", high)
        true, false = above[0] & below[0], above[1] | below[1]
        if condition.relation == "outside":
            true, false = false, true
    true, false = true & known, false & known
    decided = _decide(condition.quantifier, true, false, known)
    if decided is None:
        return None
    nearer = np.where(np.abs(left.value - high.value) < np.abs(left.value - low.value), high.value, low.value)
    with np.errstate(invalid="ignore"):
        beyond = np.nan_to_num(np.abs(left.value - nearer))
    candidates = np.flatnonzero(true if decided else false)
    place = int(candidates[np.argmax(beyond[candidates])])
    return Finding(decided, _layer(condition, place), float(left.value[place]), float(nearer[place]))


def _decide(quantifier: Quantifier | None, true: Truths, false: Truths, known: Truths) -> bool | None:
    """Kleene's logic over the layers that are known: a layer that is not decided leaves the rest to the others."""
    if quantifier == "all":
        return False if false.any() else (True if known.any() and (true | ~known).all() else None)
    return True if true.any() else (False if known.any() and (false | ~known).all() else None)


def _compare(left: Enclosure, relation: str, right: Enclosure) -> tuple[Truths, Truths]:
    """Where a comparison is certainly true, and where it is certainly false."""
    with np.errstate(invalid="ignore"):
        if relation in {"<", "<="}:
            true = _COMPARE[relation](left.high, right.low)
            return true, ~_COMPARE[relation](left.low, right.high) & _ordered(left, right)
        true = _COMPARE[relation](left.low, right.high)
        return true, ~_COMPARE[relation](left.high, right.low) & _ordered(left, right)


def _ordered(left: Enclosure, right: Enclosure) -> Truths:
    return ~(np.isnan(left.low) | np.isnan(left.high) | np.isnan(right.low) | np.isnan(right.high))


def _aligned(sides: list[Enclosure]) -> list[Enclosure]:
    """Sides of one shape, (layers,) or (1,)."""
    arrays = np.broadcast_arrays(*(array for side in sides for array in (side.value, side.low, side.high)))
    flat = [np.atleast_1d(array) for array in arrays]
    return [Enclosure(*flat[place : place + 3]) for place in range(0, len(flat), 3)]


def _layer(condition: Comparison, place: int) -> int | None:
    if condition.quantifier is not None:
        return place
    layers = {reference.layer for reference in condition.references if isinstance(reference.layer, int)}
    return layers.pop() if len(layers) == 1 else None


def _value(side: Expression, row: RowNumbers) -> Enclosure:
    """A side's number, shape (), or its numbers over layers."""
    total = exactly(0.0)
    with np.errstate(all="ignore"):
        for sign, factors in side.terms:
            product = exactly(sign)
            for divides, factor in factors:
                number = _number(factor, row) if isinstance(factor, Reference) else exactly(factor)
                product = product / number if divides else product * number
            total = total + product
    return total


def _number(reference: Reference, row: RowNumbers) -> Enclosure:
    if reference.name == STEP:
        return exactly(row.step)
    if reference.layer is None:
        return _enclosed(reference.name, row.values, row.examples)
    layers = _enclosed(reference.name, row.layers, row.examples)
    if not layers.value.ndim or isinstance(reference.layer, str):
        return layers
    return layers.at(reference.layer) if reference.layer < layers.value.size else exactly(math.nan)


def _enclosed(name: str, values: Mapping[str, Any], examples: int) -> Enclosure:
    low, high = interval(name, values, examples)
    return Enclosure(np.asarray(values.get(name, math.nan), dtype=np.float64), low, high)
