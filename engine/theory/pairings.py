"""Any formula of the predictions with any estimator of L, derived from the columns of stored rows.

A session stores three pairings (:data:`STORED`); the others follow from what its rows hold. Everything is taken from
the row *before* the step that it predicts: row k's prediction reads row k−1. None of it is a theorem: each L is known
at θ_{k−1} or on the step before, and the lemmas ask for one that holds on the step to come.

Arguments everywhere: ``step``, the steps of the rows, ascending, shape (rows,); ``columns``, the step metrics
``loss``, ``grad_norm``, ``lr`` and the estimator's by catalogue name, NaN where one was not computed, a missing column
being all NaN; ``f_star``, the infimum of f. Results have shape (rows,). Rows whose successor is not one step later (a
session with holes) predict nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.theory import predictions
from engine.theory.number import Array
from engine.theory.polyak_lojasiewicz import pl_constant

Formula = Literal["lemma1", "descent", "lemma10"]
"""``lemma1`` and ``lemma10`` presume η = 1/L; ``descent`` is Lemma 1 at the real η."""

Estimator = Literal["hessian", "ggn", "step", "secant", "bound"]
"""``smoothness_<estimator>`` of the catalogue. ``step`` and ``secant`` of a row belong to the step that led to it."""

FORMULAS: tuple[Formula, ...] = get_args(Formula)
ESTIMATORS: tuple[Estimator, ...] = get_args(Estimator)

STORED: Mapping[Formula, Estimator] = {"lemma1": "hessian", "descent": "step", "lemma10": "hessian"}
"""The pairings that ``predicted_<formula>`` and ``ratio_<formula>`` of a session are."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """A formula with an estimator, row by row.

    Attributes:
        predicted: Prediction of f_k from row k−1; NaN at the first row and where an input is missing.
        ratio: f_k over it, NaN where the prediction is at or below f*.
        decrease_ratio: (f_{k−1} − f_k)/(f_{k−1} − predicted).
    """

    predicted: Array
    ratio: Array
    decrease_ratio: Array


def smoothness(estimator: Estimator, step: ArrayLike, columns: Mapping[str, Array]) -> Array:
    """L as it is known at each row, before the step that leaves it; NaN where it is not."""
    steps = np.asarray(step, dtype=np.int64)
    if estimator != "step":
        return _column(columns, f"smoothness_{estimator}", steps.size)
    # Losses, gradient norms and learning rates are in every row, measured or not.
    f, g, eta = _trajectory(steps, columns)
    return _after_first(predictions.smoothness_step(f[:-1], f[1:], eta[:-1], g[:-1]), steps.size)


def pair(
    formula: Formula, estimator: Estimator, step: ArrayLike, columns: Mapping[str, Array], f_star: float = 0.0
) -> Pairing:
    """Predictions of every row from the row before; those of :data:`STORED` are what the run stored, to the bit."""
    steps = np.asarray(step, dtype=np.int64)
    f, g, eta = _trajectory(steps, columns)
    L = smoothness(estimator, steps, columns)[:-1]
    # A row that no row follows at once predicts nothing: its η is NaN, also for the formulas that do not read it.
    before = np.where(np.isnan(eta[:-1]), np.nan, f[:-1])
    if formula == "descent":
        promised = predictions.descent(before, g[:-1], eta[:-1], L)
    else:
        lemma = predictions.lemma1 if formula == "lemma1" else predictions.lemma10
        promised = lemma(before, g[:-1], L)
    return Pairing(
        _after_first(promised, steps.size),
        _after_first(predictions.ratio(f[1:], promised, f_star), steps.size),
        _after_first(predictions.decrease_ratio(before, f[1:], promised), steps.size),
    )


def lemma13(
    estimator: Estimator, step: ArrayLike, columns: Mapping[str, Array], start: int = 0, f_star: float = 0.0
) -> Array:
    """Lemma 13, Eq. 49, at the real η from any row s: f* + (f_s − f*) Π_{i=s}^{k−1} (1 − 2η_iμ_i(1 − η_iL_i/2)).

    Where L is not known, as between measured rows, nothing is promised and the factor is 1. With ``step`` L_i is that
    of the step i−1 → i, so that every factor is known before its step; from the first row on it is ``lemma13_bound``.
    The L_step of the step itself would be no prediction: with μ local the factor is exactly
    (f_{i+1} − f*)/(f_i − f*), whatever the sign of L_step, and the product telescopes to the loss.

    Returns:
        f_s at s, the row of index ``start``, NaN before; all NaN if the estimator was measured at none of the rows.
    """
    steps = np.asarray(step, dtype=np.int64)
    f, g, eta = _trajectory(steps, columns)
    L = smoothness(estimator, steps, columns)
    if estimator != "step" and not np.isfinite(L).any():
        return np.full(steps.size, np.nan)
    return _product(f, predictions.lemma13_factor(pl_constant(f, g, f_star), eta, L), f_star, start)


def lemma13_paper(
    estimator: Estimator, step: ArrayLike, columns: Mapping[str, Array], start: int = 0, f_star: float = 0.0
) -> Array:
    """Lemma 13, Eq. 49, as printed, for η = 1/L: f* + (f_s − f*) Π_{i=s}^{k−1} (1 − μ_i/L_i).

    Returns:
        f_s at s, NaN before, and from the first row on where L is unknown, or below μ, which contradicts the lemma.
    """
    steps = np.asarray(step, dtype=np.int64)
    f, g, eta = _trajectory(steps, columns)
    mu = np.where(np.isnan(eta), np.nan, pl_constant(f, g, f_star))
    factors = predictions.lemma13_paper_factor(mu, smoothness(estimator, steps, columns))
    return _product(f, factors, f_star, start)


@np.errstate(all="ignore")
def _product(loss: Array, factors: Array, f_star: float, start: int) -> Array:
    line = np.full_like(loss, np.nan)
    if start < len(loss):
        line[start] = loss[start]
        line[start + 1 :] = f_star + (loss[start] - f_star) * np.cumprod(factors[start:-1])
    return np.where(np.isfinite(line), line, np.nan)


def _trajectory(steps: NDArray[np.int64], columns: Mapping[str, Array]) -> tuple[Array, Array, Array]:
    """f, ‖g‖ and η of the rows; η is NaN where the next row is not one step later."""
    f, g, eta = (_column(columns, name, steps.size) for name in ("loss", "grad_norm", "lr"))
    eta = eta.copy()
    eta[:-1][np.diff(steps) != 1] = np.nan
    eta[-1:] = np.nan
    return f, g, eta


def _column(columns: Mapping[str, Array], name: str, rows: int) -> Array:
    values = columns.get(name)
    return np.full(rows, np.nan) if values is None else np.asarray(values, dtype=np.float64)


def _after_first(values: Array, rows: int) -> Array:
    return np.concatenate([[np.nan], values])[:rows]
