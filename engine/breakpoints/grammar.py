"""Breakpoints read from text; every complaint points at a column.

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
import difflib
import keyword
import re
from collections.abc import Iterable
from itertools import pairwise
from typing import NoReturn, cast

from engine.breakpoints.conditions import (
    STEP,
    Breakpoint,
    BreakpointError,
    Comparison,
    Diverging,
    Expression,
    Number,
    Operation,
    Quantifier,
    Reference,
    Relation,
    Symbol,
)
from engine.catalogue import CATALOGUE
from engine.errors import ConfigError

LONGEST_CONDITION = 200
"""Characters of one breakpoint: nothing so short is deep or slow to parse."""

MOST_BREAKPOINTS = 50
"""Breakpoints of one run: each is evaluated at every row."""

MOST_ROWS = 1_000_000

_PIECES = re.compile(
    r"(?P<number>(?:\d+(?:\.\d+|\.(?!\.))?|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<foreign>\*\*|//)"
    r"|(?P<sign>\.\.|<=|>=|[<>+\-*/\[\]]|\s)"
    r"|(?P<unknown>.)",
    re.ASCII,
)
_PYTHON = {"inside": "  ==  ", "outside": "  !=   ", "..": "<="}
_SYMBOLS: dict[type[ast.operator], Symbol] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


def parse(text: str) -> Breakpoint:
    """Read a breakpoint.

    Args:
        text: For example ``log10_cond[3] > 4 for 5``.

    Returns:
        The breakpoint.

    Raises:
        BreakpointError: It is none; the sentence names the column.
    """
    # Columns are those of the canonical text, by which a breakpoint is known from here on.
    return _read(_read(text).text)


def parse_all(texts: Iterable[str]) -> tuple[Breakpoint, ...]:
    """Read the breakpoints of a run.

    Args:
        texts: One each.

    Returns:
        The breakpoints, each once.

    Raises:
        BreakpointError: One of them is none.
        ConfigError: They are too many.
    """
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
            _fail(
                text,
                piece.start(),
                f"{word!r} means nothing here",
                "Conditions are made of metrics, numbers, + - * / and <, <=, >, >=, inside, outside.",
            )
        if word == "for":
            rows = _rows(text, piece.end())
            break
        if keyword.iskeyword(word):
            _unknown(text, piece.start(), word)
        # A whole number may begin with zeros here, in Python it may not.
        word = str(int(word)).rjust(len(word)) if word.isdigit() else " " if word.isspace() else word
        source += _PYTHON.get(word, word)
    try:
        tree = ast.parse(source, mode="eval").body
    except SyntaxError as error:
        if "never closed" in error.msg:
            _fail(text, (error.offset or 1) - 1, "'[' is not closed", "As in `log10_cond[3]`.")
        _expected(text, "a metric or a number is", (error.offset or len(source) + 1) - 1)
    return Breakpoint(_condition(text, tree), rows)


def _rows(text: str, offset: int) -> int:
    rows = text[offset:].strip()
    if not rows.isdecimal() or not 1 <= int(rows) <= MOST_ROWS:
        _expected(text, "a number of rows is", offset, "`for 5`: in five measured rows.")
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
                _fail(text, nodes[1].col_offset, "nothing lies in this interval", "The smaller end comes first.")
            found = Comparison(left, cast("Relation", relation), low, high)
        case ["inside" | "outside" as relation, *_], _:
            _expected(text, "'..' is", nodes[1].end_col_offset, f"As in `{relation} 0.8..1.2`.")
        case _:
            place = nodes[min(1, len(between))].end_col_offset
            _expected(text, "one comparison is", place, "One of <, <=, >, >=, inside A..B, outside A..B.")
    if not found.references:
        _fail(text, 0, "it compares numbers only", "Name a metric: `wnt-tui explain` lists them.")
    for reference in found.references:
        if isinstance(reference.layer, str) and reference.layer != found.quantifier:
            reason = f"[{reference.layer}] cannot stand beside [{found.quantifier}]"
            _fail(text, reference.column - 1, reason, "Compare layer with layer: the same word everywhere.")
    return found


def _expression(text: str, node: ast.expr, *, first: bool = True) -> Expression:
    """What a node stands for; a sign may only stand before the first operand of a sum."""
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
    _expected(text, "a metric or a number is", node.col_offset)


def _metric(text: str, node: ast.expr, name: str, layer: ast.expr | None) -> Reference:
    entry, end, column = CATALOGUE.get(name), node.end_col_offset or 0, node.col_offset + 1
    if entry is None and name != STEP:
        _unknown(text, node.col_offset, name)
    if entry is None or entry.scope == "step":
        if layer is not None:
            _fail(text, end, f"{name} has no layers", f"Write {name} alone.")
        return Reference(name, None, column)
    match layer:
        case None:
            _fail(text, end, f"{name} has a value a layer", f"Write {name}[3], {name}[any] or {name}[all].")
        case ast.Constant(value=int(number)):
            return Reference(name, number, column)
        case ast.Name(id="any" | "all" as quantifier):
            return Reference(name, cast("Quantifier", quantifier), column)
    _expected(text, "a layer is", layer.col_offset, f"{name}[3], [any] or [all].")


def _unknown(text: str, offset: int, name: str) -> NoReturn:
    near = difflib.get_close_matches(name, [*CATALOGUE, "diverging", STEP], n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else "`wnt-tui explain` lists them."
    _fail(text, offset, f"there is no metric {name!r}", hint)


def _expected(text: str, wanted: str, offset: int | None, hint: str = "") -> NoReturn:
    """Complain of what stands at an offset, or after the spaces there."""
    found = next((piece for piece in _PIECES.finditer(text, offset or 0) if not piece.group().isspace()), None)
    shown, place = ("the end", len(text)) if found is None else (repr(found.group()), found.start())
    _fail(text, place, f"{wanted} expected, not {shown}", hint)


def _fail(text: str, offset: int, reason: str, hint: str = "") -> NoReturn:
    raise BreakpointError(text, offset + 1, reason, hint)
