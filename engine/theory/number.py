"""Formulas that take numbers or arrays alike: NaN where a quantity is not defined, and never a warning."""

from __future__ import annotations

from typing import TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Numbers = float | Array

EPSILON = float(np.finfo(np.float64).eps)
"""Machine epsilon of float64, in which spectra, losses and norms are computed whatever the training precision."""

FloatOrArray = TypeVar("FloatOrArray", float, NDArray[np.float64])
"""Numbers in, a number out; arrays in, an array out. The first argument says which."""


def defined(like: FloatOrArray, value: ArrayLike, where: ArrayLike = True) -> FloatOrArray:
    """A formula's result in the type of its first argument, NaN where it is not finite or not defined."""
    result = np.where(np.isfinite(value) & np.asarray(where, dtype=bool), value, np.nan)
    return cast(FloatOrArray, float(result) if result.ndim == 0 else result)
