"""The mutants of a source file: a sign, a factor 2 or an index of a formula changed, one at a time.

``sign``    + and −, += and −=, a unary minus dropped, min and max
``factor``  2·(a product, a quotient, a power), a numeric constant doubled (0 becomes 1)
``index``   a constant or a name in a subscript moved by one, an axis exchanged

Annotations, texts, what ``raise`` says, seeds and defaults of arguments are no formulas and are left alone. So are
tolerances and budgets of iterations, within which every result is right: module constants in capitals after an
underscore. What such a constant is multiplied by is changed like all else, but the product is not doubled, which would
only double the constant.
"""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

FILES = (
    "engine/measure",
    "engine/theory",
    "engine/losses.py",
    "engine/network.py",
    "engine/trainer.py",
    "engine/training_pass.py",
    "engine/transfer.py",
)

_SWAPPED = {
    "min": "max",
    "max": "min",
    "minimum": "maximum",
    "maximum": "minimum",
    "fmin": "fmax",
    "fmax": "fmin",
    "amin": "amax",
    "amax": "amin",
}


@dataclass(frozen=True)
class Mutant:
    """One change.

    Attributes:
        file: Path from the root of the repository.
        function: Qualified name of what it is in, or ``module``.
        line: Where, from 1.
        kind: ``sign``, ``factor`` or ``index``.
        before: The expression.
        after: What it becomes.
        occurrence: Which of several equal changes in the same function, from 1.
        source: The whole mutated file.
    """

    file: str
    function: str
    line: int
    kind: str
    before: str
    after: str
    occurrence: int
    source: str

    @property
    def key(self) -> str:
        """A name that does not depend on lines."""
        again = f" #{self.occurrence}" if self.occurrence > 1 else ""
        return f"{self.file}:{self.function}: {self.before} → {self.after}{again}"


def files(root: Path) -> list[str]:
    """All source files with formulas in them."""
    found: list[str] = []
    for name in FILES:
        path = root / name
        found += [str(p.relative_to(root)) for p in sorted(path.glob("*.py"))] if path.is_dir() else [name]
    return found


def mutants_of(root: Path, file: str) -> list[Mutant]:
    """All mutants of a file, in its order."""
    text = (root / file).read_text(encoding="utf-8")
    visitor = _Visitor(text)
    visitor.visit(ast.parse(text))
    seen: Counter[tuple[str, str, str]] = Counter()
    found = []
    for function, node, kind, start, end, new in sorted(visitor.changes, key=lambda change: (change[3], change[4])):
        line_start, line_end = _bounds(text, start, end)
        before = " ".join(text[line_start:line_end].split())
        after = " ".join((text[line_start:start] + new + text[end:line_end]).split())
        seen[function, before, after] += 1
        source = text[:start] + new + text[end:]
        try:
            ast.parse(source)
        except SyntaxError:
            continue
        found.append(Mutant(file, function, node.lineno, kind, before, after, seen[function, before, after], source))
    return found


def _bounds(text: str, start: int, end: int) -> tuple[int, int]:
    """The line around a change."""
    first, last = text.rfind("\n", 0, start) + 1, text.find("\n", end)
    return first, len(text) if last < 0 else last


def _is_tolerance(name: str) -> bool:
    return name.startswith("_") and name.isupper()


def _has_tolerance(node: ast.expr) -> bool:
    """Whether a tolerance or a budget is a factor of a product."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mult, ast.Div, ast.MatMult)):
        return _has_tolerance(node.left) or _has_tolerance(node.right)
    return isinstance(node, ast.Name) and _is_tolerance(node.id)


class _Visitor(ast.NodeVisitor):
    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = [0]
        for line in text.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))
        self._where: list[str] = []
        self._in_subscript = 0
        self.changes: list[tuple[str, ast.expr | ast.stmt, str, int, int, str]] = []

    def _offset(self, line: int, column: int) -> int:
        start = self._lines[line - 1]
        # ast counts columns in bytes of UTF-8.
        source = self._text[start : self._lines[line]]
        return start + len(source.encode()[:column].decode())

    def _span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._offset(node.lineno, node.col_offset), self._offset(node.end_lineno, node.end_col_offset)

    def _change(self, node: ast.expr | ast.stmt, kind: str, start: int, end: int, new: str) -> None:
        self.changes.append((".".join(self._where) or "module", node, kind, start, end, new))

    def _named(self, node: ast.FunctionDef | ast.ClassDef) -> None:
        self._where.append(node.name)
        for statement in node.body:
            self.visit(statement)
        self._where.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._named(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._named(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        target = node.targets[0]
        if isinstance(target, ast.Name) and not self._where:
            alias = isinstance(node.value, ast.Subscript)  # Array = NDArray[...] is a type
            if alias or _is_tolerance(target.id):
                return
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):
            self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None: ...

    def visit_Assert(self, node: ast.Assert) -> None: ...

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None: ...

    def visit_BinOp(self, node: ast.BinOp) -> None:
        swap = {ast.Add: ("+", "-"), ast.Sub: ("-", "+")}.get(type(node.op))
        is_text = any(isinstance(side, (ast.JoinedStr, ast.List)) for side in (node.left, node.right))
        if swap is not None and not is_text:
            left, right = self._span(node.left)[1], self._span(node.right)[0]
            at = self._text.index(swap[0], left, right)
            kind = "index" if self._in_subscript else "sign"
            self._change(node, kind, at, at + 1, swap[1])
        scaled = isinstance(node.op, (ast.Mult, ast.Div, ast.MatMult, ast.Pow))
        if scaled and not self._in_subscript and not isinstance(node.left, ast.List) and not _has_tolerance(node):
            start, end = self._span(node)
            self._change(node, "factor", start, end, f"(2 * ({self._text[start:end]}))")
        if isinstance(node.op, (ast.Mult, ast.Div, ast.MatMult)):
            # The factors of one product would all give the same mutant.
            for side in (node.left, node.right):
                inner = side
                while isinstance(inner, ast.BinOp) and isinstance(inner.op, (ast.Mult, ast.Div, ast.MatMult)):
                    self.visit(inner.right)
                    inner = inner.left
                self.visit(inner)
        else:
            self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.USub):
            start, _ = self._span(node)
            operand, _ = self._span(node.operand)
            self._change(node, "index" if self._in_subscript else "sign", start, operand, "")
            if isinstance(node.operand, ast.Constant):
                return
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        swap = {ast.Add: ("+=", "-="), ast.Sub: ("-=", "+=")}.get(type(node.op))
        if swap is not None:
            at = self._text.index(swap[0], self._span(node.target)[1])
            self._change(node, "sign", at, at + 2, swap[1])
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func
        if isinstance(name, (ast.Name, ast.Attribute)):
            called = name.id if isinstance(name, ast.Name) else name.attr
            if called in _SWAPPED:
                _, end = self._span(name)
                self._change(node, "sign", end - len(called), end, _SWAPPED[called])
            if called in ("manual_seed", "default_rng"):
                return
            if called == "cast":
                self.visit(node.args[-1])
                return
        self.visit(node.func)
        for argument in node.args:
            self.visit(argument)
        for keyword in node.keywords:
            if keyword.arg == "min" or keyword.arg == "max":
                start, _ = self._span(keyword.value)
                at = self._text.rindex(keyword.arg, 0, start)
                self._change(node, "sign", at, at + 3, _SWAPPED[keyword.arg])
            if keyword.arg in ("dim", "axis") and isinstance(keyword.value, (ast.Constant, ast.UnaryOp)):
                start, end = self._span(keyword.value)
                axis = ast.literal_eval(keyword.value)
                self._change(node, "index", start, end, "1" if axis in (0, -2) else "-2" if axis == -1 else "0")
            elif not isinstance(keyword.value, ast.Constant):
                self.visit(keyword.value)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.visit(node.value)
        self._in_subscript += 1
        if isinstance(node.slice, ast.Name):
            start, end = self._span(node.slice)
            self._change(node, "index", start, end, f"{node.slice.id} - 1")
        else:
            self.visit(node.slice)
        self._in_subscript -= 1

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool) or not isinstance(node.value, (int, float)):
            return
        start, end = self._span(node)
        if self._in_subscript:
            self._change(node, "index", start, end, str(node.value + 1))
        else:
            self._change(node, "factor", start, end, f"(2 * {self._text[start:end]})" if node.value else "1")
