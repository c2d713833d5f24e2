"""Routines called by address: what they compute, and that others run meanwhile."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from engine.measure import lapack
from tests.rounding import rounding


def positive(n: int, seed: int = 0) -> np.ndarray:
    a = np.random.default_rng(seed).normal(size=(n, n))
    return np.asfortranarray(a @ a.T + n * np.eye(n))


@pytest.mark.parametrize("n", [1, 2, 7, 200])
def test_a_factor_is_below_the_diagonal_and_what_lies_above_stays(n: int) -> None:
    matrix = positive(n)
    found = matrix.copy(order="K")
    assert lapack.factorise(found)
    lower = np.tril(found)
    np.testing.assert_allclose(lower @ lower.T, matrix, rtol=0, atol=rounding(n) * matrix.max())
    np.testing.assert_array_equal(np.triu(found, 1), np.triu(matrix, 1))


def test_what_is_not_positive_definite_has_no_factor() -> None:
    assert not lapack.factorise(np.asfortranarray([[1.0, 2.0], [2.0, 1.0]]))
    assert not lapack.factorise(np.zeros((1, 1), order="F"))


@pytest.mark.parametrize("transposed", [False, True])
def test_a_triangle_is_solved_in_place(transposed: bool) -> None:
    lower = np.asfortranarray(np.tril(np.random.default_rng(1).normal(size=(9, 9))) + 3 * np.eye(9))
    right = np.arange(1.0, 10.0)
    solution = right.copy()
    lapack.solve(np.asfortranarray(lower + np.triu(np.full((9, 9), 7.0), 1)), solution, transposed=transposed)
    # Off by no more than is rounded of the products that add up to it.
    scale = np.linalg.norm(lower) * np.linalg.norm(solution)
    found = (lower.T if transposed else lower) @ solution
    np.testing.assert_allclose(found, right, rtol=0, atol=rounding(9) * scale)


def test_a_gram_matrix_is_added_below_the_diagonal() -> None:
    rows = np.random.default_rng(2).normal(size=(6, 11))
    gram = np.asfortranarray(np.full((6, 6), 2.0))
    lapack.add_gram(gram, rows, 0.5)
    expected = np.tril(2.0 + 0.5 * rows @ rows.T) + np.triu(np.full((6, 6), 2.0), 1)
    np.testing.assert_allclose(gram, expected, rtol=0, atol=rounding(11) * np.linalg.norm(rows) ** 2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (30, 11), (5, 9), (1, 4), (6, 1)])
@pytest.mark.parametrize("rows", [1, 4, 1000])
def test_a_normal_product_is_the_same_in_blocks_of_any_height(
    dtype: type, order: str, shape: tuple[int, int], rows: int
) -> None:
    rng = np.random.default_rng(3)
    matrix, vector = np.array(rng.normal(size=shape), dtype, order=order), rng.normal(size=shape[1]).astype(dtype)
    product = lapack.normal_product(matrix, rows * shape[1] * matrix.itemsize)
    found = product(vector)
    assert found.dtype == dtype
    scale = np.linalg.norm(matrix) ** 2 * np.linalg.norm(vector)
    slack = rounding(sum(shape), dtype=dtype) * scale
    np.testing.assert_allclose(found, matrix.T @ (matrix @ vector), rtol=0, atol=slack)
    np.testing.assert_array_equal(found, product(vector), "nothing is left of the product before")
    matrix *= 2.0
    np.testing.assert_array_equal(product(vector), 4.0 * found)  # powers of 2 round nothing


def test_a_normal_product_takes_part_of_a_larger_matrix() -> None:
    whole = np.random.default_rng(4).normal(size=(9, 12))
    vector = np.arange(5.0)
    for part in (whole[:, :5], whole[::2, 3:8], whole.T[2:7, :5]):
        expected = part.T @ (part @ vector)
        for block_bytes in (64, 200):  # of a row, and of several
            found = lapack.normal_product(part, block_bytes)(vector)
            slack = rounding(sum(part.shape)) * np.linalg.norm(part) ** 2 * np.linalg.norm(vector)
            np.testing.assert_allclose(found, expected, rtol=0, atol=slack)


def test_other_threads_run_meanwhile() -> None:
    matrix, ticks, done = positive(2500), [], threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.002)

    other = threading.Thread(target=tick)
    other.start()
    try:
        began = time.perf_counter()
        assert lapack.factorise(matrix)
        ended = time.perf_counter()
    finally:
        done.set()
        other.join()
    assert sum(began < moment < ended for moment in ticks) >= 5
