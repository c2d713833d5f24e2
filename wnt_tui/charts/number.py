"""Numbers for people: four significant digits, compact exponents, a dash for what was not computed."""

from __future__ import annotations

import math

from engine.catalogue import Kind

MISSING = "—"

_KIND_WORDS: dict[Kind, str] = {
    "exact": "",
    "upper": "",
    "lower": "",
    "estimate": " est",
    "heuristic": " heur",
}
_KIND_SIGNS: dict[Kind, str] = {"upper": "≤ ", "lower": "≥ ", "exact": "", "estimate": "", "heuristic": ""}


def significant(value: float, digits: int = 4) -> str:
    """A number in at most ``digits`` significant digits: ``0.3121``, ``12.6``, ``3.1e-4``.

    Args:
        value: Any number.
        digits: Significant digits, at least 1.

    Returns:
        Plain decimals between 10⁻³ and 10⁵, else a compact exponent; ``—`` for NaN, ``∞`` for infinities.
    """
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    # The exponent after rounding: 9.9996 is 10.00 in four digits.
    mantissa, exponent_text = f"{abs(value):.{digits - 1}e}".split("e")
    exponent = int(exponent_text)
    sign = "−" if value < 0 else ""
    if -4 < exponent < 5:
        return sign + f"{abs(value):.{max(digits - 1 - exponent, 0)}f}"
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{sign}{mantissa}e{exponent}"


def short(value: float, digits: int = 3) -> str:
    """A number without trailing zeros, for labels: ``1``, ``200``, ``0.25``.

    Args:
        value: Any number.
        digits: Significant digits.

    Returns:
        The text.
    """
    text = significant(value, digits)
    if "." in text and "e" not in text:
        text = text.rstrip("0").rstrip(".")
    return text


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
