"""Layers that are measured together, against layers one by one."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from engine.device.transfer import Transfer
from engine.measure.gram import device_gram
from engine.measure.layer_features import LayerFeatures, Moved
from engine.measure.layer_stack import LayerStack, discs_of
from engine.theory.gershgorin import gershgorin
from tests.rounding import rounding


@pytest.mark.parametrize("n", [1, 2, 9])
def test_discs_are_those_of_each_matrix(n: int) -> None:
    a = torch.randn(4, n, n, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    grams = a + a.mT
    before = grams.clone()
    for found, gram in zip(discs_of(grams).tolist(), grams, strict=True):
        expected = dataclasses.astuple(gershgorin(gram.numpy()))
        slack = rounding(n) * n * float(gram.abs().max())  # of sums of a row
        assert found == pytest.approx(expected, rel=0, abs=slack, nan_ok=True)
    assert torch.equal(grams, before)


def drawn(m: int, n: int, width: int, seed: int) -> torch.Tensor:
    return torch.randn(m, n, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("n", "width"), [(40, 60), (60, 40), (50, 50)])
def test_layers_that_move_are_followed_as_one_by_one_and_from_above(n: int, width: int) -> None:
    features, along = drawn(3, n, width, 0), drawn(3, n, width, 1)
    along += 3 * drawn(3, n, 1, 2) * drawn(3, 1, width, 3)  # most of the motion goes one way, as in training
    stack, single = LayerStack(), [LayerFeatures() for _ in range(3)]
    initial = device_gram(features)
    stack.keep_initial(initial, features)
    for layer, gram, a in zip(single, initial, features, strict=True):
        layer.keep_initial(gram.numpy(), a.numpy())
    followed = 0
    for k in range(6):
        now = features + 1e-3 * (k + 1) * along
        grams, transfer = device_gram(now), Transfer()
        stack.launch(grams, now, transfer)
        for found, discs, layer, gram, a, then, before in zip(
            stack.moved(), stack.discs(), single, grams, now, features, initial, strict=True
        ):
            expected = layer.measure(gram.numpy(), a.numpy())
            slack = rounding(width) * n * float(gram.abs().max())  # of sums of a row
            assert dataclasses.astuple(discs) == pytest.approx(dataclasses.astuple(expected.discs), rel=0, abs=slack)
            if found is None:
                continue
            followed += 1
            df = (a.double() - then.double()) / math.sqrt(width)
            op = float(torch.linalg.matrix_norm(gram - before, 2)), float(torch.linalg.matrix_norm(df, 2))
            # The change of a Gram matrix is the difference of two that are rounded.
            slack = rounding(width) * float(gram.abs().max()) * n
            assert op[0] - slack <= found.gram_op <= op[0] * 1.01
            assert op[1] * (1 - rounding(width)) <= found.features_op <= op[1] * 1.01
            assert found.gram_fro == pytest.approx(expected.moved.gram_fro, rel=0, abs=slack)
            assert found.features_fro == pytest.approx(expected.moved.features_fro, rel=rounding(n * width))
    assert followed >= 9  # half of them: otherwise this has compared little


def test_what_products_do_not_suffice_for_is_left_to_the_host_and_so_are_small_layers() -> None:
    stack = LayerStack()
    features = drawn(2, 40, 50, 0)
    stack.launch(device_gram(features), features, Transfer())
    assert stack.moved() == [Moved(), Moved()]  # nothing was kept of initialisation
    stack.keep_initial(device_gram(features), features)
    for seed in (1, 2):  # the change is another one at every row: four products do not find it
        now = drawn(2, 40, 50, seed)
        stack.launch(device_gram(now), now, Transfer())
        found = stack.moved()
    assert found == [None, None]
    tiny, small = LayerStack(), drawn(2, 10, 50, 0)
    tiny.keep_initial(device_gram(small), small)
    tiny.launch(device_gram(2 * small), 2 * small, Transfer())
    assert tiny.moved() == [None, None]
    np.testing.assert_array_equal(tiny.features(1, torch.zeros(10, 50)), 2 * small[1])  # fetched with everything else
    np.testing.assert_array_equal(stack.features(1, now[1]), now[1])


def test_a_layer_that_has_overflowed_has_moved_by_nothing_that_is_a_number() -> None:
    stack, features = LayerStack(), drawn(1, 40, 50, 0)
    stack.keep_initial(device_gram(features), features)
    now = features.clone()
    now[0, 0, 0] = math.inf
    stack.launch(device_gram(now), now, Transfer())
    (found,) = stack.moved()
    assert found is not None
    assert math.isnan(found.gram_op)
    assert not math.isfinite(found.features_fro)


def test_what_is_carried_is_all_that_is_needed() -> None:
    stack, again = LayerStack(), LayerStack()
    features, along = drawn(2, 40, 50, 0), drawn(2, 40, 50, 1)
    for each in (stack, again):
        each.keep_initial(device_gram(features), features)
    for k in range(4):
        now = features + 1e-3 * (k + 1) * along
        stack.launch(device_gram(now), now, Transfer())
        expected = stack.moved()
        if k == 3:
            again.launch(device_gram(now), now, Transfer())
            assert again.moved() == expected
        again.restore(stack.state(), 40, 50)
    assert np.isfinite(expected[0].gram_op)  # type: ignore[union-attr]


def test_vectors_of_another_length_are_refused_and_a_layer_that_stands_still_leaves_others_alone() -> None:
    stack, features = LayerStack(), drawn(3, 40, 50, 0)
    stack.keep_initial(device_gram(features), features)
    with pytest.raises(ValueError, match="length 40"):
        stack.restore({"gram": {"0": torch.ones(7)}}, 40, 50)
    now = features + 1e-3 * drawn(3, 40, 1, 1) * drawn(3, 1, 50, 2)
    now[1] = features[1]
    for _ in range(3):
        stack.launch(device_gram(now), now, Transfer())
        found = stack.moved()
    assert found[1] is None  # there is no direction in which it has moved
    assert found[0] is not None
    assert found[2] is not None
