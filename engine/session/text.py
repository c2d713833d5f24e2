"""Text to show: what a file says, made safe (an untrusted session is data, not terminal commands); the time of day."""

from __future__ import annotations

import time
import unicodedata

from engine.paths import REORDERING

LONGEST_TEXT = 4096
"""Characters kept of one stored sentence; nothing this program writes comes near it."""

_BREAKS = frozenset("\t\n\v\f\r\x85\u2028\u2029")


def plain_text(value: object, *, limit: int = LONGEST_TEXT) -> str:
    """A stored value as one line of printable text, at most ``limit`` characters; "" for None."""
    # Line breaks become spaces; control characters (escape sequences), lone surrogates and marks that change the
    # direction of writing go.
    if value is None:
        return ""
    text = value if isinstance(value, str) else str(value)
    cut = text[: limit + 1]
    if not (cut.isprintable() and cut.isascii()):
        cut = "".join(map(_plain_character, cut))
    return cut if len(text) <= limit else cut[: limit - 1] + "…"


def clock(moment: float, *, exact: bool = False) -> str:
    """Unix time as ``12:03`` (exact: ``12:03:59``), with the date where it is another day."""
    then = time.localtime(moment)
    shown = "%H:%M:%S" if exact else "%H:%M"
    return time.strftime(shown if then[:3] == time.localtime()[:3] else f"%Y-%m-%d {shown}", then)


def _plain_character(character: str) -> str:
    if character in _BREAKS:
        return " "
    if character in REORDERING or unicodedata.category(character) in {"Cc", "Cs"}:
        return ""
    return character
