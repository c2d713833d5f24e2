"""Breakpoints read from text; every error names a column.

::

    breakpoint = condition [ "for" N ]
    condition  = "diverging" | sum relation sum | sum ("inside" | "outside") sum ".." sum
    relation   = "<" | "<=" | ">" | ">="
    sum        = ["+" | "-"] product { ("+" | "-") product }
    product    = factor { ("*" | "/") factor }
    factor     = number | "step" | step metric | layer metric "[" (layer | "any" | "all") "]"

Metrics are those of the catalogue. ``log10_cond[3] > 4 for 5``, ``smoothness_hessian > 2/lr``,
``ratio_descent outside 0.8..1.2``, ``eq13_op[any] <= 0``, ``lambda_min[all] < 0.5*infinite_lambda_min[all]``.

Python's own parser reads a condition, as a chain of comparisons: each word is first replaced by an operator of the
same length. Only the nodes of this grammar are taken from its tree, and nothing is ever evaluated by Python.
"""

from __future__ import annotations

import ast
import keyword
import re
import string
from collections.abc import Iterable
from itertools import pairwise
from typing import cast

from engine.breakpoints.conditions import (
    STEP,
    Breakpoint,
    BreakpointError,
    Comparison,
    Diverging,
    Expression,
    Number,
    Operation,
    Reference,
    Relation,
    Symbol,
)
from engine.catalogue import CATALOGUE, EARLIER_NAMES, nearest
from engine.errors import ConfigError

LONGEST_CONDITION = 200
"""Characters of one breakpoint: nothing so short is deep or slow to parse."""

MOST_BREAKPOINTS = 50
"""Breakpoints of one run: each is evaluated at every row."""

MOST_ROWS = 1_000_000

# `foreign` is what Python would understand and this grammar does not.
_PIECES = re.compile(
    r"(?P<foreign>\*\*|//|<<|>>|<>|0[xXbBoO][\da-fA-F]\w*|\d+_\w*)"
    r"|(?P<number>(?:\d+(?:\.\d+|\.(?!\.))?|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<sign>\.\.|<=|>=|[<>+\-*/\[\]]|\s)"
    r"|(?P<unknown>.)",
    re.ASCII,
)
_RENAMED = {earlier: now for now, earlier in EARLIER_NAMES.items()}
_PYTHON = {"inside": "==    ", "outside": "!=     ", "..": "<="}
_SYMBOLS: dict[type[ast.operator], Symbol] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


def parse(text: str) -> Breakpoint:
    """The breakpoint that a text spells; BreakpointError with the column of what is wrong where it spells none."""
    # Columns are those of the canonical text, by which a breakpoint is known from here on.
    return _read(_read(text).text)


def parse_all(texts: Iterable[str]) -> tuple[Breakpoint, ...]:
    """The breakpoints of a run, each once; ConfigError where a text is none or where they are too many."""
    found = {point.text: point for point in map(parse, texts)}
    if len(found) > MOST_BREAKPOINTS:
        raise ConfigError(f"{len(found)} breakpoints are too many.", f"A run may have {MOST_BREAKPOINTS}.")
    return tuple(found.values())


def _read(text: str) -> Breakpoint:
    text = text.strip().replace("≤", "<=").replace("≥", ">=")
    if len(text) > LONGEST_CONDITION:
        reason = f"longer than {LONGEST_CONDITION} characters"
        raise BreakpointError(text[:LONGEST_CONDITION] + "…", LONGEST_CONDITION + 1, reason, "Shorten it.")
    source, rows = "", 1
    for piece in _PIECES.finditer(text):
        word = piece.group()
        if piece.lastgroup in {"foreign", "unknown"}:
            hint = "Conditions are made of metrics, numbers, + - * / and <, <=, >, >=, inside, outside."
            raise _fail(text, piece.start(), f"{word!r} means nothing here", hint)
        if word == "for":
            rows = _rows(text, piece.end())
            break
        if keyword.iskeyword(word):
            raise _unknown(text, piece.start(), word)
        if piece.lastgroup == "name" and word not in _PYTHON and source[-1:] in {".", *string.digits}:
            raise _expected(text, "an operator is", piece.start())
        if word.isdigit() and word.startswith("0") and len(word) > 1:
            word = f"{int(word)}.".ljust(len(word), "0")  # in Python a whole number does not begin with zeros
        source += " " if word.isspace() else _PYTHON.get(word, word)
    try:
        tree = ast.parse(source, mode="eval").body
    except SyntaxError as error:
        place = (error.offset or len(source) + 1) - 1
        if "never closed" in error.msg:
            raise _fail(text, place, "'[' is not closed", "As in `log10_cond[3]`.") from None
        after_operand = re.search(r"[\w.\]]\s*$", source[:place])
        raise _expected(text, f"{'an operator' if after_operand else 'a metric or a number'} is", place) from None
    return Breakpoint(_condition(text, tree), rows)


def _rows(text: str, offset: int) -> int:
    rows = text[offset:].strip()
    if not rows.isdecimal() or not 1 <= int(rows) <= MOST_ROWS:
        raise _expected(text, "a number of rows is", offset, "`for 5`: in five measured rows.")
    return int(rows)


def _condition(text: str, tree: ast.expr) -> Comparison | Diverging:
    if isinstance(tree, ast.Name) and tree.id == "diverging":
        return Diverging()
    nodes = [tree.left, *tree.comparators] if isinstance(tree, ast.Compare) else [tree]
    left, *others = (_expression(text, node) for node in nodes)
    between = [text[before.end_col_offset : after.col_offset].strip() for before, after in pairwise(nodes)]
    match between, others:
        case ["<" | "<=" | ">" | ">=" as relation], [right]:
            found = Comparison(left, cast("Relation", relation), right)
        case ["inside" | "outside" as relation, ".."], [low, high]:
            if isinstance(low, Number) and isinstance(high, Number) and not float(low.text) < float(high.text):
                raise _fail(text, nodes[1].col_offset, "nothing lies in this interval", "The smaller end comes first.")
            found = Comparison(left, cast("Relation", relation), low, high)
        case ["inside" | "outside" as relation] | ["inside" | "outside" as relation, "<" | "<=" | ">" | ">=", *_], _:
            raise _expected(text, "'..' is", nodes[1].end_col_offset, f"As in `{relation} 0.8..1.2`.")
        case _:
            valid = 0 if between[:1] in ([], [".."]) else 1 + (".." in between)
            hint = "One of <, <=, >, >=, inside A..B, outside A..B."
            raise _expected(text, "one comparison is", nodes[valid].end_col_offset, hint)
    if not found.references:
        raise _fail(text, 0, "it compares numbers only", "Name a metric: `wnt-tui explain` lists them.")
    for reference in found.references:
        if isinstance(reference.layer, str) and reference.layer != found.quantifier:
            reason = f"[{reference.layer}] cannot stand beside [{found.quantifier}]"
            raise _fail(text, reference.column - 1, reason, "Compare layer with layer: the same word everywhere.")
    return found


def _expression(text: str, node: ast.expr, *, first: bool = True) -> Expression:
    """The expression of a node; a sign may only stand before the first operand of a sum."""
    match node:
        case ast.Constant(value=int() | float()):
            return Number(text[node.col_offset : node.end_col_offset])
        case ast.UnaryOp() if first:
            operand = _expression(text, node.operand, first=False)
            sign = cast("Symbol", text[node.col_offset])
            return Number(f"{sign}{operand}") if isinstance(operand, Number) else Operation(sign, None, operand)
        case ast.BinOp():
            left, right = _expression(text, node.left, first=first), _expression(text, node.right, first=False)
            return Operation(_SYMBOLS[type(node.op)], left, right)
        case ast.Name(id=name):
            return _metric(text, node, name, None)
        case ast.Subscript(value=ast.Name(id=name), slice=layer):
            return _metric(text, node.value, name, layer)
    raise _expected(text, "a metric or a number is", node.col_offset)


def _metric(text: str, node: ast.expr, name: str, layer: ast.expr | None) -> Reference:
    name = _RENAMED.get(name, name)
    entry, end, column = CATALOGUE.get(name), node.end_col_offset or 0, node.col_offset + 1
    if entry is None and name != STEP:
        raise _unknown(text, node.col_offset, name)
    if entry is None or entry.scope == "step":
        if layer is not None:
            raise _fail(text, end, f"{name} has no layers", f"Write {name} alone.")
        return Reference(name, None, column)
    if layer is None:
        raise _fail(text, end, f"{name} has a value a layer", f"Write {name}[3], {name}[any] or {name}[all].")
    match text[layer.col_offset : layer.end_col_offset]:
        case "any" | "all" as quantifier:
            return Reference(name, quantifier, column)
        case number if number.isdigit():
            return Reference(name, int(number), column)
    raise _expected(text, "a layer is", layer.col_offset, f"{name}[3], [any] or [all].")


def _unknown(text: str, offset: int, name: str) -> BreakpointError:
    if name == "diverging":
        return _fail(text, offset, "diverging stands alone", "As in `diverging for 5`.")
    return _fail(text, offset, f"there is no metric {name!r}", nearest(name, [*CATALOGUE, "diverging", STEP]))


def _expected(text: str, wanted: str, offset: int | None, hint: str = "") -> BreakpointError:
    """The error that something else stands at an offset, or after the spaces there, than was wanted."""
    found = next((piece for piece in _PIECES.finditer(text, offset or 0) if not piece.group().isspace()), None)
    shown, place = ("the end", len(text)) if found is None else (repr(found.group()), found.start())
    return _fail(text, place, f"{wanted} expected, not {shown}", hint)


def _fail(text: str, offset: int, reason: str, hint: str = "") -> BreakpointError:
    return BreakpointError(text, offset + 1, reason, hint)
