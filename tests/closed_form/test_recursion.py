"""The parameter-space recursion against Jacobians and Hessians of tiny networks written out here."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.func import hessian, jacrev

from engine.theory.activation import ACTIVATIONS, RELU, TANH, NormalizedActivation
from engine.theory.loss_constants import LOSSES
from engine.theory.recursion import (
    OutputConstants,
    layer_constants,
    lipschitz_bound,
    output_constants,
    smoothness_bound,
)
from tests.closed_form.functions import LOSS, derivative, normalised

_N, _D, _WIDTH, _CLASSES = 3, 3, 4, 2


class _Net:
    """A fully connected network of a few dozen parameters, as a function of them all in one vector."""

    def __init__(
        self,
        seed: int,
        *,
        activation: NormalizedActivation,
        depth: int,
        bias: bool,
        renormalize: bool,
        gain: float = 1.0,
    ) -> None:
        rng = np.random.default_rng(seed)
        self.activation, self.bias, self.renormalize = activation, bias, renormalize
        sizes = [_D, *[_WIDTH] * (depth - 1), _CLASSES]
        self.shapes = [(out, inp) for inp, out in itertools.pairwise(sizes)]
        parts = [gain * rng.normal(size=shape) / math.sqrt(shape[1]) for shape in self.shapes]
        if bias:
            parts += [0.3 * rng.normal(size=shape[0]) for shape in self.shapes]
        self.theta = torch.tensor(np.concatenate([part.ravel() for part in parts]))
        x = rng.normal(size=(_N, _D))
        self.x = torch.tensor(x * math.sqrt(_D) / np.linalg.norm(x, axis=1, keepdims=True))
        self.y = torch.tensor(rng.integers(0, _CLASSES, size=_N))

    def weights(self, theta: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        pieces, offset = [], 0
        shapes: list[tuple[int, ...]] = [*self.shapes, *([(s[0],) for s in self.shapes] * self.bias)]
        for shape in shapes:
            size = math.prod(shape)
            pieces.append(theta[offset : offset + size].reshape(shape))
            offset += size
        return pieces[: len(self.shapes)], pieces[len(self.shapes) :]

    def forward(self, theta: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Outputs (n, k); a_0 … a_{L−1}; u_1 … u_{L−1}."""
        matrices, biases = self.weights(theta)
        a, features, raw = self.x, [self.x], []
        for index, W in enumerate(matrices):
            h = a @ W.T + (biases[index] if biases else 0.0)
            if index == len(matrices) - 1:
                return h, features, raw
            u = normalised(self.activation.name, h)
            raw.append(u)
            a = u / u.norm(dim=1, keepdim=True) * math.sqrt(_WIDTH) if self.renormalize else u
            features.append(a)
        raise AssertionError

    def losses(self, theta: Tensor, loss: str) -> Tensor:
        return LOSS[loss].rows(self.forward(theta)[0], self.y)

    def constants(self, radius: float = 0.0) -> OutputConstants:
        _, features, raw = self.forward(self.theta)
        matrices, _ = self.weights(self.theta)
        return output_constants(
            [float(torch.linalg.matrix_norm(W, 2)) for W in matrices],
            [a.norm(dim=1).numpy() for a in features],
            self.activation,
            activation_norms=[u.norm(dim=1).numpy() for u in raw] if self.renormalize else None,
            bias=self.bias,
            radius=radius,
        )

    def jacobian_norms(self, theta: Tensor) -> np.ndarray:
        jacobian = jacrev(lambda t: self.forward(t)[0])(theta)
        return torch.linalg.matrix_norm(jacobian, 2).numpy()

    def second_derivative_norms(self, theta: Tensor, directions: int) -> np.ndarray:
        """Largest ‖Σ_c w_c ∇²o_c‖₂ over some unit w, per example: at most the norm H bounds."""
        full = hessian(lambda t: self.forward(t)[0])(theta)
        w = torch.randn(directions, _CLASSES, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        w = torch.cat([torch.eye(_CLASSES, dtype=torch.float64), w / w.norm(dim=1, keepdim=True)])
        combined = torch.einsum("wc,ncij->nwij", w, full)
        return torch.linalg.matrix_norm(combined, 2).amax(dim=1).numpy()


_CASES = [
    {"activation": activation, "depth": depth, "bias": bias, "renormalize": renormalize}
    for activation in ACTIVATIONS.values()
    for depth in (2, 3)
    for bias in (False, True)
    for renormalize in (False, True)
]


def _name(case: dict[str, object]) -> str:
    activation = case["activation"]
    assert isinstance(activation, NormalizedActivation)
    flags = [flag for flag in ("bias", "renormalize") if case[flag]]
    return "-".join([activation.name, str(case["depth"]), *flags])


@pytest.mark.parametrize("case", _CASES, ids=_name)
def test_no_jacobian_or_second_derivative_exceeds_the_recursion(case: dict[str, object]) -> None:
    for seed, gain in ((0, 1.0), (1, 0.3), (2, 3.0)):
        net = _Net(seed, gain=gain, **case)  # type: ignore[arg-type]
        constants = net.constants()
        assert np.all(net.jacobian_norms(net.theta) <= constants.lipschitz * (1.0 + 1e-12))
        if case["activation"].piecewise_linear:
            assert np.isnan(constants.smoothness).all()
        else:
            found = net.second_derivative_norms(net.theta, 6)
            assert np.all(found <= constants.smoothness * (1.0 + 1e-12))


@pytest.mark.parametrize("case", _CASES, ids=_name)
def test_nothing_within_the_ball_exceeds_the_recursion_over_the_ball(case: dict[str, object]) -> None:
    radius = 0.1
    net = _Net(3, **case)  # type: ignore[arg-type]
    bound = net.constants(radius)
    # Renormalisation cannot be bounded over the ball where ‖u‖ might reach 0.
    known = np.isfinite(bound.lipschitz)
    assert known.any()
    assert known.all() or net.renormalize
    assert np.all((bound.lipschitz >= net.constants().lipschitz)[known])
    generator = torch.Generator().manual_seed(0)
    for index in range(12):
        direction = torch.randn(len(net.theta), dtype=torch.float64, generator=generator)
        if index % 2:
            # Uphill in the size of one example's Jacobian, where the supremum is likelier to be; its
            # Frobenius norm, because the spectral norm has no gradient where singular values coincide.
            theta = net.theta.clone().requires_grad_()
            jacobian = jacrev(lambda t: net.forward(t)[0])(theta)
            (uphill,) = torch.autograd.grad(jacobian[index % _N].norm(), theta)
            if float(uphill.norm()) > 0.0:  # an example may be dead to all of ReLU's neurons
                direction = uphill
        theta = net.theta + radius * direction / direction.norm()
        assert np.all((net.jacobian_norms(theta) <= bound.lipschitz * (1.0 + 1e-12))[known])
        if not case["activation"].piecewise_linear and index < 4:
            found = net.second_derivative_norms(theta, 3)
            assert np.all((found <= bound.smoothness * (1.0 + 1e-12))[known])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("case", _CASES, ids=_name)
def test_the_losses_gradients_and_hessian_stay_within_their_bounds(case: dict[str, object], loss: str) -> None:
    net = _Net(4, **case)  # type: ignore[arg-type]
    constants = net.constants()
    o = net.forward(net.theta)[0].detach().requires_grad_()
    (logit_gradients,) = torch.autograd.grad(LOSS[loss].rows(o, net.y).sum(), o)
    G = logit_gradients.norm(dim=1).numpy()
    sample_gradients = jacrev(lambda t: net.losses(t, loss))(net.theta).norm(dim=1)
    assert float(sample_gradients.max()) <= lipschitz_bound(constants, G) * (1.0 + 1e-12)
    bound = smoothness_bound(constants, G, LOSSES[loss].smoothness)
    if case["activation"].piecewise_linear:
        assert math.isnan(bound)
    else:
        full = hessian(lambda t: net.losses(t, loss).mean())(net.theta)
        assert float(torch.linalg.matrix_norm(full, 2)) <= bound


def test_widening_the_weights_alone_is_no_bound_over_the_ball() -> None:
    """x = 1, W₁ = 10, W₂ = .1, r = 1, ReLU: the true supremum of J is 18.16."""

    def true_jacobian(first: float, second: float) -> float:
        return math.hypot(RELU(first).item(), second * RELU.p1)

    angles = np.linspace(0.0, 2.0 * math.pi, 20_001)
    true = max(true_jacobian(10.0 + math.cos(t), 0.1 + math.sin(t)) for t in angles)
    assert true == pytest.approx(18.16, abs=5e-3)
    features = [np.ones(1), RELU([10.0])]
    weights_only = output_constants([11.0, 1.1], features, RELU).lipschitz[0]
    assert weights_only == pytest.approx(16.55, abs=5e-3)
    assert weights_only < true
    whole = output_constants([10.0, 0.1], features, RELU, radius=1.0).lipschitz[0]
    assert true <= whole <= 1.01 * true


def test_one_layer_is_linear_in_its_parameters() -> None:
    constants = output_constants([3.0], [np.array([2.0, 5.0])], TANH)
    np.testing.assert_allclose(constants.lipschitz, [2.0, 5.0])
    np.testing.assert_array_equal(constants.smoothness, 0.0)
    with_bias = output_constants([3.0], [np.array([2.0])], TANH, bias=True)
    assert with_bias.lipschitz[0] == pytest.approx(math.sqrt(5.0))


def test_two_layers_reach_the_bound_where_it_is_tight() -> None:
    """o = w₂φ̄(w₁x) at φ̄'' = 0: the Hessian is [[0, c], [c, 0]], c = p₁|x|."""
    x, w1, w2 = 1.5, 0.0, 0.7
    constants = output_constants([abs(w1), w2], [[x], np.abs(TANH([w1 * x]))], TANH)
    c = TANH.p1 * x
    assert constants.lipschitz[0] == pytest.approx(w2 * c)
    b = w2 * (TANH.p2 or 0.0) * x * x
    assert constants.smoothness[0] == pytest.approx((b + math.hypot(b, 2.0 * c)) / 2.0)
    assert constants.smoothness[0] >= c


def test_a_ball_too_large_for_renormalisation_is_not_defined() -> None:
    features, raw = [np.ones(2), np.full(2, 2.0)], [np.array([5.0, 0.5])]
    found = output_constants([1.0, 1.0], features, TANH, activation_norms=raw, radius=1.0)
    assert math.isfinite(found.lipschitz[0])
    assert math.isnan(found.lipschitz[1])
    assert math.isnan(lipschitz_bound(found, np.ones(2)))


def test_rows_that_are_short_before_renormalisation_have_constants_too() -> None:
    # ν = √w/‖u‖ grows as ‖u‖ falls, and the Jacobian with it.
    features, activation = [np.ones(2), np.full(2, 2.0)], TANH
    found = output_constants([1.0, 1.0], features, activation, activation_norms=[np.array([1.0, 0.01])])
    expected = [math.hypot(2.0, 2.0 / u * activation.p1) for u in (1.0, 0.01)]
    np.testing.assert_allclose(found.lipschitz, expected, rtol=1e-14)


def test_second_derivative_of_normalising_is_two_over_root_three_on_the_sphere() -> None:
    angle = np.linspace(0.0, math.pi, 10_001)
    along, across = np.cos(angle), np.sin(angle)
    # D²(u/‖u‖)[v, v] at a unit vector e, v = αe + βt: −2αβ t − β² e.
    assert np.hypot(2.0 * along * across, across**2).max() == pytest.approx(2.0 / math.sqrt(3.0), rel=1e-7)


def test_lemma9s_smoothness_is_exceeded_and_the_corrected_one_is_not() -> None:
    """M = (1, 1)ᵀ: f(x) = (φ(x), φ(x)) has ‖f''‖ = √2|φ''|, above the paper's max|M_ij|·p₂."""
    M = np.ones((2, 1))
    p1, p2 = TANH.p1, TANH.p2 or 0.0
    t = np.linspace(-2.0, 2.0, 400_001)
    second = np.abs(np.gradient(TANH.scale * derivative("tanh", 1)(t), t)).max()
    true = math.hypot(second, second)
    lipschitz, smoothness = layer_constants(M, p1, p2)
    assert true > 1.4 * np.abs(M).max() * p2
    assert true <= smoothness * (1.0 + 1e-6)
    assert smoothness == pytest.approx(math.sqrt(2.0) * p2)
    assert lipschitz == pytest.approx(math.sqrt(2.0) * p1)


@given(seed=st.integers(0, 10**6))
def test_lemma9_corrected_bounds_first_and_second_derivatives_of_a_layer(seed: int) -> None:
    rng = np.random.default_rng(seed)
    M, x, v = rng.normal(size=(4, 3)), rng.normal(size=3) * 2.0, rng.normal(size=3)
    v /= np.linalg.norm(v)
    lipschitz, smoothness = layer_constants(M, TANH.p1, TANH.p2 or 0.0)
    t = np.tanh(x)
    slope = TANH.scale * (1.0 - t**2)
    assert np.linalg.norm(M @ (slope * v)) <= lipschitz
    assert np.linalg.norm(M @ (-2.0 * t * slope * v * v)) <= smoothness
