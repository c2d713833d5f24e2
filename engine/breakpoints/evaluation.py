"""Conditions decided for a row.

Numbers of a row are scalars, or vectors over layers where a metric is taken at ``any`` or ``all`` of them; NaN is
"not computed". A condition is decided by the layers at which all its numbers are known; where there is none it is
undecided, which is neither true nor false.

A number that is not exact stands for the interval that :mod:`engine.catalogue.certainty` gives it: a
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

from engine.breakpoints.conditions import STEP, Comparison, Diverging, Expression, Number, Operation, Quantifier, Symbol
from engine.breakpoints.enclosure import Enclosure, exactly
from engine.catalogue.certainty import interval
from engine.record import StepRecord

Truths = NDArray[np.bool_]

_CONVERSE = {">": "<", ">=": "<="}
_ARITHMETIC: Mapping[Symbol, Callable[[Enclosure, Enclosure], Enclosure]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether a condition holds, and both sides (of an interval the nearer end) at the layer furthest beyond."""

    holds: bool
    layer: int | None
    left: float
    right: float


def evaluate(
    condition: Comparison | Diverging, row: StepRecord, *, first_loss: float = math.nan, examples: int
) -> Finding | None:
    """A condition decided for a row of a run; None where a number that decides is not known or not certain enough."""
    if isinstance(condition, Comparison):
        with np.errstate(all="ignore"):
            return _compared(condition, row, examples)
    if math.isnan(first_loss):
        return None
    # A loss that was computed and is NaN is left out of a record.
    loss = row.values.get("loss", math.inf)
    return Finding(not loss <= first_loss, None, loss, first_loss)


def _compared(condition: Comparison, row: StepRecord, examples: int) -> Finding | None:
    ends = condition.left, condition.right, condition.upper or condition.right
    sides = [_value(side, row, examples) for side in ends]
    # All of one shape, (layers,) or (1,).
    arrays = np.broadcast_arrays(*(array for side in sides for array in (side.value, side.low, side.high)))
    flat = [np.atleast_1d(array) for array in arrays]
    left, low, high = (Enclosure(*flat[place : place + 3]) for place in (0, 3, 6))
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
    """The layers at which a comparison is certainly true, and those at which it is certainly false."""
    if relation in _CONVERSE:
        return _compare(right, _CONVERSE[relation], left)
    compare = operator.lt if relation == "<" else operator.le
    ordered = ~np.isnan([left.low, left.high, right.low, right.high]).any(axis=0)
    return compare(left.high, right.low), ~compare(left.low, right.high) & ordered


def _layer(condition: Comparison, place: int) -> int | None:
    if condition.quantifier is not None:
        return place
    layers = {reference.layer for reference in condition.references if isinstance(reference.layer, int)}
    return layers.pop() if len(layers) == 1 else None


def _value(side: Expression, row: StepRecord, examples: int) -> Enclosure:
    """A side's number, shape (), or its numbers over layers."""
    if isinstance(side, Number):
        return exactly(float(side.text))
    if isinstance(side, Operation):
        left = exactly(0.0) if side.left is None else _value(side.left, row, examples)
        return _ARITHMETIC[side.symbol](left, _value(side.right, row, examples))
    if side.layer is None:
        return exactly(row.step) if side.name == STEP else _enclosed(side.name, row.values, examples)
    layers = _enclosed(side.name, row.layers, examples)
    if not layers.value.ndim or isinstance(side.layer, str):
        return layers
    return layers.at(side.layer) if side.layer < layers.value.size else exactly(math.nan)


def _enclosed(name: str, values: Mapping[str, Any], examples: int) -> Enclosure:
    low, high = interval(name, values, examples)
    return Enclosure(np.asarray(values.get(name, math.nan), dtype=np.float64), low, high)
