from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.catalogue import LAYER_COLUMNS, LAYER_METRICS
from engine.config import RunConfig
from engine.model.mlp import initialise
from engine.theory.dual import cosines_of, nngp, ntk
from engine.theory.infinite_width import definition6_line, infinite_kernel_lines, infinite_width_lines, lemma12_line
from tests.closed_form.functions import NAMES
from tests.closed_form.kernels import kernel_of
from tests.rounding import rounding

_KERNEL = ("infinite_ntk_lambda_min", "infinite_ntk_lambda_max")


def test_lemma12_has_the_known_values() -> None:
    line = lemma12_line(0.1, "relu", 5)
    np.testing.assert_allclose(line, [0.1, 0.132702, 0.173240, 0.222107, 0.279205], atol=6e-7)


def test_lemma12_starts_between_zero_and_one_whatever_rounding_made_of_its_start() -> None:
    np.testing.assert_array_equal(lemma12_line(-1e-16, "relu", 3), 0.0)
    np.testing.assert_array_equal(lemma12_line(1.0 + 1e-15, "relu", 3), 1.0)
    np.testing.assert_array_equal(lemma12_line(1.0 + 1e-15, "tanh", 3), 1.0)


def test_lines_carry_the_catalogues_names_and_end_with_nan_at_the_output() -> None:
    lines = infinite_width_lines(np.random.default_rng(0).normal(size=(5, 9)), "relu", 4)
    assert set(lines) <= set(LAYER_COLUMNS)
    for line in lines.values():
        assert line.shape == (5,)
        assert np.all(np.isfinite(line[:4]))
        assert np.isnan(line[4])


@pytest.mark.parametrize("activation", NAMES)
@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 12), d=st.integers(1, 20))
def test_lemma12_and_definition6_enclose_the_spectrum_at_every_layer(
    activation: str, seed: int, n: int, d: int
) -> None:
    rows = np.random.default_rng(seed).normal(size=(n, d))
    lines = infinite_width_lines(rows, activation, 8)
    low, high = lines["infinite_lambda_min"][:8], lines["infinite_lambda_max"][:8]
    assert np.all(lines["lemma12_lambda_min"][:8] <= low + 1e-12)
    assert np.all(high <= lines["definition6_lambda_max"][:8] + 1e-12)
    for m, sigma in enumerate(nngp(cosines_of(rows), activation, 8)):
        eigenvalues = np.linalg.eigvalsh(sigma)
        assert high[m] == pytest.approx(eigenvalues[-1])
        assert low[m] == pytest.approx(eigenvalues[0], abs=rounding(max(n, 16)) * eigenvalues[-1])


@pytest.mark.parametrize("activation", NAMES)
def test_duplicated_examples_give_exactly_zero_at_every_layer(activation: str) -> None:
    rows = np.random.default_rng(0).normal(size=(20, 700))
    rows[7] = 1.7 * rows[3]
    lines = infinite_width_lines(rows, activation, 30)
    np.testing.assert_array_equal(lines["infinite_lambda_min"][:30], 0.0)
    np.testing.assert_array_equal(lines["lemma12_lambda_min"][:30], 0.0)
    np.testing.assert_array_equal(lines["definition6_lambda_max"][:30], 20.0)


def test_depth_separates_what_is_not_duplicated() -> None:
    rows = np.random.default_rng(0).normal(size=(20, 100))
    lines = infinite_width_lines(rows, "relu", 30)
    assert np.all(np.diff(lines["infinite_lambda_min"][:30]) > 0.0)
    assert np.all(np.diff(lines["infinite_lambda_max"][:30]) < 0.0)


def test_a_single_example_has_all_lines_at_one() -> None:
    for line in infinite_width_lines(np.ones((1, 3)), "tanh", 3).values():
        np.testing.assert_array_equal(line[:3], 1.0)


def test_a_row_of_zeros_has_no_lines() -> None:
    for line in infinite_width_lines(np.eye(3) * [1, 1, 0], "tanh", 3).values():
        assert np.isnan(line).all()


def test_definition6_starts_from_the_separation_of_the_inputs() -> None:
    assert definition6_line(0.5, 11, "relu", 2) == pytest.approx([6.0, 1.0 + 10.0 * 0.42642234], rel=1e-7)


def test_the_two_sets_of_lines_are_the_catalogues_initial_metrics() -> None:
    rows = np.random.default_rng(0).normal(size=(5, 9))
    lines = infinite_width_lines(rows, "relu", 4) | infinite_kernel_lines(rows, "relu", 4, 8)
    assert set(lines) == {entry.name for entry in LAYER_METRICS if entry.scope == "initial"}


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("activation", NAMES)
@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 12), d=st.integers(1, 20), width=st.integers(1, 500))
def test_kernel_lines_are_the_extremes_of_the_recursion_in_the_runs_widths(
    activation: str, bias: bool, seed: int, n: int, d: int, width: int
) -> None:
    rows = np.random.default_rng(seed).normal(size=(n, d))
    lines = infinite_kernel_lines(rows, activation, 6, width, bias=bias)
    for name in _KERNEL:
        assert lines[name].shape == (7,)
        assert np.isnan(lines[name][6])
    for m, theta in enumerate(ntk(cosines_of(rows), activation, [d, *[width] * 5], bias=bias)):
        eigenvalues = np.linalg.eigvalsh(theta)
        assert lines["infinite_ntk_lambda_max"][m] == pytest.approx(eigenvalues[-1])
        slack = rounding(max(n, 16)) * eigenvalues[-1]
        assert lines["infinite_ntk_lambda_min"][m] == pytest.approx(eigenvalues[0], abs=slack)


@pytest.mark.parametrize("activation", NAMES)
@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 10), d=st.integers(1, 20))
def test_the_limits_chain_holds_from_features_to_kernel_and_biases_only_add(activation: str, seed: int, n: int, d: int):
    rows = np.random.default_rng(seed).normal(size=(n, d))
    width, depth = 40, 6
    features = infinite_width_lines(rows, activation, depth)
    plain = infinite_kernel_lines(rows, activation, depth, width)
    biased = infinite_kernel_lines(rows, activation, depth, width, bias=True)
    slack = 1e-12 * biased["infinite_ntk_lambda_max"][:depth]
    widths = np.array([d, *[width] * (depth - 1)])
    low = widths * features["infinite_lambda_min"][:depth]
    # Each Θ^m is width·Σ^m and something positive semidefinite, and biases add another such.
    assert np.all(low <= plain["infinite_ntk_lambda_min"][:depth] + slack)
    for name in _KERNEL:
        assert np.all(plain[name][:depth] <= biased[name][:depth] + slack)


@pytest.mark.parametrize("activation", NAMES)
def test_duplicated_examples_give_a_singular_limit_of_the_kernel_at_every_layer(activation: str) -> None:
    rows = np.random.default_rng(0).normal(size=(20, 700))
    rows[7] = rows[3]
    lines = infinite_kernel_lines(rows, activation, 30, 1000, bias=True)
    np.testing.assert_array_equal(lines["infinite_ntk_lambda_min"][:30], 0.0)


def test_a_row_of_zeros_has_no_lines_of_the_kernel() -> None:
    for line in infinite_kernel_lines(np.eye(3) * [1, 1, 0], "tanh", 3, 5).values():
        assert np.isnan(line).all()


def _kernel_error(width: int, activation: str, *, bias: bool, renormalize: bool) -> float:
    """Largest relative distance of K's two extremes from those of Θ^{L−1}, the mean over networks."""
    n, d, depth, classes = 6, 8, 4, 2
    x = np.random.default_rng(5).normal(size=(n, d))
    x *= np.sqrt(d) / np.linalg.norm(x, axis=1, keepdims=True)
    errors = []
    for seed in range(4):
        config = RunConfig(
            width=width, depth=depth, activation=activation, renormalize=renormalize, bias=bias, seed=seed,
            dtype="float64",
        )  # fmt: skip
        model = initialise(config, d, classes, torch.device("cpu"))
        run = model.forward(torch.as_tensor(x))
        found = torch.linalg.eigvalsh(kernel_of(run))
        lines = infinite_kernel_lines(x, activation, depth, width, bias=bias)
        low, high = (float(lines[name][depth - 1]) for name in _KERNEL)
        errors.append(max(abs(float(found[0]) / low - 1), abs(float(found[-1]) / high - 1)))
    return float(np.mean(errors))


@pytest.mark.parametrize(
    ("activation", "bias", "renormalize"),
    [("relu", False, False), ("tanh", True, False), ("relu", True, True), ("tanh", False, True), ("gelu", True, False)],
)
def test_the_tangent_kernel_of_a_network_approaches_its_limit_as_the_width_grows(
    activation: str, bias: bool, renormalize: bool
) -> None:
    narrow, middle, wide = (
        _kernel_error(width, activation, bias=bias, renormalize=renormalize) for width in (32, 256, 2048)
    )
    # 1/√width: each eightfold width leaves about a third.
    assert narrow > middle > wide
    assert wide < 0.2
    assert wide < 0.35 * narrow


@pytest.mark.parametrize("activation", NAMES)
def test_of_biases_only_the_run_with_biases_has_the_kernel_with_their_share(activation: str) -> None:
    """In a narrow input the bias is half of the first layer's kernel: its omission would be seen."""
    rows = np.array([[1.0], [-1.0]])
    with_bias = infinite_kernel_lines(rows, activation, 2, 3, bias=True)
    assert with_bias["infinite_ntk_lambda_min"][0] == pytest.approx(2.0)
    assert with_bias["infinite_ntk_lambda_max"][0] == pytest.approx(2.0)
    without = infinite_kernel_lines(rows, activation, 2, 3)
    assert without["infinite_ntk_lambda_min"][0] == 0.0
