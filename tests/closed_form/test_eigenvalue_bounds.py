from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.catalogue import LAYER_COLUMNS
from engine.theory.activation import ACTIVATIONS, NormalizedActivation
from engine.theory.eigenvalue_bounds import (
    eq13_bounds,
    feature_bound,
    feature_distance,
    gram_bound,
)


class _Pair:
    """Two nearby networks and the features of every layer of both."""

    def __init__(
        self,
        seed: int,
        *,
        activation: NormalizedActivation,
        renormalize: bool,
        bias: bool,
        moved: float,
        n: int = 4,
        width: int = 9,
        depth: int = 4,
    ) -> None:
        rng = np.random.default_rng(seed)
        self.activation, self.renormalize, self.width, self.n = activation, renormalize, width, n
        x = rng.normal(size=(n, width))
        self.weights = [rng.normal(size=(width, width)) / math.sqrt(width) for _ in range(depth - 1)]
        self.changes = [moved * rng.normal(size=W.shape) / width for W in self.weights]
        self.bias_changes = [moved * bias * rng.normal(size=width) / width for _ in self.weights]
        self.before, self.raw_before = self._features(x, 0.0)
        self.after, self.raw_after = self._features(x, 1.0)

    def _features(self, x: np.ndarray, share: float) -> tuple[list[np.ndarray], list[np.ndarray]]:
        features, raw = [x], []
        for W, change, shift in zip(self.weights, self.changes, self.bias_changes, strict=True):
            u = self.activation(features[-1] @ (W + share * change).T + share * shift)
            raw.append(np.linalg.norm(u, axis=1))
            scale = math.sqrt(self.width) / raw[-1][:, None] if self.renormalize else 1.0
            features.append(u * scale)
        return features, raw

    def distances(self) -> list[float]:
        bounds = [0.0]
        for index, (W, change) in enumerate(zip(self.weights, self.changes, strict=True)):
            total = self.raw_before[index] + self.raw_after[index]
            bounds.append(
                feature_distance(
                    bounds[-1],
                    p1=self.activation.p1,
                    weight_norm=float(np.linalg.norm(W + change, 2)),
                    weight_distance=float(np.linalg.norm(change, 2)),
                    initial_features_fro=float(np.linalg.norm(self.before[index])),
                    bias_shift=math.sqrt(self.n) * float(np.linalg.norm(self.bias_changes[index])),
                    stretch=float(np.max(2.0 * math.sqrt(self.width) / total)) if self.renormalize else 1.0,
                )
            )
        return bounds


@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=list(ACTIVATIONS))
@pytest.mark.parametrize("renormalize", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@settings(max_examples=30)  # of each of eight networks
@given(seed=st.integers(0, 10**6), moved=st.floats(0.0, 2.0))
def test_all_five_rungs_bound_the_smallest_eigenvalue_in_their_order(
    activation: NormalizedActivation, renormalize: bool, bias: bool, seed: int, moved: float
) -> None:
    pair = _Pair(seed, activation=activation, renormalize=renormalize, bias=bias, moved=moved)
    distances = pair.distances()
    for m, (a0, a1) in enumerate(zip(pair.before, pair.after, strict=True)):
        f0, f1 = a0 / math.sqrt(pair.width), a1 / math.sqrt(pair.width)
        g0, g1 = f0 @ f0.T, f1 @ f1.T
        assert float(np.linalg.norm(a1 - a0)) <= distances[m] * (1.0 + 1e-9) + 1e-12
        bounds = eq13_bounds(
            float(np.linalg.eigvalsh(g0)[0]),
            gram_op=float(np.linalg.norm(g1 - g0, 2)),
            gram_fro=float(np.linalg.norm(g1 - g0)),
            features_op=float(np.linalg.norm(f1 - f0, 2)),
            features_fro=float(np.linalg.norm(f1 - f0)),
            weights=distances[m] / math.sqrt(pair.width),
        )
        actual = float(np.linalg.eigvalsh(g1)[0])
        slack = 1e-10 * (1.0 + float(np.linalg.norm(g1)))
        assert set(bounds) <= set(LAYER_COLUMNS)
        assert max(bounds.values()) <= actual + slack
        assert bounds["eq13_op"] >= bounds["eq13_fro"] - slack
        assert bounds["eq13_features_op"] >= bounds["eq13_features"] - slack
        assert bounds["eq13_features"] >= bounds["eq13_weights"] - slack


def test_the_two_families_cross() -> None:
    # Features that grow: the Gram matrix moves by much more than its root does.
    assert feature_bound(1.0, 0.3) > gram_bound(1.0, 1.3**2 - 1.0)
    # Features that rotate: their Gram matrix does not move at all.
    assert gram_bound(1.0, 0.0) > feature_bound(1.0, 0.3)


def test_nothing_moved_gives_the_initial_eigenvalue_back() -> None:
    bounds = eq13_bounds(0.25, gram_op=0.0, gram_fro=0.0, features_op=0.0, features_fro=0.0, weights=0.0)
    assert list(bounds.values()) == pytest.approx([0.25] * 5)


def test_gram_rungs_go_negative_and_feature_rungs_stop_at_zero_and_both_are_vacuous() -> None:
    assert gram_bound(0.1, 0.5) == pytest.approx(-0.4)
    assert feature_bound(0.1, 0.5) == 0


def test_an_initial_eigenvalue_that_rounding_made_negative_counts_as_zero() -> None:
    assert feature_bound(-1e-18, 0.0) == 0


def test_missing_numbers_stay_missing_and_arrays_go_layer_by_layer() -> None:
    assert math.isnan(gram_bound(math.nan, 0.1))
    assert math.isnan(feature_bound(math.nan, 0.1))
    found = feature_bound(np.array([0.25, math.nan, 0.04]), np.array([0.1, 0.1, 0.5]))
    np.testing.assert_allclose(found, [0.16, math.nan, 0.0])


def test_dead_rows_under_renormalisation_leave_no_bound() -> None:
    distance = feature_distance(
        1.0, p1=1.0, weight_norm=1.0, weight_distance=1.0, initial_features_fro=1.0, stretch=math.inf
    )
    assert math.isnan(distance)


def test_a_spectral_norm_that_was_found_loosely_counts_as_no_larger_than_the_frobenius_norm():
    norms = {"gram_fro": 0.1, "features_fro": 0.2, "weights": 0.3}
    loose = eq13_bounds(0.25, gram_op=0.11, features_op=0.21, **norms)
    tight = eq13_bounds(0.25, gram_op=0.1, features_op=0.2, **norms)
    assert loose == tight
    assert eq13_bounds(0.25, gram_op=0.05, features_op=0.1, **norms)["eq13_op"] == 0.2
