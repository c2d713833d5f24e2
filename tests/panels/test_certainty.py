"""What is not resolved says so on the screen, by its residual or resolution."""

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
        ("ntk_log10_cond", {"ntk_log10_cond": 4.0, "ntk_lambda_min": 1.0, "ntk_residual": 2.0}, "≥ 4.00"),
        ("ntk_lambda_min", {"ntk_lambda_min": 1.0, "ntk_residual": 2.0}, "≤ 2.00"),
        ("smoothness_hessian", {"smoothness_hessian": 1.0, "smoothness_hessian_residual": 2.0}, "≥ 1.00"),
        ("smoothness_step", {"smoothness_step": 1.0, "smoothness_step_resolution": 2.0}, "1.00 ± 2.0"),
        ("smoothness_step", {"smoothness_step": 1.0, "smoothness_step_resolution": 0.5}, "≈ 1.00"),
        ("ntk_lambda_min", {}, "—"),
    ],
)
def test_a_number_is_written_with_what_is_certain_of_it(name, values, text):
    assert value_text(name, values, "estimate", examples=20) == text


def test_a_kernel_that_is_not_resolved_has_a_lower_bound_in_the_panel_and_among_the_key_numbers():
    known = {"ntk_lambda_min": 1e-6, "ntk_lambda_max": 1e4, "ntk_log10_cond": 6.7}
    for residual, panel_text, figure in (
        (1e-3, "kernel ≥ 6.70", "log₁₀κ(K) ≥ 6.70"),
        (1e-9, "kernel ≈ 6.70", "log₁₀κ(K) ≈ 6.70"),
    ):
        snapshot = changed(ntk_residual=residual, **known)
        assert panel_text in text_of(panel(2), view_of(snapshot))
        assert figure in figures(snapshot, 80, 4)


def test_a_hessian_whose_residual_is_as_large_as_its_value_is_a_lower_bound():
    snapshot = changed(smoothness_hessian=8.0, smoothness_hessian_residual=9.0)
    assert "L ≥ 8.00" in panel(6).subtitle(view_of(snapshot))
    assert "λ_max(∇²f) ≥ 8.00" in figures(snapshot, 80, 4)
    assert "L ≈ 8.00" in panel(6).subtitle(view_of(changed(smoothness_hessian=8.0, smoothness_hessian_residual=7.0)))


def test_a_step_smoothness_below_its_resolution_is_written_with_it_and_not_drawn():
    nothing = {"smoothness_hessian": np.nan, "smoothness_ggn": np.nan, "smoothness_secant": np.nan}
    coarse = changed(smoothness_step=2.0, smoothness_step_resolution=3.0, **nothing)
    assert "L_step 2.00 ± 3.0" in panel(6).subtitle(view_of(coarse, width=100))
    fine = changed(smoothness_step=2.0, smoothness_step_resolution=1.0, **nothing)
    drawn = [step_series(view_of(snapshot), Line("smoothness_step", "step")).y for snapshot in (coarse, fine)]
    assert [bool(np.isfinite(line).any()) for line in drawn] == [False, True]


def test_sessions_that_are_compared_are_marked_alike():
    coarse = changed(smoothness_hessian=8.0, smoothness_hessian_residual=9.0)
    fine = changed(smoothness_hessian=8.0, smoothness_hessian_residual=7.0)
    assert "L A ≥ 8.000 B ≈ 8.000" in panel(6).subtitle(view_of(coarse, others=(fine,), width=120))
