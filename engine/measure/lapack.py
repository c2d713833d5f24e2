"""BLAS and LAPACK of scipy, called so that other threads run meanwhile.

scipy's own wrappers of these routines keep the interpreter locked while they compute, so that layers measured in
threads would wait for each other. What scipy offers to compiled code are the addresses of the same routines, and a call
through ctypes lets the interpreter go. What is changed is changed in place, in Fortran's order and in float64.

The reference is LAPACK Users' Guide; the addresses are those of :mod:`scipy.linalg.cython_blas` and ``cython_lapack``.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cython_blas, cython_lapack

Array = NDArray[np.float64]

_CHAR, _INT, _FLOAT, _DOUBLE, _ARRAY = (
    ctypes.c_char_p,
    ctypes.POINTER(ctypes.c_int),
    ctypes.POINTER(ctypes.c_float),
    ctypes.POINTER(ctypes.c_double),
    ctypes.c_void_p,
)


def _routine(module: Any, name: str, *arguments: Any) -> Callable[..., None]:
    capsule = module.__pyx_capi__[name]
    name_of, pointer_of = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    name_of.restype, name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return ctypes.CFUNCTYPE(None, *arguments)(pointer_of(capsule, name_of(capsule)))


_DPOTRF = _routine(cython_lapack, "dpotrf", _CHAR, _INT, _ARRAY, _INT, _INT)
_DTRTRS = _routine(cython_lapack, "dtrtrs", _CHAR, _CHAR, _CHAR, _INT, _INT, _ARRAY, _INT, _ARRAY, _INT, _INT)
_DSYRK = _routine(cython_blas, "dsyrk", _CHAR, _CHAR, _INT, _INT, _DOUBLE, _ARRAY, _INT, _DOUBLE, _ARRAY, _INT)
_SGEMV = _routine(cython_blas, "sgemv", _CHAR, _INT, _INT, _FLOAT, _ARRAY, _INT, _ARRAY, _INT, _FLOAT, _ARRAY, _INT)
_DGEMV = _routine(cython_blas, "dgemv", _CHAR, _INT, _INT, _DOUBLE, _ARRAY, _INT, _ARRAY, _INT, _DOUBLE, _ARRAY, _INT)


def factorise(matrix: Array) -> bool:
    """Replace the lower triangle of a symmetric matrix by its Cholesky factor L (dpotrf).

    Args:
        matrix: Shape (n, n), in Fortran's order; what lies above the diagonal is neither read nor changed.

    Returns:
        Whether it is positive definite; if not, the lower triangle is left half done.
    """
    n, failed = ctypes.c_int(len(matrix)), ctypes.c_int()
    _DPOTRF(b"L", n, _address(matrix), n, failed)
    return failed.value == 0


def solve(factor: Array, right: Array, *, transposed: bool) -> None:
    """Replace b by the solution of Lx = b, or of Lᵀx = b (dtrtrs).

    Args:
        factor: L, (n, n), in Fortran's order, nonsingular.
        right: b, (n,).
        transposed: Which of the two.
    """
    n, one, failed = ctypes.c_int(len(factor)), ctypes.c_int(1), ctypes.c_int()
    _DTRTRS(b"L", b"T" if transposed else b"N", b"N", n, one, _address(factor), n, _address(right), n, failed)


def add_gram(gram: Array, rows: Array, scale: float) -> None:
    """Add scale·AAᵀ to the lower triangle of a matrix (dsyrk).

    Args:
        gram: Shape (n, n), in Fortran's order.
        rows: A, (n, columns), in C's order.
        scale: The factor.
    """
    n, k = (ctypes.c_int(length) for length in rows.shape)
    alpha, one = ctypes.c_double(scale), ctypes.c_double(1.0)
    # An array in C's order is its transpose in Fortran's.
    _DSYRK(b"L", b"T", n, k, alpha, _address(rows), k, one, _address(gram), n)


def normal_product(matrix: NDArray[np.floating], block_bytes: int) -> Callable[[NDArray[np.floating]], Any]:
    """The product with MᵀM, for which M is read from memory once: the second half finds its rows in the cache (gemv).

    Args:
        matrix: M, (p, q), of float32 or float64, its rows or its columns contiguous; it may change between products.
        block_bytes: About so much of it is gone through at once.

    Returns:
        v ↦ MᵀMv, (q,) → (q,), both in M's precision. Cost: 4pq flops, in as many threads as BLAS may have.
    """
    single = matrix.dtype == np.float32
    gemv, number = (_SGEMV, ctypes.c_float) if single else (_DGEMV, ctypes.c_double)
    p, q = matrix.shape
    by_rows = matrix.strides[1] == matrix.itemsize
    assert by_rows or matrix.strides[0] == matrix.itemsize
    height = min(p, max(1, block_bytes // (q * matrix.itemsize)))
    # An array in C's order is its transpose in Fortran's. The stride of a single row or column means nothing.
    apart = (
        max(matrix.strides[0] // matrix.itemsize, q) if by_rows else max(matrix.strides[1] // matrix.itemsize, height)
    )
    leading = ctypes.c_int(apart)
    times, transposed = (b"T", b"N") if by_rows else (b"N", b"T")
    one, zero, step, width = number(1.0), number(0.0), ctypes.c_int(1), ctypes.c_int(q)
    blocks = []
    for first in range(0, p, height):
        rows = ctypes.c_int(min(height, p - first))
        shape = (width, rows) if by_rows else (rows, width)
        blocks.append((matrix.ctypes.data + first * matrix.strides[0], shape))

    def product(vector: NDArray[np.floating]) -> NDArray[np.floating]:
        vector = np.ascontiguousarray(vector, dtype=matrix.dtype)
        out, part = np.zeros(q, matrix.dtype), np.empty(height, matrix.dtype)
        given, found, between = vector.ctypes.data, out.ctypes.data, part.ctypes.data
        for address, shape in blocks:
            gemv(times, *shape, one, address, leading, given, step, zero, between, step)
            gemv(transposed, *shape, one, address, leading, between, step, one, found, step)
        return out

    return product


def _address(array: Array) -> int:
    assert array.dtype == np.float64
    return array.ctypes.data
