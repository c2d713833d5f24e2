"""Predictions as panels show them: the run's stored pairings of formula and L, or any other, derived on reading."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import metric
from engine.theory import pairings
from engine.theory.activation import ACTIVATIONS
from engine.theory.pairings import FORMULAS, STORED, Estimator, Formula
from wnt_tui.charts.lines import Series
from wnt_tui.charts.number_format import signed, value_text
from wnt_tui.panels.moment import moment
from wnt_tui.panels.reduction import derived
from wnt_tui.panels.series import Line, layer_series, row_series, rows_in_view, step_series
from wnt_tui.panels.words import Note
from wnt_tui.session.snapshot import PanelView

Array = NDArray[np.float64]

ESTIMATOR_NAMES: dict[Estimator, str] = {
    "hessian": "Hessian", "ggn": "GGN", "step": "step", "secant": "secant", "bound": "bound"
}  # fmt: skip
"""As panel 6 names them."""

PAIRED: dict[str, tuple[Formula, str]] = {
    f"{number}_{formula}": (formula, number) for formula in FORMULAS for number in ("predicted", "ratio")
} | {"decrease_ratio": ("descent", "decrease_ratio")}
"""Metrics that depend on the chosen L: formula and field of a :class:`engine.theory.pairings.Pairing`."""

_REACH = 2  # rows before a row that its prediction reads: the row before, and for its L_step the one before that


def metric_series(view: PanelView, line: Line) -> Series:
    """A metric against the step or the layer; predictions with the chosen L, or the stored one, which ratios name."""
    if metric(line.metric).scope != "step":
        return layer_series(moment(view), line)
    if line.metric not in PAIRED:
        return step_series(view, line)
    formula, number = PAIRED[line.metric]
    if view.estimator is None:
        name = f" ({ESTIMATOR_NAMES[STORED[formula]]})" if number == "ratio" else ""
        return step_series(view, replace(line, label=line.label + name))
    rows = rows_in_view(view)
    return row_series(view, rows, _paired(view, line.metric, view.estimator, rows), line)


def metric_text(view: PanelView, name: str, digits: int = 4) -> str:
    """A metric at the cursor as it is to be read, predictions with the chosen L; empty if it is not measured."""
    if metric(name).scope != "step":
        return moment(view).text(name, view.layer, digits)
    snapshot, config, value = view.snapshot, view.snapshot.config, math.nan
    if name not in PAIRED or view.estimator is None:
        if not metric(name).is_measured(config.measure):
            return ""
        values, kind = snapshot.values_at(view.cursor), metric(name).kind_in(config)
        return value_text(name, values, kind, examples=config.examples, digits=digits)
    index = snapshot.index_of(view.cursor)
    if index >= 0 and int(snapshot.step[index]) == view.cursor:
        value = float(_paired(view, name, view.estimator, slice(index, index + 1))[0])
    return signed(value, "heuristic", digits)


def lemma13_series(view: PanelView, line: Line) -> Series:
    """Lemma 13's line: from the cursor on, or from the first row where the cursor is at the end."""
    found = _lemma13(view).series
    return replace(found, name=line.label, color=line.color, dash=line.dash, optional=line.optional)


def lemma13_text(view: PanelView) -> str:
    """Lemma 13 under the cursor, or at the end of its line where it starts there: ``Lemma 13 at step 30 0.312``."""
    if view.estimator is None and view.cursor >= view.snapshot.last_step:
        text = metric_text(view, "lemma13_bound", 3)
        return text and f"Lemma 13 {text}"
    line = _lemma13(view)
    if line.end < 0:
        return ""
    where = "" if line.end == view.cursor else f" at step {line.end}"
    return f"Lemma 13{where} {signed(line.value, 'heuristic', 3)}"


def estimator_note(view: PanelView) -> list[Note]:
    """The L that was chosen for all predictions, and why there may be none of it; nothing for the stored pairings."""
    estimator, config = view.estimator, view.snapshot.config
    if estimator is None:
        return []
    words, activation, needed = ", heuristic", ACTIVATIONS[config.activation], metric(f"smoothness_{estimator}")
    if estimator == "bound" and activation.piecewise_linear:
        words = f": not defined for {activation.title}"
    # L_step follows from losses, gradients and learning rates, which every row has.
    elif estimator != "step" and not needed.is_measured(config.measure):
        words = f": --measure {needed.measured_in}"
    return [(f"L = {ESTIMATOR_NAMES[estimator]}{words}", "warn")]


def _paired(view: PanelView, name: str, estimator: Estimator, rows: slice) -> Array:
    """A prediction's metric at some rows, computed from these and what comes right before them."""
    formula, number = PAIRED[name]
    first = max(rows.start - _REACH, 0)
    part = slice(first, rows.stop)
    snapshot = view.snapshot
    found = pairings.pair(formula, estimator, snapshot.step[part], _columns(view, part), snapshot.config.f_star)
    values: Array = getattr(found, number)
    return values[rows.start - first :]


class _Lemma13(NamedTuple):
    """Lemma 13's line, and its last value in the window with the step it belongs to; NaN and −1 if there is none."""

    series: Series
    end: int
    value: float


def _lemma13(view: PanelView) -> _Lemma13:
    key = ("lemma13", view.cursor, view.first, view.last, view.width, view.estimator)
    return derived(view.snapshot, key, lambda: _lemma13_made(view))


def _lemma13_made(view: PanelView) -> _Lemma13:
    snapshot, line = view.snapshot, Line("lemma13_bound", "")
    start = snapshot.index_of(view.cursor)
    at_end = not 0 <= start < snapshot.rows - 1
    shown = rows_in_view(view)
    if at_end and view.estimator is None:
        return _Lemma13(step_series(view, line), *_last_known(view, shown, snapshot.column(line.metric)[shown]))
    begin = 0 if at_end else start
    # L of the starting row belongs to the step that led to it.
    rows = slice(max(begin - 1, 0), shown.stop)
    whole = pairings.lemma13(
        view.estimator or "step", snapshot.step[rows], _columns(view, rows), begin - rows.start, snapshot.config.f_star
    )
    shown = slice(max(begin, shown.start), rows.stop)
    values = whole[shown.start - rows.start :]
    return _Lemma13(row_series(view, shown, values, line), *_last_known(view, shown, values))


def _last_known(view: PanelView, rows: slice, values: Array) -> tuple[int, float]:
    """The last step of the window that has a value, and the value."""
    known = np.flatnonzero(np.isfinite(values) & (view.snapshot.step[rows] <= view.last))
    return (int(view.snapshot.step[rows][known[-1]]), float(values[known[-1]])) if known.size else (-1, math.nan)


def _columns(view: PanelView, rows: slice) -> dict[str, Array]:
    names = {"loss", "grad_norm", "lr", f"smoothness_{view.estimator or 'step'}"}
    return {name: view.snapshot.column(name)[rows] for name in names}
