"""Any formula with any estimator, derived from rows: against the trainer's own rows and against the lemmas."""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import RunConfig, Trainer
from engine.catalogue import STEP_COLUMNS
from engine.theory import predictions
from engine.theory.pairings import ESTIMATORS, FORMULAS, STORED, lemma13, lemma13_paper, pair, smoothness

_RUNS = {
    "tanh-mse": {"activation": "tanh", "loss": "mse"},
    "relu-cross_entropy": {"activation": "relu", "loss": "cross_entropy"},
    "tanh-mse_logits-f_star": {"activation": "tanh", "loss": "mse_logits", "f_star": 0.01},
    "beyond-2/L": {"activation": "tanh", "loss": "mse_logits", "lr": 0.8, "renormalize": True},
    "every-third": {"activation": "tanh", "loss": "mse", "every": 3},
    "core": {"activation": "tanh", "loss": "mse", "measure": "core"},
}
_EVERYWHERE = [name for name in _RUNS if name != "every-third"]
_PAIRS = list(itertools.product(FORMULAS, ESTIMATORS))


@cache
def rows(name):
    """Step and columns of a run through the trainer, whose learning rate changes twice on the way."""
    options = {"width": 20, "depth": 3, "examples": 12, "steps": 9, "data": "gaussian", "lr": 0.1, "dtype": "float64"}
    trainer = Trainer(RunConfig(**(options | _RUNS[name])))
    records = []
    for k in range(10):
        if k in {3, 6}:
            trainer.set_lr(trainer.lr * 1.3)
        records.append(trainer.observe(final=k == 9))
        if trainer.diverged:
            break
        if k < 9:
            trainer.advance()
    step = np.array([record.step for record in records])
    columns = {
        column: np.array([record.values.get(column, np.nan) for record in records], dtype=float)
        for column in STEP_COLUMNS
    }
    return step, columns, trainer.config.f_star


class Quadratic:
    """Gradient descent on ½xᵀAx, with its true L in every column."""

    def __init__(self, seed, rate, steps=10):
        rng = np.random.default_rng(seed)
        b = rng.normal(size=(5, 5))
        a = b @ b.T + 0.1 * np.eye(5)
        self.L = float(np.linalg.eigvalsh(a)[-1])
        eta = rate / self.L
        points = [rng.normal(size=5)]
        for _ in range(steps):
            points.append(points[-1] - eta * a @ points[-1])
        gradients = np.array(points) @ a
        self.step = np.arange(steps + 1)
        self.columns = {
            "loss": 0.5 * np.sum(np.array(points) * gradients, axis=1),
            "grad_norm": np.linalg.norm(gradients, axis=1),
            "lr": np.full(steps + 1, eta),
        } | {f"smoothness_{name}": np.full(steps + 1, self.L) for name in ESTIMATORS if name != "step"}


@pytest.mark.parametrize("name", _EVERYWHERE)
@pytest.mark.parametrize("formula", FORMULAS)
def test_stored_columns_are_the_stored_pairings_to_the_bit(name, formula):
    step, columns, f_star = rows(name)
    found = pair(formula, STORED[formula], step, columns, f_star)
    np.testing.assert_array_equal(found.predicted, columns[f"predicted_{formula}"])
    np.testing.assert_array_equal(found.ratio, columns[f"ratio_{formula}"])
    if formula == "descent":
        np.testing.assert_array_equal(found.decrease_ratio, columns["decrease_ratio"])


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_other_estimator_gives_the_stored_columns(formula):
    step, columns, f_star = rows("tanh-mse")
    for estimator in set(ESTIMATORS) - {STORED[formula]}:
        found = pair(formula, estimator, step, columns, f_star).predicted
        assert np.isfinite(found).any()
        assert not np.array_equal(found, columns[f"predicted_{formula}"], equal_nan=True)


def test_between_measured_rows_the_step_estimator_is_still_known_and_the_stored_rows_agree():
    step, columns, f_star = rows("every-third")
    for formula in FORMULAS:
        stored = columns[f"predicted_{formula}"]
        found = pair(formula, STORED[formula], step, columns, f_star).predicted
        np.testing.assert_array_equal(found[np.isfinite(stored)], stored[np.isfinite(stored)])
    assert np.isfinite(pair("descent", "step", step, columns, f_star).predicted[2:]).all()
    assert np.isfinite(pair("descent", "hessian", step, columns, f_star).predicted).sum() == 3  # rows 1, 4 and 7


@pytest.mark.parametrize("name", _RUNS)
def test_lemma_13_of_the_step_estimator_from_the_first_row_is_the_stored_bound(name):
    step, columns, f_star = rows(name)
    stored = columns["lemma13_bound"]
    known = np.isfinite(stored)
    assert known.any()
    found = lemma13("step", step, columns, 0, f_star)
    np.testing.assert_allclose(found[known], stored[known], rtol=1e-12)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_an_estimator_is_its_column_and_step_is_recomputed_to_the_bit(estimator):
    step, columns, _ = rows("tanh-mse")
    np.testing.assert_array_equal(smoothness(estimator, step, columns), columns[f"smoothness_{estimator}"])


@pytest.mark.parametrize(("formula", "estimator"), _PAIRS)
@pytest.mark.parametrize("name", _RUNS)
def test_each_row_is_the_lemma_of_the_row_before(name, formula, estimator):
    step, columns, f_star = rows(name)
    found = pair(formula, estimator, step, columns, f_star)
    lemma = getattr(predictions, formula)
    assert np.isnan(found.predicted[0])
    for k in range(1, step.size):
        L = float(smoothness(estimator, step, columns)[k - 1])
        f, g, eta = (float(columns[c][k - 1]) for c in ("loss", "grad_norm", "lr"))
        expected = lemma(f, g, eta, L) if formula == "descent" else lemma(f, g, L)
        actual = float(columns["loss"][k])
        np.testing.assert_array_equal(found.predicted[k], expected)
        np.testing.assert_array_equal(found.ratio[k], predictions.ratio(actual, expected, f_star))
        np.testing.assert_array_equal(found.decrease_ratio[k], predictions.decrease_ratio(f, actual, expected))


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("start", [0, 1, 4, 9])
def test_lemma_13_starts_at_the_loss_of_its_row_and_multiplies_factor_by_factor(estimator, start):
    step, columns, f_star = rows("tanh-mse_logits-f_star")
    line = lemma13(estimator, step, columns, start, f_star)
    assert np.isnan(line[:start]).all()
    gap = columns["loss"][start] - f_star
    L = smoothness(estimator, step, columns)
    for k in range(start, step.size):
        assert line[k] == pytest.approx(f_star + gap, rel=1e-12)
        mu = columns["grad_norm"][k] ** 2 / (2 * (columns["loss"][k] - f_star))
        eta = columns["lr"][k]
        gap *= 1.0 if np.isnan(L[k]) else 1 - 2 * eta * mu * (1 - eta * max(L[k], mu) / 2)


@pytest.mark.parametrize("start", [1, 5])
def test_lemma_13_needs_no_row_before_the_one_that_leads_to_its_start(start):
    step, columns, f_star = rows("tanh-mse")
    part = slice(start - 1, None)
    cut = lemma13("step", step[part], {name: values[part] for name, values in columns.items()}, 1, f_star)
    np.testing.assert_array_equal(cut, lemma13("step", step, columns, start, f_star)[part])


@given(seed=st.integers(0, 10**6), rate=st.floats(0.05, 1.99), start=st.integers(0, 10))
def test_with_the_true_smoothness_lemma_13_and_the_descent_lemma_are_never_exceeded(seed, rate, start):
    run = Quadratic(seed, rate)
    for estimator in set(ESTIMATORS) - {"step"}:
        line = lemma13(estimator, run.step, run.columns, start)
        assert np.all(run.columns["loss"][start:] <= line[start:] * (1 + 1e-9))
        predicted = pair("descent", estimator, run.step, run.columns).predicted
        assert np.all(run.columns["loss"][1:] <= predicted[1:] * (1 + 1e-9))


@given(seed=st.integers(0, 10**6), start=st.integers(0, 10))
def test_at_one_over_l_the_papers_form_of_lemma_13_is_the_one_at_the_real_rate(seed, start):
    run = Quadratic(seed, 1.0)
    paper = lemma13_paper("hessian", run.step, run.columns, start)
    np.testing.assert_allclose(paper, lemma13("hessian", run.step, run.columns, start), rtol=1e-9)


def test_the_papers_form_ends_where_l_is_below_the_local_mu():
    step, columns, f_star = rows("tanh-mse")
    assert np.isfinite(lemma13_paper("hessian", step, columns, 2, f_star)[2:]).all()
    mu = columns["grad_norm"] ** 2 / (2 * (columns["loss"] - f_star))
    changed = columns | {"smoothness_hessian": np.where(step == 4, 0.5 * mu, columns["smoothness_hessian"])}
    line = lemma13_paper("hessian", step, changed, 2, f_star)
    np.testing.assert_array_equal(np.isfinite(line), (step >= 2) & (step <= 4))


@pytest.mark.parametrize(("formula", "estimator"), _PAIRS)
def test_rows_after_a_hole_are_not_predicted(formula, estimator):
    step, columns, f_star = rows("tanh-mse")
    kept = np.delete(np.arange(step.size), 5)
    holed = {name: values[kept] for name, values in columns.items()}
    whole, found = pair(formula, estimator, step, columns, f_star), pair(formula, estimator, step[kept], holed, f_star)
    assert np.isnan(found.predicted[step[kept] == 6]).all()
    early = slice(0, 5)
    np.testing.assert_array_equal(found.predicted[early], whole.predicted[early])
    assert np.isnan(lemma13(estimator, step[kept], holed, 0, f_star)[5:]).all()


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_without_rows_or_columns_there_is_nothing_and_no_error(estimator):
    for rows_ in (0, 1, 3):
        step = np.arange(rows_)
        for formula in FORMULAS:
            found = pair(formula, estimator, step, {})
            assert found.predicted.shape == found.ratio.shape == found.decrease_ratio.shape == (rows_,)
            assert np.isnan(found.predicted).all()
        assert np.isnan(lemma13(estimator, step, {}, 0)).all()
        assert np.isnan(lemma13_paper(estimator, step, {}, 0)).all()


def test_an_estimator_that_was_never_measured_draws_no_line_of_lemma_13():
    step, columns, f_star = rows("core")
    assert np.isnan(lemma13("hessian", step, columns, 0, f_star)).all()
    assert np.isfinite(lemma13("secant", step, columns, 0, f_star)).all()
