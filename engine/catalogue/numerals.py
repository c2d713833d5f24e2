"""Numbers in sentences for people: a few significant digits, compact exponents, and more digits where they are needed.

One way of writing for events, panels and the command line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

MISSING = "—"

MOST_DIGITS = 17
"""Significant digits by which any two doubles differ."""


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
    """A number without trailing zeros, for labels: ``1``, ``200``, ``0.25``."""
    text = significant(value, digits)
    if "." in text and "e" not in text:
        text = text.rstrip("0").rstrip(".")
    return text


def enclosing(low: float, high: float, digits: int = 3) -> str:
    """An interval with its ends rounded outwards: ``[1.02e-4, 1.07e-4]``."""
    return f"[{short(_floor(low, digits), digits)}, {short(-_floor(-high, digits), digits)}]"


def _floor(value: float, digits: int) -> float:
    """The largest number of so many digits that is not above a finite value."""
    if not value or not math.isfinite(value):
        return value
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - digits + 1)
    return math.floor(value / unit) * unit


def distinct(*values: float, digits: int = 4, alike: Sequence[bool] = ()) -> tuple[str, ...]:
    """Numbers beside one another in as many digits as neighbours need to differ: ``−2.478e16``, ``−2.48e16``."""
    # ``alike`` says of each neighbouring pair whether it may read the same.
    pairs = list(enumerate(pairwise(values)))
    apart = [place for place, (one, other) in pairs if one != other and not (alike and alike[place])]
    for count in range(digits, MOST_DIGITS):
        texts = tuple(short(value, count) for value in values)
        if all(texts[place] != texts[place + 1] for place in apart):
            return texts
    return tuple(short(value, MOST_DIGITS) for value in values)
