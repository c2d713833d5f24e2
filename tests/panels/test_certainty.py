"""What is not resolved says so on the screen, by its interval."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.panels.synthetic import realistic
from tests.panels.test_panels import panel, text_of, view_of
from wnt_tui.charts.number_format import value_text
from wnt_tui.panels.series import Line, step_series
from wnt_tui.widgets.numbers import figures


def changed(**columns):
    snapshot = realistic()
    full = {name: np.full(snapshot.rows, float(value)) for name, value in columns.items()}
    return replace(snapshot, columns=dict(snapshot.columns) | full)


@pytest.mark.parametrize(
    ("name", "values", "text"),
    [
        ("ntk_log10_cond", {"ntk_log10_cond": 4.0}, "≈ 4.00"),
        ("ntk_log10_cond", {"ntk_log10_cond": 4.0, "ntk_log10_cond_low": 3.9, "ntk_log10_cond_high": 7.0}, "≥ 3.90"),
        ("ntk_lambda_min", {"ntk_lambda_min": 1.0, "ntk_lambda_min_low": 0.0, "ntk_lambda_min_high": 1.1}, "≤ 1.10"),
        (
            "ntk_lambda_min",
            {"ntk_lambda_min": 1.0, "ntk_lambda_min_low": 0.8, "ntk_lambda_min_high": 1.1},
            "1.00 [0.8, 1.1]",
        ),
        ("ntk_lambda_min", {"ntk_lambda_min": 1.0, "ntk_lambda_min_low": 0.999, "ntk_lambda_min_high": 1.0}, "1.00"),
        ("ntk_lambda_min", {"ntk_lambda_min": 1.0, "ntk_residual": 2.0}, "≤ 2.00"),
        ("smoothness_hessian", {"smoothness_hessian": 1.0, "smoothness_hessian_low": 0.99}, "≥ 0.990"),
        ("smoothness_hessian", {"smoothness_hessian": 1.0, "smoothness_hessian_residual": 2.0}, "≥ 1.00"),
        ("unstable_directions", {"unstable_directions": 2.0}, "≥ 2.00"),
        ("smoothness_step", {"smoothness_step": 1.0, "smoothness_step_resolution": 2.0}, "1.00 ± 2.0"),
        ("smoothness_step", {"smoothness_step": 1.0, "smoothness_step_resolution": 0.5}, "≈ 1.00"),
        ("ntk_lambda_min", {}, "—"),
    ],
)
def test_a_number_is_written_with_what_is_certain_of_it(name, values, text):
    assert value_text(name, values, "estimate", examples=20) == text


def test_a_kernel_that_is_not_resolved_has_a_lower_bound_in_the_panel_and_among_the_key_numbers():
    known = {"ntk_log10_cond": 6.7, "ntk_log10_cond_low": 6.7}
    for high, panel_text, figure in (
        (np.inf, "kernel ≥ 6.70", "log₁₀κ(K) ≥ 6.70"),
        (6.701, "kernel 6.70", "log₁₀κ(K) 6.70"),
    ):
        snapshot = changed(ntk_log10_cond_high=high, **known)
        assert panel_text in text_of(panel(2), view_of(snapshot))
        assert figure in figures(snapshot, 80, 4)


def test_the_hessian_is_a_lower_bound_whatever_its_residual():
    snapshot = changed(smoothness_hessian=8.0, smoothness_hessian_low=8.0, smoothness_hessian_residual=0.0)
    assert "L ≥ 8.00" in panel(6).subtitle(view_of(snapshot))
    assert "λ_max(∇²f) ≥ 8.00" in figures(snapshot, 80, 4)


def test_a_step_smoothness_below_its_resolution_is_written_with_it_and_not_drawn():
    nothing = {"smoothness_hessian": np.nan, "smoothness_ggn": np.nan, "smoothness_secant": np.nan}
    coarse = changed(smoothness_step=2.0, smoothness_step_resolution=3.0, **nothing)
    assert "L_step 2.00 ± 3.0" in panel(6).subtitle(view_of(coarse, width=100))
    fine = changed(smoothness_step=2.0, smoothness_step_resolution=1.0, **nothing)
    drawn = [step_series(view_of(snapshot), Line("smoothness_step", "step")).y for snapshot in (coarse, fine)]
    assert [bool(np.isfinite(line).any()) for line in drawn] == [False, True]


def test_sessions_that_are_compared_are_marked_alike():
    one, other = (changed(smoothness_hessian=value, smoothness_hessian_low=value) for value in (8.0, 9.0))
    assert "L A ≥ 8.000 B ≥ 9.000" in panel(6).subtitle(view_of(one, others=(other,), width=120))


def test_directions_above_the_edge_of_stability_are_said_in_words():
    for count, words in ((0, "no direction found above 2/η"), (1, "at least 1 direction above 2/η"),
                         (3, "at least 3 directions above 2/η")):  # fmt: skip
        assert words in text_of(panel(6), view_of(changed(unstable_directions=count), width=80))
    assert "above 2/η" not in text_of(panel(6), view_of(changed(unstable_directions=np.nan), width=80))


def test_both_ends_of_an_eigenvalue_are_shown_where_they_matter():
    snapshot = realistic()
    layers = snapshot.layers
    smallest = layers.columns["lambda_min"]
    for share, shown in ((0.9, True), (0.999, False)):
        ends = {"lambda_min_low": smallest * share, "lambda_min_high": smallest}
        enclosed = replace(snapshot, layers=type(layers)(layers.step, dict(layers.columns) | ends, layers.layers))
        text = panel(5).subtitle(view_of(enclosed, width=100))
        assert ("[" in text) == shown
        # An interval that says enough is no mere lower bound on κ.
        assert "≥" not in panel(2).subtitle(view_of(enclosed))
