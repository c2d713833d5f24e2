"""Panels 1 and 7 with every estimator of L, and Lemma 13 from the cursor."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from engine.catalogue.numerals import significant
from engine.config import RunConfig
from engine.theory import pairings
from engine.theory.pairings import ESTIMATORS, FORMULAS
from tests.panels.synthetic import empty, only, realistic, view_of
from wnt_tui.charts.number_format import signed
from wnt_tui.panels import ALL_PANELS
from wnt_tui.panels.pairing import ESTIMATOR_NAMES, lemma13_series, lemma13_text, metric_series, metric_text
from wnt_tui.panels.series import Line
from wnt_tui.theme.themes import make_palette

PALETTE = make_palette()
LOSS, PREDICTION = ALL_PANELS[0], ALL_PANELS[6]
LEMMA13 = Line("lemma13_bound", "lemma 13")


def text_of(panel, view):
    return "\n".join(strip.text for strip in panel.draw(view, PALETTE))


def derived(snapshot, formula, estimator):
    return pairings.pair(formula, estimator, snapshot.step, snapshot.columns, snapshot.config.f_star)


def stored_lemma13(snapshot, value=7.0):
    return replace(snapshot, columns=dict(snapshot.columns) | {"lemma13_bound": np.full(snapshot.rows, value)})


def test_without_a_choice_the_stored_columns_are_shown_under_the_names_of_their_pairings():
    snapshot = realistic(81, RunConfig(activation="tanh", loss="cross_entropy"))
    view = view_of(snapshot)
    for formula in FORMULAS:
        line = metric_series(view, Line(f"ratio_{formula}", "words"))
        np.testing.assert_array_equal(line.y, snapshot.column(f"ratio_{formula}"))
    text = text_of(PREDICTION, view)
    for words in ("descent (step)", "lemma 1 (Hessian)", "lemma 10 (Hessian)"):
        assert words in text


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("window", [(0, 80), (31, 47)])
def test_a_chosen_estimator_pairs_every_formula_inside_every_window(estimator, window):
    snapshot = realistic(81, RunConfig(activation="tanh", f_star=0.001))
    view = view_of(snapshot, first=window[0], last=window[1], cursor=40, estimator=estimator)
    for formula in FORMULAS:
        expected = derived(snapshot, formula, estimator)
        for name, whole in ((f"ratio_{formula}", expected.ratio), (f"predicted_{formula}", expected.predicted)):
            line = metric_series(view, Line(name, "words"))
            assert line.x[0] <= window[0]
            assert line.x[-1] >= window[1]
            np.testing.assert_array_equal(line.y, whole[line.x.astype(int)])
            assert metric_text(view, name) == signed(float(whole[40]), "heuristic", 4)
    decrease = derived(snapshot, "descent", estimator).decrease_ratio
    assert metric_text(view, "decrease_ratio") == signed(float(decrease[40]), "heuristic", 4)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_chosen_estimator_is_named_and_called_heuristic(estimator):
    view = view_of(realistic(), cursor=40, estimator=estimator, width=76)
    for panel in (LOSS, PREDICTION):
        assert f"L = {ESTIMATOR_NAMES[estimator]}, heuristic" in text_of(panel, view)
        assert "heuristic" in panel.subtitle(view)


def test_an_estimator_that_is_not_there_says_why():
    core = RunConfig(activation="relu", measure="core")
    snapshot = realistic(81, core)
    columns = {name: v for name, v in snapshot.columns.items() if name not in {"smoothness_hessian", "smoothness_ggn"}}
    snapshot = replace(snapshot, columns=columns)
    assert "L = GGN: --measure all" in text_of(PREDICTION, view_of(snapshot, estimator="ggn"))
    assert "L = bound: not defined for ReLU" in text_of(PREDICTION, view_of(snapshot, estimator="bound"))


def test_the_step_estimator_needs_no_measurement():
    config = RunConfig(measure="none")
    snapshot = only(realistic(), {"loss", "accuracy", "grad_norm", "lr", "step_seconds"}, config)
    view = view_of(snapshot, cursor=40, estimator="step")
    assert np.isfinite(metric_series(view, Line("ratio_descent", "descent")).y[2:]).all()
    assert "descent " in PREDICTION.subtitle(view)


@pytest.mark.parametrize("estimator", [None, *ESTIMATORS])
@pytest.mark.parametrize("cursor", [0, 1, 37, 79])
def test_lemma_13_is_drawn_from_the_cursor_on(estimator, cursor):
    snapshot = stored_lemma13(realistic())
    line = lemma13_series(view_of(snapshot, cursor=cursor, estimator=estimator), LEMMA13)
    whole = pairings.lemma13(estimator or "step", snapshot.step, snapshot.columns, cursor)
    assert line.name == "lemma 13"
    assert line.x[0] == cursor
    assert line.y[0] == snapshot.columns["loss"][cursor]
    np.testing.assert_array_equal(line.y, whole[cursor:])


@pytest.mark.parametrize("cursor", [80, 200])
def test_lemma_13_is_the_stored_line_from_step_0_where_the_cursor_is_at_the_end(cursor):
    snapshot = stored_lemma13(realistic())
    view = view_of(snapshot, cursor=cursor)
    np.testing.assert_array_equal(lemma13_series(view, LEMMA13).y, np.full(81, 7.0))
    assert lemma13_text(view_of(snapshot, cursor=80)) == "Lemma 13 7.00 heuristic"


def test_at_the_end_a_chosen_estimator_draws_lemma_13_from_step_0():
    snapshot = stored_lemma13(realistic())
    line = lemma13_series(view_of(snapshot, cursor=80, estimator="hessian"), LEMMA13)
    np.testing.assert_array_equal(line.y, pairings.lemma13("hessian", snapshot.step, snapshot.columns, 0))


def test_a_zoomed_window_shows_the_same_line_of_lemma_13():
    snapshot = realistic()
    whole = lemma13_series(view_of(snapshot, cursor=37, estimator="secant"), LEMMA13)
    part = lemma13_series(view_of(snapshot, cursor=37, first=30, last=45, estimator="secant"), LEMMA13)
    np.testing.assert_array_equal(part.y, whole.y[: part.y.size])
    assert part.x[-1] >= 45
    at_end = view_of(snapshot, cursor=80, first=70, last=80, estimator="secant")
    full = lemma13_series(view_of(snapshot, cursor=80, estimator="secant"), LEMMA13)
    np.testing.assert_array_equal(lemma13_series(at_end, LEMMA13).y, full.y[-lemma13_series(at_end, LEMMA13).y.size :])


def test_where_its_line_starts_at_the_cursor_lemma_13_is_shown_at_the_end_of_it():
    snapshot = realistic()
    view = view_of(snapshot, cursor=37, width=76)
    end = float(pairings.lemma13("step", snapshot.step, snapshot.columns, 37)[80])
    assert f"Lemma 13 at step 80 {significant(end, 3)} heuristic" in LOSS.subtitle(view)
    assert "lemma 13" in text_of(LOSS, view)


def test_before_the_first_row_and_on_one_row_nothing_is_derived_and_nothing_breaks():
    for snapshot in (empty(), realistic(1), realistic(2)):
        for estimator in (None, *ESTIMATORS):
            for cursor in (-3, 0, 1, 9):
                view = view_of(snapshot, cursor=cursor, estimator=estimator)
                for panel in (LOSS, PREDICTION):
                    assert len(panel.draw(view, PALETTE)) == view.height
                    panel.subtitle(view)
                assert not math.isinf(len(lemma13_text(view)))


def test_only_the_panels_with_predictions_depend_on_the_estimator():
    assert [panel for panel in ALL_PANELS if panel.paired] == [LOSS, PREDICTION]
