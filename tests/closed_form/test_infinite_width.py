from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.catalogue import LAYER_COLUMNS
from engine.theory.dual import cosines_of, nngp
from engine.theory.infinite_width import definition6_line, infinite_width_lines, lemma12_line


def test_lemma12_has_the_known_values() -> None:
    line = lemma12_line(0.1, "relu", 5)
    np.testing.assert_allclose(line, [0.1, 0.132702, 0.173240, 0.222107, 0.279205], atol=6e-7)


def test_lines_carry_the_catalogues_names_and_end_with_nan_at_the_output() -> None:
    lines = infinite_width_lines(np.random.default_rng(0).normal(size=(5, 9)), "relu", 4)
    assert set(lines) <= set(LAYER_COLUMNS)
    for line in lines.values():
        assert line.shape == (5,)
        assert np.all(np.isfinite(line[:4]))
        assert np.isnan(line[4])


@pytest.mark.parametrize("activation", ["relu", "tanh"])
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
        assert low[m] == pytest.approx(eigenvalues[0], abs=1e-13)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
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
