"""One layer that moves, too large for dense norms, against the dense norms and spectra."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.measure.gram import host_gram
from engine.measure.layer_features import LayerFeatures, Moved
from engine.measure.layer_measures import LayerMeasures
from tests.closed_form.row_contexts import begun, row_of, update
from tests.closed_form.small_networks import small
from tests.rounding import rounding

SHAPES = [(40, 60), (60, 40), (50, 50), (12, 20)]


def rows(n: int, width: int, count: int = 5) -> list[np.ndarray]:
    """Features that have much in common and grow: one norm stands out, so that a residual shows which was found."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=(n, width)) + 2.0 * rng.normal(size=width)
    return [(1 + 0.01 * k) * a + 1e-4 * rng.normal(size=(n, width)) for k in range(count)]


@pytest.mark.parametrize(("n", "width"), SHAPES)
def test_what_a_layer_has_moved_is_bounded_in_both_norms(n: int, width: int) -> None:
    layer, features = LayerFeatures(), rows(n, width)
    initial = host_gram(features[0])
    assert layer.measure(initial, features[0]).moved == Moved(0.0, 0.0, 0.0, 0.0)
    layer.keep_initial(initial, features[0])
    for a in features[1:]:
        gram = host_gram(a)
        moved = layer.measure(gram, a).moved
        dg, df = gram - initial, (a - features[0]) / math.sqrt(width)
        assert moved.gram_fro == pytest.approx(float(np.linalg.norm(dg)), rel=rounding(n * n))
        assert moved.features_fro == pytest.approx(float(np.linalg.norm(df)), rel=rounding(n * width))
        # Found to a hundredth of its square, and widened by that.
        for bound, norm in ((moved.gram_op, np.linalg.norm(dg, 2)), (moved.features_op, np.linalg.norm(df, 2))):
            assert norm * (1 - rounding(max(n, width))) <= bound <= norm * 1.006


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_has_no_norms(bad: float) -> None:
    layer, (a, b) = LayerFeatures(), rows(40, 60, 2)
    layer.keep_initial(host_gram(a), a)
    gram = host_gram(b)
    b[3, 4] = bad
    moved = layer.measure(gram, b).moved
    assert math.isnan(moved.gram_op)
    assert math.isnan(moved.features_op)
    assert math.isfinite(moved.gram_fro)
    assert not math.isfinite(moved.features_fro)


def test_what_is_carried_is_all_that_is_needed() -> None:
    features = rows(150, 160, 7)
    layer, again = LayerFeatures(), LayerFeatures()
    for each in (layer, again):
        each.keep_initial(host_gram(features[0]), features[0])
    for a in features[:4]:
        layer.measure(host_gram(a), a)
    again.restore(layer.state(), 150, 160)
    for a in features[4:]:
        assert again.measure(host_gram(a), a) == layer.measure(host_gram(a), a)


def test_parameters_have_moved_from_where_they_began_and_not_from_zero() -> None:
    case = small("tanh", bias=True)  # whose biases are not 0 to begin with
    measures, began = begun(LayerMeasures(), case), case.flat()
    for _ in range(3):
        found = case.training_pass()
        row = row_of(found)
        distance = measures.collect(row).values["distance_init"]
        assert distance == pytest.approx(float((case.flat() - began).norm()), rel=1e-12)
        measures.after(row)
        measures.before_update(1.0)
        update(case, found, 1.0)
