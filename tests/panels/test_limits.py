"""What panels say of infinite width, random matrices, and ranks below n."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.catalogue import LAYER_METRICS
from engine.config import RunConfig
from tests.panels.synthetic import MemoryLayers, realistic, view_of
from wnt_tui.panels import ALL_PANELS
from wnt_tui.panels.moment import moment
from wnt_tui.theme.themes import make_palette
from wnt_tui.widgets.numbers import figures

PALETTE = make_palette()
WORDS = "rank ≤ width < n: λmin = 0"


def panel(number):
    return ALL_PANELS[number - 1]


def text_of(number, view):
    return "\n".join(strip.text for strip in panel(number).draw(view, PALETTE))


def with_layers(snapshot, **changes):
    layers = snapshot.layers
    columns = dict(layers.columns) | {name: change(layers.columns.get(name)) for name, change in changes.items()}
    return replace(snapshot, layers=MemoryLayers(layers.step, columns, layers.layers))


def first_row(snapshot, value):
    values = np.full((snapshot.rows, snapshot.config.depth + 1), np.nan)
    values[0, :-1] = value
    return lambda _: values


def known_kernel(value):
    names = ("ntk_log10_cond", "ntk_log10_cond_low", "ntk_log10_cond_high")
    return {name: np.full(81, value) for name in names}


def deficient(config=None, layers=slice(1, None)):
    """More examples than neurons, as the engine stores it: λ_min exactly 0, κ at the resolution."""
    snapshot = realistic(81, config or RunConfig(activation="tanh", width=100, examples=250))

    def zero(values):
        values = values.copy()
        values[:, layers] = 0.0
        return values

    def limit(values):
        values = values.copy()
        values[:, layers] = -np.log10(250 * np.finfo(float).eps)
        return values

    bounds = dict.fromkeys(("eq13_op", "eq13_fro", "eq13_features_op", "eq13_features", "eq13_weights"), zero)
    return with_layers(snapshot, lambda_min=zero, log10_cond=limit, **bounds)


def test_k_stands_beside_its_limit_at_infinite_width():
    snapshot = realistic()
    depth = snapshot.config.depth
    top = np.where(np.arange(depth) == depth - 1, 10**1.65, 1e9)
    snapshot = with_layers(
        snapshot,
        infinite_ntk_lambda_min=first_row(snapshot, 1.0),
        infinite_ntk_lambda_max=first_row(snapshot, top),
    )
    columns = dict(snapshot.columns) | known_kernel(1.77)
    assert "kernel 1.77, infinite width 1.65" in text_of(2, view_of(replace(snapshot, columns=columns)))
    only_limit = {name: v for name, v in columns.items() if not name.startswith("ntk")}
    assert "kernel" not in text_of(2, view_of(replace(snapshot, columns=only_limit)))


def test_of_an_older_session_without_the_limit_the_kernel_stands_alone():
    snapshot = realistic()
    columns = dict(snapshot.columns) | known_kernel(1.77)
    text = text_of(2, view_of(replace(snapshot, columns=columns)))
    assert "kernel 1.77" in text
    assert "kernel 1.77, infinite" not in text


def test_a_singular_limit_of_k_is_a_lower_bound():
    snapshot = realistic()
    snapshot = with_layers(
        snapshot, infinite_ntk_lambda_min=first_row(snapshot, 0.0), infinite_ntk_lambda_max=first_row(snapshot, 9.0)
    )
    columns = dict(snapshot.columns) | known_kernel(1.77)
    assert "infinite width ≥ 13" in text_of(2, view_of(replace(snapshot, columns=columns)))


def test_the_random_matrix_line_is_drawn_for_fewer_examples_than_neurons_only():
    assert "random matrix" in text_of(2, view_of(realistic()))
    for examples in (500, 501):
        config = RunConfig(activation="tanh", width=500, examples=examples)
        assert "random matrix" not in text_of(2, view_of(realistic(81, config)))


def test_the_random_matrix_line_is_kappa_of_gaussian_features_at_hidden_layers():
    view = view_of(realistic(81, RunConfig(activation="tanh", width=500, examples=250)))
    line = next(series for series in panel(2).series(view) if series.name == "random matrix")
    kappa = ((500**0.5 + 250**0.5) / (500**0.5 - 250**0.5)) ** 2
    np.testing.assert_allclose(line.y, np.log10(kappa))
    np.testing.assert_array_equal(line.x, np.arange(1, 9))
    assert line.optional


def test_a_line_that_would_squeeze_the_axis_is_named_and_not_drawn():
    snapshot = with_layers(
        realistic(),
        log10_cond=lambda values: 0.3 + 0.01 * values,
        lambda_min=lambda values: values * 0 + 0.1,
        infinite_lambda_min=lambda values: values * 0 + 1.0,
        infinite_lambda_max=lambda values: values * 0 + 2.0,
        definition6_lambda_max=lambda values: values * 0 + 1e9,
    )
    text = text_of(2, view_of(snapshot, width=76))
    assert "bound ↑ off scale" in text
    assert "random matrix ↑ off scale" in text


def test_a_rank_below_n_is_named_in_words():
    view = view_of(deficient(), layer=4)
    assert WORDS in text_of(2, view)
    assert WORDS in text_of(5, view)
    assert WORDS in panel(5).subtitle(view)
    assert WORDS in panel(3).subtitle(view)
    assert "rank" in text_of(3, view)
    assert "λmin 0" in panel(5).subtitle(view)


def test_with_a_rank_below_n_conditioning_is_a_lower_bound_wherever_it_is_shown():
    view = view_of(deficient(), layer=4)
    assert "now ≥ 13.26" in panel(2).subtitle(view)
    assert "step 0 ≥ 13.26" in panel(2).subtitle(view_of(deficient(), layer=4, width=76))
    assert "layer 4: ≥ 13.26" in panel(3).subtitle(view)
    assert "worst ≥ 13.3 at" in panel(3).subtitle(replace(view, width=120))
    assert "layer 4: log₁₀κ(G) ≥ 13.3" in figures(view.snapshot, 80, 4)
    assert "layer 0: log₁₀κ(G) ≈ 5" in " ".join(figures(view.snapshot, 80, 0))


def test_a_layer_of_full_rank_is_not_called_deficient():
    for snapshot in (realistic(), realistic(81, RunConfig(activation="tanh", width=250, examples=250))):
        for number in (2, 3, 5):
            view = view_of(snapshot, layer=4)
            assert "rank" not in text_of(number, view)
            assert "rank" not in panel(number).subtitle(view)
    input_layer = view_of(deficient(), layer=0)
    assert "rank" not in text_of(5, input_layer)
    assert "rank" not in panel(3).subtitle(input_layer)


def test_an_input_with_fewer_columns_than_examples_is_called_deficient_too():
    snapshot = deficient(RunConfig(activation="tanh"), slice(0, 1))
    assert "rank < n: λmin = 0" in text_of(5, view_of(snapshot, layer=0))
    assert "rank" not in text_of(5, view_of(snapshot, layer=3))
    assert "input: rank < n" in text_of(2, view_of(snapshot, layer=3))


def test_where_not_only_the_rank_makes_lambda_min_vanish_no_rank_is_named():
    snapshot = deficient()
    resolution = snapshot.layers.columns["lambda_resolution"]
    snapshot = with_layers(snapshot, lambda_min=lambda v: np.where(np.arange(10) == 0, 0.5 * resolution, v))
    assert "(λmin may be 0)" in text_of(2, view_of(snapshot, layer=4))
    assert WORDS in panel(5).subtitle(view_of(snapshot, layer=4))


def test_on_a_logarithmic_axis_a_singular_layer_points_to_the_linear_one():
    assert "l: linear" in " ".join(text_of(5, view_of(deficient(), layer=4)).split())
    assert "l: linear" not in text_of(5, view_of(deficient(), layer=4, log=False))


@pytest.mark.parametrize("entry", [entry for entry in LAYER_METRICS if entry.scope == "initial"], ids=lambda e: e.name)
def test_a_step_where_only_step_0s_lines_are_known_is_not_taken_for_measured(entry):
    snapshot = realistic(1)
    layers = {entry.name: np.ones((1, snapshot.config.depth + 1))}
    lonely = replace(snapshot, layers=MemoryLayers(snapshot.step, layers, snapshot.config.depth + 1))
    assert moment(view_of(lonely, cursor=0)).values == {}
