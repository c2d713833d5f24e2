"""The cells that a terminal shows: read from what is written to it, and written again as short as it goes.

A cell is a character and its style, the parameters of its SGR sequence. Read are cursor positions, SGR and text,
which is what pictures are made of; every other sequence is handed back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from operator import itemgetter

from rich.cells import get_character_cell_size

Cell = tuple[str, str]
"""A character and its style. A wide character is followed by an empty one."""

Row = list[Cell | None]
"""Cells from column 0 on, None where nothing is known."""

_TOKEN = re.compile(
    # A piece of text as Rich writes it, first because most are such.
    r"\x1b\[(?P<own>[1-9][\d;:]*)m(?P<styled>[^\x00-\x1f\x7f]+)\x1b\[0m"
    r"|\x1b\[(?P<row>\d*);?(?P<column>\d*)H"
    r"|\x1b\[(?P<style>[\d;:]*)m"
    r"|(?P<text>[^\x00-\x1f\x7f]+)"
    r"|(?P<line>\r?\n)"
    r"|(?P<sync>\x1b\[\?2026[hl])"
    r"|(?P<other>\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[P_^X][^\x1b]*(?:\x1b\\)?|\x1b\[[0-?]*[ -/]*[@-~]?"
    r"|\x1b[ -/]*[0-~]?|[\x00-\x1f\x7f])"
)

GAP = 5
"""So many unchanged cells are written again rather than jumped over, which costs as many bytes."""


class Screen:
    """A screen's cells, as written."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.cursor = (0, 0)
        """Row and column, from 0."""

    def clear(self) -> None:
        """Forget everything."""
        self.rows = []

    def write(self, data: str) -> str:
        """Take a picture. Rows that change become new lists: who keeps a list keeps the picture.

        Args:
            data: What is written, from the default style on.

        Returns:
            The sequences that are no part of a picture.
        """
        x = y = 0
        style = ""
        fresh: set[int] = set()
        others: list[str] = []
        for token in _TOKEN.finditer(data):
            kind = token.lastgroup
            if kind in {"styled", "text"}:
                if y not in fresh:
                    fresh.add(y)
                    self._renew(y)
                if kind == "text":
                    x = _put(self.rows[y], x, token[0], style)
                    continue
                own = token["own"]
                x = _put(self.rows[y], x, token["styled"], f"{style};{own}" if style else own)
                style = ""
            elif kind == "style":
                codes = token["style"]
                if codes in {"", "0"}:
                    style = ""
                elif codes.startswith("0;"):
                    style = codes[2:]
                else:
                    style = f"{style};{codes}" if style else codes
            elif kind in {"column", "row"}:
                y, x = int(token["row"] or 1) - 1, int(token["column"] or 1) - 1
            elif kind == "line":
                y, x = y + 1, 0
            elif kind == "other":
                others.append(token[0])
        self.cursor = (y, x)
        return "".join(others)

    def _renew(self, y: int) -> None:
        while len(self.rows) <= y:
            self.rows.append([])
        self.rows[y] = self.rows[y].copy()


def _put(row: Row, x: int, text: str, style: str) -> int:
    """Put text into a row; the column after it."""
    if len(row) < x:
        row.extend([None] * (x - len(row)))
    sizes = list(map(get_character_cell_size, text))
    if sizes.count(1) == len(sizes):
        row[x : x + len(text)] = [(character, style) for character in text]
        return x + len(text)
    for character, size in zip(text, sizes, strict=True):
        before = row[x - 1] if size == 0 and 0 < x <= len(row) else None
        if before is not None:  # it goes into the cell before, as combining accents do
            row[x - 1] = (before[0] + character, before[1])
            continue
        row[x : x + size] = [(character, style), *[("", style)] * (size - 1)][:size]
        x += size
    return x


def changes(wanted: Row, shown: Row, first: int, end: int) -> list[tuple[int, int]]:
    """The spans of columns to write so that a row shows what it should.

    Args:
        wanted: The row as it should be.
        shown: As the terminal has it.
        first: First column that is compared.
        end: First column that is not.

    Returns:
        First and end column of every span, left to right. A row with characters that are not one cell wide is
        written whole: terminals differ in how wide they are.
    """
    end = min(end, len(wanted))
    if wanted[first:end] == shown[first:end]:
        return []
    if any(cell is not None and len(cell[0]) != 1 for row in (wanted, shown) for cell in row):
        return [(0, len(wanted))] if None not in wanted else _known_spans(wanted)
    spans: list[tuple[int, int]] = []
    count = len(shown)
    for x in range(first, end):
        cell = wanted[x]
        if cell is None or (x < count and cell == shown[x]):
            continue
        if spans and x - spans[-1][1] <= GAP and None not in wanted[spans[-1][1] : x]:
            spans[-1] = (spans[-1][0], x + 1)
        else:
            spans.append((x, x + 1))
    return spans


def _known_spans(row: Row) -> list[tuple[int, int]]:
    """The spans of a row that are known."""
    runs = groupby(range(len(row)), key=lambda x: row[x] is None)
    found = [list(places) for unknown, places in runs if not unknown]
    return [(places[0], places[-1] + 1) for places in found]


def sequence(y: int, x: int, cells: Sequence[Cell | None]) -> str:
    """The cursor's position (row y, column x from 0), text and changes of style that write known cells."""
    pieces = [f"\x1b[{y + 1};{x + 1}H"]
    before = ""
    for style, run in groupby((cell for cell in cells if cell is not None), key=itemgetter(1)):
        pieces.append(transition(before, style))
        pieces.extend(character for character, _ in run)
        before = style
    pieces.append(transition(before, ""))
    return "".join(pieces)


@lru_cache(maxsize=65536)
def transition(before: str, after: str) -> str:
    """The shortest SGR sequence from one style to another; "" is the default one."""
    if before == after:
        return ""
    if not after:
        return "\x1b[0m"
    foreground, background, attributes = _parsed(after)
    old_foreground, old_background, old_attributes = _parsed(before)
    if old_attributes - attributes:
        # An attribute ends: there is no short way to end one alone that all terminals know.
        return f"\x1b[0;{after}m"
    codes = [code for code in attributes if code not in old_attributes]
    if foreground != old_foreground:
        codes.append(foreground or "39")
    if background != old_background:
        codes.append(background or "49")
    return f"\x1b[{';'.join(codes)}m" if codes else ""


@lru_cache(maxsize=65536)
def _parsed(style: str) -> tuple[str, str, frozenset[str]]:
    """A style's foreground, background and attributes."""
    foreground = background = ""
    attributes: set[str] = set()
    codes = iter(style.split(";") if style else ())
    for code in codes:
        if code in {"38", "48"}:
            mode = next(codes, "5")
            colour = ";".join((code, mode, *(next(codes, "0") for _ in range(3 if mode == "2" else 1))))
        else:
            colour = code
        number = int(code) if code.isdigit() else 0
        if number in {38, *range(30, 38), *range(90, 98)}:
            foreground = colour
        elif number in {48, *range(40, 48), *range(100, 108)}:
            background = colour
        elif number == 39:
            foreground = ""
        elif number == 49:
            background = ""
        else:
            attributes.add(code)
    return foreground, background, frozenset(attributes)
