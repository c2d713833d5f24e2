"""Numbers for people on the screen: values with the mark of their kind, and durations."""

from __future__ import annotations

import math
from collections.abc import Mapping

from engine.catalogue import Kind
from engine.catalogue.certainty import UNCERTAIN, certain, informative, interval, resolved
from engine.catalogue.numerals import MISSING, enclosing, significant

_SIGNS: dict[Kind, str] = {"upper": "≤ ", "lower": "≥ ", "estimate": "≈ "}

HEURISTIC = " heuristic"
"""After a number whose formula's assumptions are not checked."""


def signed(value: float, kind: Kind, digits: int = 3) -> str:
    """A value with the mark of its kind: ``≈ 12.6``, ``≤ 310``, ``1.02 heuristic``; ``—`` for NaN."""
    if math.isnan(value):
        return MISSING
    return f"{_SIGNS.get(kind, '')}{significant(value, digits)}{HEURISTIC * (kind == 'heuristic')}"


def at_least(value: float, lower_bound: bool, digits: int = 4) -> str:
    """A value, or what is only a lower bound: ``≥ 13.3``; ``—`` for NaN."""
    return signed(value, "lower" if lower_bound else "exact", digits)


def value_text(name: str, values: Mapping[str, float], kind: Kind, *, examples: int, digits: int = 3) -> str:
    """A metric as it is to be read: ``≈ 12.6``, where it is not resolved ``≥ 6.70`` or ``12.6 [11.9, 13.2]``."""
    # The values are metrics of the same row, and layer if it has one; NaN or absent where not computed.
    value = float(values.get(name, math.nan))
    if math.isnan(value) or name not in UNCERTAIN:
        return signed(value, kind, digits)
    if bool(resolved(name, values, examples)):
        # What its stored ends enclose narrowly is no mere estimate.
        enclosed = kind == "estimate" and not math.isnan(values.get(f"{name}_high", math.nan))
        return signed(value, "exact" if enclosed else kind, digits)
    low, high = (float(end) for end in interval(name, values, examples))
    sign = UNCERTAIN[name].sign
    if sign == "±":
        return f"{significant(value, digits)} ± {significant(high - value, 2)}"
    if bool(informative(name, values, examples)):
        return f"{significant(value, digits)} {enclosing(low, high)}"
    return f"{sign} {significant(float(certain(name, values, examples)), digits)}"


def seconds(value: float) -> str:
    """A duration: ``34 µs``, ``12.1 ms``, ``3.4 s``, ``2:05``, ``1:02:05``."""
    if not math.isfinite(value):
        return MISSING
    size = abs(value)
    if size < 1e-3:
        return f"{value * 1e6:.0f} µs"
    if size < 1:
        return f"{value * 1e3:.3g} ms"
    if size < 100:
        return f"{value:.3g} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
