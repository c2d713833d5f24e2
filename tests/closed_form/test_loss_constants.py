"""The constants of the losses in logit space, searched for numerically."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.func import grad, hessian, vmap

from engine.theory.loss_constants import CROSS_ENTROPY, LOSSES, MSE, MSE_LOGITS
from tests.closed_form.functions import LOSS
from tests.rounding import rounding


def _rows(name: str) -> Callable[[Tensor], Tensor]:
    """ℓ of each row of logits; the label is class 0."""
    return lambda o: LOSS[name].rows(o, torch.zeros(len(o), dtype=torch.long))


def _loss(name: str, o: np.ndarray) -> np.ndarray:
    return np.asarray(_rows(name)(torch.tensor(o)))


def _gradient(name: str, o: np.ndarray) -> np.ndarray:
    return np.asarray(grad(lambda rows: _rows(name)(rows).sum())(torch.tensor(o)))


def _hessian(name: str, o: np.ndarray) -> np.ndarray:
    return np.asarray(vmap(hessian(lambda row: _rows(name)(row[None])[0]))(torch.tensor(o)))


def _search(name: str, score: str, classes: int) -> float:
    """Largest score over logits: random starts of every scale, then hill climbing from the best."""
    rng = np.random.default_rng(classes)

    def scores(o: np.ndarray) -> np.ndarray:
        if score == "gradient":
            return np.linalg.norm(_gradient(name, o), axis=-1)
        eigenvalues = np.linalg.eigvalsh(_hessian(name, o))
        return eigenvalues[:, -1] if score == "curvature" else -eigenvalues[:, 0]

    o = rng.normal(size=(6000, classes)) * rng.choice([0.3, 1.0, 3.0, 8.0], size=(6000, 1))
    best = o[np.argsort(scores(o))[-12:]]
    for step in np.geomspace(1.0, 1e-3, 50):
        moved = best[:, None, :] + step * rng.normal(size=(12, 24, classes))
        moved[:, 0] = best
        values = scores(moved.reshape(-1, classes)).reshape(12, 24)
        best = moved[np.arange(12), np.argmax(values, axis=1)]
    return float(scores(best).max())


def _constants() -> Iterator[tuple[str, str, float]]:
    for name, loss in LOSSES.items():
        yield name, "curvature", loss.curvature_max
        if loss.curvature_min < 0.0:
            yield name, "negative curvature", -loss.curvature_min
        if loss.gradient_bound is not None:
            yield name, "gradient", loss.gradient_bound


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize(("name", "score", "expected"), list(_constants()))
def test_no_logits_exceed_the_constants_and_some_come_close(
    name: str, score: str, expected: float, classes: int
) -> None:
    found = _search(name, score, classes)
    assert found <= expected + rounding(classes)
    # Suprema at infinity are approached slowly.
    assert found >= expected * 0.999


def test_mse_has_the_known_constants_and_is_not_convex() -> None:
    assert MSE.gradient_bound == pytest.approx(8 * math.sqrt(2) / 27)
    assert (MSE.curvature_min, MSE.curvature_max) == pytest.approx((-0.24041, 0.30812), abs=1e-5)
    assert MSE.smoothness == MSE.curvature_max
    assert MSE.curvature_min < 0.0
    assert MSE.bound == 1


def test_lemma5_corrected_the_gradient_of_mse_on_logits_is_the_root_of_twice_the_loss() -> None:
    o = np.random.default_rng(0).normal(size=(50, 10)) * 3.0
    norms = np.linalg.norm(_gradient("mse_logits", o), axis=-1)
    np.testing.assert_allclose(norms, np.sqrt(2.0 * _loss("mse_logits", o)))
    assert (MSE_LOGITS.smoothness, MSE_LOGITS.gradient_bound, MSE_LOGITS.bound) == (1.0, None, None)
    assert MSE_LOGITS.curvature_min >= 0.0


def test_cross_entropy_is_convex_in_the_logits_and_flat_where_it_is_sure() -> None:
    eigenvalues = np.linalg.eigvalsh(_hessian("cross_entropy", np.random.default_rng(0).normal(size=(200, 4)) * 10.0))
    assert eigenvalues.min() >= CROSS_ENTROPY.curvature_min - rounding(4)
    assert eigenvalues[:, 1].min() < 1e-9
    assert CROSS_ENTROPY.curvature_min == 0


def test_mse_of_probabilities_stays_within_zero_and_one() -> None:
    o = np.random.default_rng(0).normal(size=(5000, 5)) * 20.0
    values = _loss("mse", o)
    assert values.min() >= 0.0
    assert values.max() <= 1.0
    assert values.max() > 0.999
