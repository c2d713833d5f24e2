"""The constants of the losses in logit space, searched for numerically."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.theory.loss_constants import CROSS_ENTROPY, LOSSES, MSE, MSE_LOGITS
from tests.rounding import rounding


def _softmax(o: np.ndarray) -> np.ndarray:
    e = np.exp(o - o.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _loss(name: str, o: np.ndarray) -> np.ndarray:
    """ℓ of each row of logits; the label is class 0."""
    y = np.zeros(o.shape[-1])
    y[0] = 1.0
    if name == "mse":
        return 0.5 * np.sum((_softmax(o) - y) ** 2, axis=-1)
    if name == "mse_logits":
        return 0.5 * np.sum((o - y) ** 2, axis=-1)
    return -np.log(_softmax(o)[..., 0])


def _gradient(name: str, o: np.ndarray) -> np.ndarray:
    y = np.zeros(o.shape[-1])
    y[0] = 1.0
    if name == "mse_logits":
        return o - y
    p = _softmax(o)
    r = p - y
    return r if name == "cross_entropy" else p * (r - np.sum(p * r, axis=-1, keepdims=True))


def _hessian(name: str, o: np.ndarray) -> np.ndarray:
    k = o.shape[-1]
    if name == "mse_logits":
        return np.broadcast_to(np.eye(k), (*o.shape, k))
    p = _softmax(o)
    S = p[..., None] * np.eye(k) - p[..., :, None] * p[..., None, :]
    if name == "cross_entropy":
        return S
    r = p.copy()
    r[..., 0] -= 1.0
    inner = np.sum(p * r, axis=-1)[..., None]
    moved = np.einsum("...ij,...j->...i", S, r + p)
    return S * (r - inner + p)[..., :, None] - p[..., :, None] * moved[..., None, :]


@pytest.mark.parametrize("name", LOSSES)
def test_the_formulas_searched_here_are_derivatives_of_the_losses(name: str) -> None:
    o, h = np.random.default_rng(0).normal(size=(5, 4)), 1e-6
    for j in range(4):
        step = h * np.eye(4)[j]
        numeric = (_loss(name, o + step) - _loss(name, o - step)) / (2 * h)
        np.testing.assert_allclose(_gradient(name, o)[:, j], numeric, atol=1e-8)
        numeric = (_gradient(name, o + step) - _gradient(name, o - step)) / (2 * h)
        np.testing.assert_allclose(_hessian(name, o)[:, :, j], numeric, atol=1e-8)


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
    for step in np.geomspace(1.0, 1e-4, 120):
        moved = best[:, None, :] + step * rng.normal(size=(12, 24, classes))
        moved[:, 0] = best
        values = scores(moved.reshape(-1, classes)).reshape(12, 24)
        best = moved[np.arange(12), np.argmax(values, axis=1)]
    return float(scores(best).max())


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize(
    ("name", "score", "expected"),
    [
        ("mse", "gradient", MSE.gradient_bound),
        ("mse", "curvature", MSE.curvature_max),
        ("mse", "negative curvature", -MSE.curvature_min),
        ("cross_entropy", "gradient", CROSS_ENTROPY.gradient_bound),
        ("cross_entropy", "curvature", CROSS_ENTROPY.curvature_max),
    ],
)
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
    assert not MSE.convex
    assert MSE.bound == 1


def test_lemma5_corrected_the_gradient_of_mse_on_logits_is_the_root_of_twice_the_loss() -> None:
    o = np.random.default_rng(0).normal(size=(50, 10)) * 3.0
    norms = np.linalg.norm(_gradient("mse_logits", o), axis=-1)
    np.testing.assert_allclose(norms, np.sqrt(2.0 * _loss("mse_logits", o)))
    assert (MSE_LOGITS.smoothness, MSE_LOGITS.gradient_bound, MSE_LOGITS.bound) == (1.0, None, None)
    assert MSE_LOGITS.convex


def test_cross_entropy_is_convex_in_the_logits_and_flat_where_it_is_sure() -> None:
    eigenvalues = np.linalg.eigvalsh(_hessian("cross_entropy", np.random.default_rng(0).normal(size=(200, 4)) * 10.0))
    assert eigenvalues.min() >= CROSS_ENTROPY.curvature_min - rounding(4)
    assert eigenvalues[:, 1].min() < 1e-9
    assert CROSS_ENTROPY.curvature_min == 0
    assert CROSS_ENTROPY.convex


def test_mse_of_probabilities_stays_within_zero_and_one() -> None:
    o = np.random.default_rng(0).normal(size=(5000, 5)) * 20.0
    values = _loss("mse", o)
    assert values.min() >= 0.0
    assert values.max() <= 1.0
    assert values.max() > 0.999
