from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.theory.gershgorin import Gershgorin, gershgorin
from tests.rounding import rounding


def test_a_matrix_by_hand() -> None:
    discs = gershgorin([[3.0, -1.0, 0.5], [-1.0, 2.0, 0.25], [0.5, 0.25, 5.0]])
    assert discs == Gershgorin(row_sum=1.5, min_diag=2.0, max_offdiag=0.5, max_abs_offdiag=1.0, lower=0.75, upper=5.75)


def test_discs_are_those_of_rows() -> None:
    # Told apart from columns by a matrix that is not symmetric; Gershgorin's theorem holds for it as well.
    discs = gershgorin([[3.0, -1.0], [0.0, 2.0]])
    assert discs == Gershgorin(row_sum=1.0, min_diag=2.0, max_offdiag=0.0, max_abs_offdiag=1.0, lower=2.0, upper=4.0)


def test_a_single_example_has_no_off_diagonal() -> None:
    discs = gershgorin([[2.0]])
    assert (discs.row_sum, discs.lower, discs.upper) == (0.0, 2.0, 2.0)
    assert math.isnan(discs.max_offdiag)
    assert math.isnan(discs.max_abs_offdiag)


@given(seed=st.integers(0, 10**6), n=st.integers(1, 15), width=st.integers(1, 30))
def test_the_enclosure_contains_the_spectrum_and_is_tighter_row_by_row(seed: int, n: int, width: int) -> None:
    a = np.random.default_rng(seed).normal(size=(n, width))
    gram = a @ a.T / width
    discs = gershgorin(gram)
    eigenvalues = np.linalg.eigvalsh(gram)
    slack = rounding(n + width) * discs.upper
    assert discs.lower <= eigenvalues[0] + slack
    assert eigenvalues[-1] <= discs.upper + slack
    assert discs.lower >= discs.min_diag - discs.row_sum - slack
    assert discs.upper <= gram.diagonal().max() + discs.row_sum + slack


def test_off_diagonal_entries_that_are_all_negative_have_a_negative_largest() -> None:
    discs = gershgorin([[1.0, -3.0, -2.0], [-3.0, 1.0, -5.0], [-2.0, -5.0, 1.0]])
    assert (discs.max_offdiag, discs.max_abs_offdiag, discs.row_sum) == (-2.0, 5.0, 8.0)


@given(seed=st.integers(0, 10**6))
def test_permuting_examples_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a = rng.integers(-8, 9, size=(6, 4)).astype(float)
    order = rng.permutation(6)
    gram = a @ a.T
    assert gershgorin(gram) == gershgorin(gram[np.ix_(order, order)])


def test_a_matrix_of_more_than_one_block_of_rows_has_the_same_discs() -> None:
    a = np.random.default_rng(0).normal(size=(600, 600))
    matrix = a + a.T
    found = gershgorin(matrix)
    off = matrix - np.diag(np.diag(matrix))
    radii = np.abs(off).sum(axis=1)
    assert found.row_sum == pytest.approx(radii.max(), rel=rounding(600))
    assert found.lower == pytest.approx((np.diag(matrix) - radii).min(), rel=rounding(600))
    assert found.upper == pytest.approx((np.diag(matrix) + radii).max(), rel=rounding(600))
    assert found.max_offdiag == off.max()
    assert found.max_abs_offdiag == np.abs(off).max()
    # What is largest may lie in the last rows and columns, or on the diagonal, where it does not count.
    matrix[580, 590] = matrix[590, 580] = -50.0
    matrix[595, 585] = matrix[585, 595] = 40.0
    matrix[10, 10] = 100.0
    assert gershgorin(matrix).max_abs_offdiag == 50.0
    assert gershgorin(matrix).max_offdiag == 40.0
