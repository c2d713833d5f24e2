"""Reading breakpoints: what is one, its canonical text, and the column of what is wrong."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.breakpoints import LONGEST_CONDITION, MOST_BREAKPOINTS, BreakpointError, parse, parse_all
from engine.catalogue import LAYER_COLUMNS, STEP_COLUMNS
from engine.errors import ConfigError

WORDS = ("step", "inside", "outside", "for", "diverging", "[3]", "[any]", "[all]")
SIGNS = ("<", "<=", ">", "≥", "..", "+", "-", "*", "/", "$", "(", "\x1b", "é", " ")
PIECES = (*STEP_COLUMNS[:6], *LAYER_COLUMNS[:6], *WORDS, *SIGNS, "0.8", "1e-4", ".5", "2.", "5")


@pytest.mark.parametrize(
    ("text", "canonical", "rows"),
    [
        ("log10_cond[3] > 4 for 5", "log10_cond[3] > 4 for 5", 5),
        ("  log10_cond [ 3 ]>4   for 5 ", "log10_cond[3] > 4 for 5", 5),
        ("pl < 1e-4", "pl < 1e-4", 1),
        ("ratio_descent outside 0.8..1.2", "ratio_descent outside 0.8..1.2", 1),
        ("ratio_descent inside -1 .. +.5", "ratio_descent inside -1..+.5", 1),
        ("loss inside 1..2", "loss inside 1..2", 1),
        ("diverging", "diverging", 1),
        ("diverging for 3", "diverging for 3", 3),
        ("smoothness_hessian > 2/lr", "smoothness_hessian > 2/lr", 1),
        ("pl ≤ 2 * loss - 1", "pl <= 2*loss - 1", 1),
        ("-loss < - 0.5", "-loss < -0.5", 1),
        ("eq13_op[any] <= 0", "eq13_op[any] <= 0", 1),
        ("lambda_min[all] < 0.5*infinite_lambda_min[all]", "lambda_min[all] < 0.5*infinite_lambda_min[all]", 1),
        ("step >= 50", "step >= 50", 1),
        ("step >= 050", "step >= 050", 1),
        ("lambda_min_lower[any] <= 0", "lambda_min_low[any] <= 0", 1),
        ("pl > 3for 5", "pl > 3 for 5", 5),
        ("loss inside 1. .. .5*pl", "loss inside 1...5*pl", 1),
    ],
)
def test_a_breakpoint_has_one_canonical_text(text: str, canonical: str, rows: int) -> None:
    found = parse(text)
    assert (found.text, found.rows) == (canonical, rows)
    assert parse(canonical) == found


@pytest.mark.parametrize(
    ("text", "column", "reason"),
    [
        ("", 1, "expected"),
        ("   ", 1, "expected"),
        ("pl", 3, "comparison"),
        ("pl <> 3", 4, "'<>'"),
        ("pl == 3", 4, "'='"),
        ("pl > 3 $", 8, "'$'"),
        ("pl > 3)", 7, "')'"),
        ("pl > 3infinite_ntk", 7, "an operator"),
        ("lg10_cond[3] > 4", 1, "no metric 'lg10_cond'"),
        ("log10_cond > 4", 11, "a value a layer"),
        ("pl[2] > 3", 3, "no layers"),
        ("step[2] > 3", 5, "no layers"),
        ("log10_cond[x] > 4", 12, "layer"),
        ("log10_cond[1.5] > 4", 12, "layer"),
        ("log10_cond[-1] > 4", 12, "layer"),
        ("log10_cond[3 > 4", 11, "'[' is not closed"),
        ("3 > 4", 1, "numbers only"),
        ("pl inside 3", 12, "'..'"),
        ("pl inside 3.. for 4", 15, "'for'"),
        ("pl inside 3..-1", 11, "interval"),
        ("pl > 3 for", 11, "rows"),
        ("pl > 3 for 0", 12, "rows"),
        ("pl > 3 for 2.5", 12, "rows"),
        ("pl > 3 for 4 for 5", 12, "rows"),
        ("diverging > 3", 1, "stands alone"),
        ("eq13_op[any] < lambda_min[all]", 16, "[all]"),
        ("__import__ > 3", 1, "no metric"),
        ("pl > 3; loss > 1", 7, "';'"),
        ("pl > 3\n\x1b[2J", 8, "means nothing"),
    ],
)
def test_what_is_wrong_is_pointed_at(text: str, column: int, reason: str) -> None:
    with pytest.raises(BreakpointError) as caught:
        parse(text)
    error = caught.value
    assert error.column == column
    assert reason in error.message
    assert f"column {column}" in error.message
    shown, caret = error.excerpt.rsplit("\n", 1)
    assert (shown, len(caret)) == (text.strip(), column)
    assert "\n" not in str(error)
    assert "\x1b" not in str(error)


@pytest.mark.parametrize(
    "text",
    [
        "pl if 3 else 2", "not pl > 3", "pl > 3 and loss > 2", "lambda: 3", "True < pl", "pl is 3", "pl in loss",
        "pl > 0x1f", "pl > 1_0", "pl > 1j", "pl > 2**3", "pl > 7//2", "pl << 3", "pl > --3", "pl > 3*-2", "pl.loss > 3",
        "[pl] > 3", "pl[2][3] > 3", "log10_cond[1:2] > 3", "pl > (3)", "pl > 'a'", "pl := 3", "pl > f", "pl > 3 # x",
        "-" * LONGEST_CONDITION, "[" * LONGEST_CONDITION, "pl[" * 60,
    ],
)  # fmt: skip
def test_what_python_understands_and_the_grammar_does_not_is_refused(text: str) -> None:
    with pytest.raises(BreakpointError):
        parse(text)


def test_a_misspelt_metric_is_answered_with_the_nearest() -> None:
    with pytest.raises(BreakpointError, match="Did you mean log10_cond"):
        parse("log10_kond[3] > 4")


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.text(max_size=40))
@example("log10_cond[any]" * 20)
def test_any_text_is_a_breakpoint_or_refused_at_a_column_inside_it(text: str) -> None:
    refused: BreakpointError | None = None
    try:
        found = parse(text)
    except BreakpointError as error:
        refused = error
    if refused is None:
        assert parse(found.text) == found
    else:
        assert 1 <= refused.column <= max(len(text), len(refused.text)) + 1


def test_texts_are_short_and_few() -> None:
    with pytest.raises(BreakpointError, match="longer than 200"):
        parse("1+" * LONGEST_CONDITION + "pl > 3")
    with pytest.raises(ConfigError, match="too many"):
        parse_all(f"pl > {number}" for number in range(MOST_BREAKPOINTS + 1))
    assert len(parse_all(["pl>3"] * 100)) == 1
