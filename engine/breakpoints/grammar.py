"""Reading a breakpoint from text; every complaint points at a column.

::

    breakpoint = condition [ "for" N ]
    condition  = "diverging" | sum relation sum | sum ("inside" | "outside") sum ".." sum
    relation   = "<" | "<=" | ">" | ">="
    sum        = ["+" | "-"] product { ("+" | "-") product }
    product    = factor { ("*" | "/") factor }
    factor     = number | "step" | step metric | layer metric "[" (layer | "any" | "all") "]"

Metrics are those of the catalogue. ``log10_cond[3] > 4 for 5``, ``smoothness_hessian > 2/lr``,
``ratio_descent outside 0.8..1.2``, ``eq13_op[any] <= 0``, ``lambda_min[all] < 0.5*infinite_lambda_min[all]``.
Nothing is evaluated but these; texts are short, so nothing in them can be deep or slow.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, NoReturn, cast

from engine.breakpoints.conditions import (
    STEP,
    Breakpoint,
    Comparison,
    Diverging,
    Expression,
    Factor,
    Quantifier,
    Reference,
    Relation,
)
from engine.breakpoints.errors import BreakpointError
from engine.catalogue import CATALOGUE
from engine.errors import ConfigError

LONGEST_CONDITION = 200
"""Characters of one breakpoint."""

MOST_BREAKPOINTS = 50
"""Breakpoints of one run: each is looked at at every row."""

MOST_ROWS = 1_000_000

_TOKENS = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>(?:\d+(?:\.\d+|\.(?!\.))?|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z_0-9]*)"
    r"|(?P<sign>\.\.|<=|>=|[<>≤≥+\-*/\[\]])",
    re.ASCII,
)
_RELATIONS: dict[str, Relation] = {"<": "<", ">": ">", "<=": "<=", ">=": ">=", "≤": "<=", "≥": ">="}
_WORDS = frozenset({"for", "inside", "outside", "any", "all", "diverging"})

Kind = Literal["number", "name", "sign", "end"]


@dataclass(frozen=True, slots=True)
class _Token:
    kind: Kind
    text: str
    column: int

    @property
    def shown(self) -> str:
        return "the end" if self.kind == "end" else repr(self.text)


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
    return _Parser(_Parser(text).breakpoint().text).breakpoint()


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


class _Parser:
    """Recursive descent over the tokens of one text."""

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST_CONDITION:
            reason = f"longer than {LONGEST_CONDITION} characters"
            raise BreakpointError(text[:LONGEST_CONDITION] + "…", LONGEST_CONDITION + 1, reason, "Shorten it.")
        self._text = text
        self._tokens = list(self._split())
        self._place = 0

    def breakpoint(self) -> Breakpoint:
        """Return the whole text as a breakpoint."""
        condition = self._condition()
        rows = self._rows() if self._took("for") else 1
        if self._now.kind != "end":
            self._fail(f"nothing is expected here, but there is {self._now.shown}", "`for N` may follow a condition.")
        return Breakpoint(_spelled(self._tokens), condition, rows)

    def _split(self) -> Iterable[_Token]:
        place = 0
        while place < len(self._text):
            found = _TOKENS.match(self._text, place)
            if found is None:
                raise BreakpointError(
                    self._text,
                    place + 1,
                    f"{self._text[place]!r} means nothing here",
                    "Conditions are made of metrics, numbers, + - * / and <, <=, >, >=, inside, outside.",
                )
            if found.lastgroup != "space":
                yield _Token(cast("Kind", found.lastgroup), found.group(), place + 1)
            place = found.end()
        yield _Token("end", "", len(self._text.rstrip()) + 1)

    @property
    def _now(self) -> _Token:
        return self._tokens[self._place]

    def _take(self) -> _Token:
        token = self._now
        self._place += token.kind != "end"
        return token

    def _took(self, text: str) -> bool:
        if self._now.kind != "end" and self._now.text == text:
            self._place += 1
            return True
        return False

    def _fail(self, reason: str, hint: str = "", token: _Token | None = None) -> NoReturn:
        raise BreakpointError(self._text, (token or self._now).column, reason, hint)

    def _condition(self) -> Comparison | Diverging:
        if self._took("diverging"):
            return Diverging()
        left = self._sum()
        relation = self._now
        if relation.text in {"inside", "outside"}:
            self._take()
            begins = self._now
            low = self._sum()
            if not self._took(".."):
                self._fail(f"'..' is expected, not {self._now.shown}", f"As in `{relation.text} 0.8..1.2`.")
            high = self._sum()
            ends = low.constant, high.constant
            if ends[0] is not None and ends[1] is not None and not ends[0] < ends[1]:
                self._fail("nothing lies in this interval", "The smaller end comes first.", token=begins)
            return self._compared(left, cast("Relation", relation.text), low, high)
        if relation.text not in _RELATIONS:
            self._fail(
                f"a comparison is expected, not {relation.shown}", "One of <, <=, >, >=, inside A..B, outside A..B."
            )
        self._take()
        return self._compared(left, _RELATIONS[relation.text], self._sum(), None)

    def _compared(self, left: Expression, relation: Relation, low: Expression, high: Expression | None) -> Comparison:
        made = Comparison(left, relation, low, high, None)
        if not made.references:
            self._fail(
                "it compares numbers only", "Name a metric: `wnt-tui explain` lists them.", token=self._tokens[0]
            )
        quantified: Reference | None = None
        for reference in made.references:
            if isinstance(reference.layer, str):
                if quantified is not None and quantified.layer != reference.layer:
                    raise BreakpointError(
                        self._text,
                        reference.column,
                        f"[{reference.layer}] cannot stand beside [{quantified.layer}]",
                        "Compare layer with layer: the same word everywhere.",
                    )
                quantified = reference
        quantifier = None if quantified is None else cast("Quantifier", quantified.layer)
        return replace(made, quantifier=quantifier)

    def _sum(self) -> Expression:
        terms = [(self._sign(), self._product())]
        while self._now.text in {"+", "-"}:
            terms.append((self._sign(), self._product()))
        return Expression(tuple(terms))

    def _sign(self) -> float:
        if self._took("-"):
            return -1.0
        self._took("+")
        return 1.0

    def _product(self) -> tuple[tuple[bool, Factor], ...]:
        factors = [(False, self._factor())]
        while self._now.text in {"*", "/"}:
            factors.append((self._take().text == "/", self._factor()))
        return tuple(factors)

    def _factor(self) -> Factor:
        token = self._take()
        if token.kind == "number":
            return float(token.text)
        if token.kind != "name" or token.text in _WORDS:
            self._fail(f"a metric or a number is expected, not {token.shown}", token=token)
        if token.text == STEP:
            return Reference(STEP, None, token.column)
        entry = CATALOGUE.get(token.text)
        if entry is None:
            near = difflib.get_close_matches(token.text, [*CATALOGUE, "diverging", STEP], n=3, cutoff=0.5)
            hint = f"Did you mean {' or '.join(near)}?" if near else "`wnt-tui explain` lists them."
            self._fail(f"there is no metric {token.text!r}", hint, token=token)
        if entry.scope == "step":
            if self._now.text == "[":
                self._fail(f"{token.text} has no layers", f"Write {token.text} alone.")
            return Reference(token.text, None, token.column)
        if not self._took("["):
            self._fail(
                f"{token.text} has a value a layer",
                f"Write {token.text}[3], {token.text}[any] or {token.text}[all].",
            )
        return Reference(token.text, self._layer(token.text), token.column)

    def _layer(self, name: str) -> int | Quantifier:
        token = self._take()
        if token.text not in {"any", "all"} and not (token.kind == "number" and token.text.isdigit()):
            self._fail(f"a layer is expected, not {token.shown}", f"{name}[3], [any] or [all].", token=token)
        if not self._took("]"):
            self._fail(f"']' is expected, not {self._now.shown}")
        return int(token.text) if token.kind == "number" else cast("Quantifier", token.text)

    def _rows(self) -> int:
        token = self._take()
        if token.kind != "number" or not token.text.isdigit() or not 1 <= int(token.text) <= MOST_ROWS:
            self._fail(
                f"a number of rows is expected, not {token.shown}", "`for 5`: in five measured rows.", token=token
            )
        return int(token.text)


def _spelled(tokens: list[_Token]) -> str:
    """Return the canonical text: single spaces around relations and words, none inside brackets and products."""
    text = ""
    for number, token in enumerate(tokens):
        before = tokens[number - 1] if number else None
        tight = token.text in {"[", "]", "..", "*", "/"} or before is None or before.text in {"[", "..", "*", "/"}
        # A sign at the beginning of a sum belongs to what follows it.
        leading = before is not None and before.text in {"-", "+"} and _begins(tokens, number - 1)
        text += ("" if tight or leading or token.kind == "end" else " ") + _RELATIONS.get(token.text, token.text)
    return text


def _begins(tokens: list[_Token], number: int) -> bool:
    return number == 0 or tokens[number - 1].text in {*_RELATIONS, "inside", "outside", ".."}
