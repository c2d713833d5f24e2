"""Predictions as panels show them: the run's stored pairings of formula and L, or any other, derived on reading."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import metric
from engine.theory import pairings
from engine.theory.pairings import STORED, Estimator, Formula, Pairing
from wnt_tui.charts.lines import Series
from wnt_tui.charts.number_format import marked
from wnt_tui.charts.raster import Dash
from wnt_tui.panels.base import at_cursor, row_series, rows_in_view, step_series
from wnt_tui.panels.reduction import derived
from wnt_tui.session.snapshot import PanelView

Array = NDArray[np.float64]

ESTIMATOR_NAMES: dict[Estimator, str] = {
    "hessian": "Hessian",
    "ggn": "GGN",
    "step": "step",
    "secant": "secant",
    "bound": "bound",
}
"""As panel 6 names them."""

_SETS = ("none", "core", "all")
_REACH = 2  # rows before a row that its prediction reads: the row before, and for its L_step the one before that


def pairing_name(formula: Formula, words: str) -> str:
    """A formula with the L that the run stored it with: ``descent (step)``."""
    return f"{words} ({ESTIMATOR_NAMES[STORED[formula]]})"


def ratio_series(view: PanelView, formula: Formula, words: str, color: int, dash: Dash = "solid") -> Series:
    """Actual over predicted loss of a formula against the step, with the chosen L or the stored one.

    Args:
        view: What is shown.
        formula: The lemma.
        words: Its name.
        color: Its number in the palette.
        dash: Its dash.

    Returns:
        The series; its name tells the stored pairing, as the chosen one is told for all of them.
    """
    if view.estimator is None:
        return step_series(view, f"ratio_{formula}", pairing_name(formula, words), color, dash)
    rows = rows_in_view(view)
    found = _paired(view, formula, view.estimator, rows)
    return row_series(view, rows, found.ratio, words, color, dash)


def predicted_series(view: PanelView, formula: Formula, words: str, color: int, dash: Dash = "solid") -> Series:
    """A formula's prediction against the step; the arguments are those of :func:`ratio_series`, the axis optional."""
    if view.estimator is None:
        return step_series(view, f"predicted_{formula}", words, color, dash, optional=True)
    rows = rows_in_view(view)
    found = _paired(view, formula, view.estimator, rows)
    return row_series(view, rows, found.predicted, words, color, dash, optional=True)


def pairing_at_cursor(view: PanelView, formula: Formula, stored: str, symbol: str, digits: int = 4) -> str:
    """A number of a formula at the cursor with its mark: ``descent 1.002 heur``.

    Args:
        view: What is shown.
        formula: The lemma.
        stored: The metric that the run stored: ``ratio_…``, ``predicted_…`` or ``decrease_ratio``.
        symbol: What stands before the number.
        digits: Significant digits.

    Returns:
        The text; empty for a stored metric that this run does not measure.
    """
    if view.estimator is None:
        return at_cursor(view, stored, symbol, digits)
    snapshot = view.snapshot
    index = snapshot.index_of(view.cursor)
    value = math.nan
    if index >= 0 and int(snapshot.step[index]) == view.cursor:
        found = _paired(view, formula, view.estimator, slice(index, index + 1))
        numbers = {
            "decrease_ratio": found.decrease_ratio,
            f"ratio_{formula}": found.ratio,
            f"predicted_{formula}": found.predicted,
        }
        value = float(numbers[stored][0])
    return marked(symbol, value, "heuristic", digits)


def lemma13_series(view: PanelView, color: int, dash: Dash = "solid") -> Series:
    """Lemma 13's line: from the cursor on, or from the first row where the cursor is at the end.

    Args:
        view: What is shown.
        color: Its number in the palette.
        dash: Its dash.

    Returns:
        The series, with L_step if no estimator was chosen.
    """
    return replace(_lemma13(view).series, color=color, dash=dash)


@dataclass(frozen=True, slots=True)
class _Lemma13:
    """Lemma 13's line, and its last value in the window with the step it belongs to; NaN and −1 if there is none."""

    series: Series
    end: int
    value: float


def _lemma13(view: PanelView) -> _Lemma13:
    key = ("lemma13", view.cursor, view.first, view.last, view.width, view.estimator)
    return derived(view.snapshot, key, lambda: _lemma13_made(view))


def _lemma13_made(view: PanelView) -> _Lemma13:
    snapshot = view.snapshot
    start = snapshot.index_of(view.cursor)
    at_end = not 0 <= start < snapshot.rows - 1
    if at_end and view.estimator is None:
        rows = rows_in_view(view)
        end = _last_known(view, rows, snapshot.column("lemma13_bound")[rows])
        return _Lemma13(step_series(view, "lemma13_bound", "lemma 13", 0, optional=True), *end)
    begin = 0 if at_end else start
    # L of the starting row belongs to the step that led to it.
    rows = slice(max(begin - 1, 0), rows_in_view(view).stop)
    line = pairings.lemma13(
        view.estimator or "step", snapshot.step[rows], _columns(view, rows), begin - rows.start, snapshot.config.f_star
    )
    shown = slice(max(begin, rows_in_view(view).start), rows.stop)
    values = line[shown.start - rows.start :]
    series = row_series(view, shown, values, "lemma 13", 0, optional=True)
    return _Lemma13(series, *_last_known(view, shown, values))


def _last_known(view: PanelView, rows: slice, values: Array) -> tuple[int, float]:
    """Return the last step of the window that has a value, and the value."""
    known = np.flatnonzero(np.isfinite(values) & (view.snapshot.step[rows] <= view.last))
    return (int(view.snapshot.step[rows][known[-1]]), float(values[known[-1]])) if known.size else (-1, math.nan)


def lemma13_words(view: PanelView) -> str:
    """Lemma 13 under the cursor, or, where its line starts there, at the end of it: ``L13→30 0.312 heur``."""
    snapshot = view.snapshot
    if view.estimator is None and view.cursor >= snapshot.last_step:
        return at_cursor(view, "lemma13_bound", "L13", 3)
    line = _lemma13(view)
    if line.end < 0:
        return ""
    symbol = "L13" if line.end == view.cursor else f"L13→{line.end}"
    return marked(symbol, line.value, "heuristic", 3)


def estimator_note(view: PanelView) -> tuple[tuple[str, str], ...]:
    """Which L was chosen for all predictions, and why there may be none of it.

    Args:
        view: What is shown.

    Returns:
        No note for the stored pairings, else one.
    """
    if view.estimator is None:
        return ()
    missing = _why_missing(view, view.estimator)
    name = f"L = {ESTIMATOR_NAMES[view.estimator]}"
    return ((f"{name}: {missing}", "warn"),) if missing else ((f"{name}, heur", "warn"),)


def _why_missing(view: PanelView, estimator: Estimator) -> str:
    config = view.snapshot.config
    if estimator == "bound" and config.activation == "relu":
        return "not defined for ReLU"
    needed = metric(f"smoothness_{estimator}").measured_in
    # L_step follows from losses, gradients and learning rates, which every row has.
    if estimator != "step" and _SETS.index(config.measure) < _SETS.index(needed):
        return f"--measure {needed}"
    return ""


def _paired(view: PanelView, formula: Formula, estimator: Estimator, rows: slice) -> Pairing:
    """A pairing at some rows, computed from these and what comes right before them."""
    first = max(rows.start - _REACH, 0)
    part = slice(first, rows.stop)
    found = pairings.pair(
        formula, estimator, view.snapshot.step[part], _columns(view, part), view.snapshot.config.f_star
    )
    kept = slice(rows.start - first, None)
    return Pairing(found.predicted[kept], found.ratio[kept], found.decrease_ratio[kept])


def _columns(view: PanelView, rows: slice) -> dict[str, Array]:
    snapshot = view.snapshot
    names = {"loss", "grad_norm", "lr", f"smoothness_{view.estimator or 'step'}"}
    return {name: snapshot.column(name)[rows] for name in names}
