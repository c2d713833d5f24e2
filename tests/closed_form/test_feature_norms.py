"""‖u‖ of every row before renormalisation, recovered from what a pass keeps."""

from __future__ import annotations

import pytest
import torch

from engine.measure.layers import feature_norms
from engine.network import Forward
from tests.closed_form.small_networks import small


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("renormalize", [False, True])
def test_norms_of_features_are_those_before_they_were_rescaled(activation, renormalize):
    case = small(activation, renormalize, True, depth=4)
    run, act = case.training_pass().run, case.network.activation
    for m in (1, 2, 3):
        h = run.inputs[m - 1] @ case.network.weights[m - 1].T + case.network.biases[m - 1]
        u = act.scale * (torch.relu(h) if activation == "relu" else torch.tanh(h)) + act.offset
        assert feature_norms(run, m) == pytest.approx(u.norm(dim=1).numpy(), rel=1e-12)


def test_a_row_without_direction_has_norm_zero():
    a = torch.tensor([[2.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    scales = torch.tensor([[4.0], [0.0]], dtype=torch.float64)
    run = Forward([a, a], [torch.ones_like(a)], [scales], torch.zeros(2, 3, dtype=torch.float64))
    assert feature_norms(run, 1).tolist() == [0.5, 0.0]
