"""‖u‖ of every row before renormalisation, recovered from what a pass keeps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.measure.row_norms import row_norms, squared_norm, total_square
from engine.model.mlp import MLP, MLPPass
from engine.theory.activation import TANH
from tests.closed_form.functions import NAMES, normalised
from tests.closed_form.small_networks import small


@pytest.mark.parametrize("activation", NAMES)
def test_norms_of_features_are_those_before_they_were_rescaled(activation):
    case = small(activation, True, True, depth=4)
    found = case.training_pass()
    norms = row_norms(found.run, found.signals)
    for m in (1, 2, 3):
        h = found.run.features[m - 1] @ case.model.weights[m - 1].T + case.model.biases[m - 1]
        u = normalised(activation, h)
        assert norms.activations[m - 1] == pytest.approx(u.norm(dim=1).numpy(), rel=1e-12)


@pytest.mark.parametrize("renormalize", [False, True])
def test_rows_have_the_norms_of_the_pass_layer_by_layer(renormalize):
    case = small("tanh", renormalize, False, depth=4)
    found = case.training_pass()
    norms = row_norms(found.run, found.signals)
    for m, (a, delta) in enumerate(zip(found.run.features, found.signals, strict=True)):
        assert norms.features[m] == pytest.approx(np.linalg.norm(a.numpy(), axis=1), rel=1e-12)
        assert norms.signals[m] == pytest.approx(np.linalg.norm(delta.numpy(), axis=1), rel=1e-12)
    assert (norms.activations is None) == (not renormalize)


def test_a_row_without_direction_has_norm_zero():
    a = torch.tensor([[2.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    scales = torch.tensor([[4.0], [0.0]], dtype=torch.float64)
    signals = [torch.ones(2, 4, dtype=torch.float64), torch.ones(2, 3, dtype=torch.float64)]
    model = MLP([torch.zeros(4, 4), torch.zeros(3, 4)], None, TANH, renormalize=True)
    run = MLPPass(model, [a, a], [torch.ones_like(a)], [scales], torch.zeros(2, 3, dtype=torch.float64))
    assert row_norms(run, signals).activations.tolist() == [[0.5, 0.0]]


def test_millions_of_float32_entries_are_summed_to_float32s_own_precision():
    t = torch.randn(1000, 3000, generator=torch.Generator().manual_seed(0))
    exact = float(np.square(t.numpy().astype(np.float64)).sum())
    assert float(squared_norm(t)) == pytest.approx(exact, rel=1e-6)
    assert float(total_square([t, t[0]])) == pytest.approx((exact + float(t[0].double().square().sum())), rel=1e-6)
