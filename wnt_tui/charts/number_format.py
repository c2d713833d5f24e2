"""Numbers for people on the screen: labels, values with the mark of their kind, durations."""

from __future__ import annotations

import math
from collections.abc import Mapping

from engine.catalogue import Kind
from engine.catalogue.certainty import UNCERTAIN, certain, error_of, resolved, sign_of
from engine.catalogue.numerals import MISSING, significant

_KIND_WORDS: dict[Kind, str] = {
    "exact": "",
    "upper": "",
    "lower": "",
    "estimate": " est",
    "heuristic": " heur",
}
_KIND_SIGNS: dict[Kind, str] = {"upper": "≤ ", "lower": "≥ ", "exact": "", "estimate": "", "heuristic": ""}


def marked(symbol: str, value: float, kind: Kind, digits: int = 3) -> str:
    """A symbol with its value and a mark of how to read it: ``L 12.6 est``, ``L ≤ 310``, ``λ ≥ 0.02``.

    Args:
        symbol: What stands before the number.
        value: The value.
        kind: Its kind.
        digits: Significant digits.

    Returns:
        The text; a missing value carries no mark.
    """
    if math.isnan(value):
        return f"{symbol} {MISSING}"
    return f"{symbol} {_KIND_SIGNS[kind]}{significant(value, digits)}{_KIND_WORDS[kind]}"


def written(name: str, symbol: str, values: Mapping[str, float], kind: Kind, *, examples: int, digits: int = 3) -> str:
    """A metric as it is to be read: ``L 12.6 est``, and where it is not resolved what is certain, ``κ ≥ 6.70``.

    Args:
        name: Catalogue name.
        symbol: What stands before the number.
        values: Metrics of the same row, and layer if it has one, by name; NaN for what was not computed.
        kind: Its kind in this run.
        examples: n.
        digits: Significant digits.

    Returns:
        The text; a missing value carries no mark.
    """
    value = float(values.get(name, math.nan))
    if math.isnan(value) or name not in UNCERTAIN or bool(resolved(name, values, examples)):
        return marked(symbol, value, kind, digits)
    sign = sign_of(name)
    if sign == "±":
        error = float(error_of(name, values, examples))
        return f"{symbol} {significant(value, digits)} ± {significant(error, 2)}"
    return f"{symbol} {sign} {significant(float(certain(name, values, examples)), digits)}"


def seconds(value: float) -> str:
    """A duration: ``34 µs``, ``12.1 ms``, ``3.4 s``, ``2:05``, ``1:02:05``.

    Args:
        value: Seconds.

    Returns:
        The text.
    """
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
