"""The network: parameters, initialisation, and the one pass that training makes and every measurement reads.

Notation of the theory: h_l = a_{l−1}W_lᵀ (+ b_l), u_l = φ̄(h_l), a_l = u_l or, renormalised, a_l = ν u_l with
ν = √width/‖u_l‖ a row; a_0 = x; the output is h_L. The backward recursion is written out rather than left to
autograd: training needs exactly these products, and the measurements need exactly their intermediate results.

Shapes: n examples, d inputs, w = width, k classes; W_l is (fan_out, fan_in).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.theory.activation import NormalizedActivation, normalized_activation


@dataclass(slots=True)
class Network:
    """A fully connected network. Its tensors are updated in place by training, and by nothing else.

    Attributes:
        weights: W_1 … W_L, W_l of shape (fan_out, fan_in).
        biases: b_1 … b_L of shape (fan_out,), or None without biases.
        activation: The normalised activation φ̄ and its constants.
        renormalize: Whether every hidden row is rescaled to norm √width.
    """

    weights: list[Tensor]
    biases: list[Tensor] | None
    activation: NormalizedActivation
    renormalize: bool

    @property
    def depth(self) -> int:
        """Number of weight matrices, output layer included."""
        return len(self.weights)

    def parameters(self) -> list[Tensor]:
        """All parameters: W_1 … W_L, then b_1 … b_L if there are any."""
        return [*self.weights, *(self.biases or [])]


@dataclass(frozen=True, slots=True)
class Forward:
    """What a forward pass leaves behind.

    Attributes:
        inputs: a_0 … a_{L−1}: what multiplies W_1 … W_L; a_0 (n, d), the others (n, w).
        slopes: φ̄'(h_1) … φ̄'(h_{L−1}), each (n, w).
        scales: ν of each row, each (n, 1), or None without renormalisation; 0 for a row with u = 0.
        output: h_L, the logits, (n, k).
    """

    inputs: list[Tensor]
    slopes: list[Tensor]
    scales: list[Tensor] | None
    output: Tensor


def initialise(
    *,
    inputs: int,
    width: int,
    depth: int,
    classes: int,
    activation: str,
    renormalize: bool,
    bias: bool,
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
) -> Network:
    """Draw W_l ~ N(0, 1/fan_in), layer by layer from one CPU generator, then move to the device.

    The gain is 1 and not √2, because φ̄ has unit second moment. Numbers are drawn in float32 whatever the dtype and
    device, so that runs in different precisions and places start from the same network.

    Args:
        inputs: d, input dimension.
        width: Neurons of each hidden layer.
        depth: L ≥ 2, weight matrices.
        classes: k, outputs.
        activation: ``relu`` or ``tanh``.
        renormalize: See :class:`Network`.
        bias: Whether there are biases; they start at 0.
        seed: Seed of the generator.
        device: Where the parameters live.
        dtype: Their precision.

    Returns:
        The network at initialisation.
    """
    generator = torch.Generator(device="cpu").manual_seed(seed)
    sizes = [inputs, *[width] * (depth - 1), classes]
    weights = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        drawn = torch.randn(fan_out, fan_in, generator=generator, dtype=torch.float32)
        weights.append(drawn.to(dtype=dtype).mul_(1.0 / math.sqrt(fan_in)).to(device))
    biases = [torch.zeros(size, dtype=dtype, device=device) for size in sizes[1:]] if bias else None
    return Network(weights, biases, normalized_activation(activation), renormalize)


def forward(network: Network, x: Tensor) -> Forward:
    """Run the network forward and keep what the backward pass and the measurements read.

    Args:
        network: The network.
        x: Inputs, (n, d).

    Returns:
        Activations, slopes, row scales and logits. Cost: 2n·(number of weights) flops.
    """
    inputs: list[Tensor] = [x]
    slopes: list[Tensor] = []
    scales: list[Tensor] = []
    for index in range(network.depth - 1):
        u, slope = _activate(network.activation, _affine(network, index, inputs[-1]))
        if network.renormalize:
            scale = row_scale(u)
            scales.append(scale)
            u = u * scale
        inputs.append(u)
        slopes.append(slope)
    output = _affine(network, network.depth - 1, inputs[-1])
    return Forward(inputs, slopes, scales if network.renormalize else None, output)


def logits(network: Network, x: Tensor) -> Tensor:
    """The outputs alone, keeping nothing: for the test set.

    Args:
        network: The network.
        x: Inputs, (n, d).

    Returns:
        Logits, (n, k).
    """
    a = x
    for index in range(network.depth - 1):
        a, _ = _activate(network.activation, _affine(network, index, a))
        if network.renormalize:
            a = a * row_scale(a)
    return _affine(network, network.depth - 1, a)


def row_scale(u: Tensor) -> Tensor:
    """ν = √width/‖u‖ of each row.

    Args:
        u: Features before renormalisation, (n, w).

    Returns:
        Shape (n, 1). A row of zeros has no direction; its ν is 0, so that it stays 0 and has no gradient.
    """
    norm = torch.linalg.vector_norm(u, dim=1, keepdim=True)
    return torch.where(norm > 0, math.sqrt(u.shape[1]) / norm, torch.zeros_like(norm))


def row_scale_transpose(a: Tensor, scale: Tensor, z: Tensor) -> Tensor:
    """D(z) = ν(z − a⟨a,z⟩/width), the (symmetric) derivative of renormalisation, row by row.

    Args:
        a: Renormalised features, (…, n, w).
        scale: ν, (…, n, 1).
        z: What is multiplied by the derivative, (…, n, w).

    Returns:
        Shape of ``z``.
    """
    return scale * (z - a * ((a * z).sum(dim=-1, keepdim=True) / a.shape[-1]))


def backward_signals(network: Network, run: Forward, cotangent: Tensor) -> list[Tensor]:
    """Δ_l = ∂⟨cotangent, output⟩/∂h_l of every layer and example.

    Δ_L is the cotangent itself; Δ_l = φ̄'(h_l) ⊙ D(Δ_{l+1}W_{l+1}), D being the identity without renormalisation.

    Args:
        network: The network that made the pass.
        run: Its forward pass.
        cotangent: Shape (…, n, k); leading dimensions are batches of cotangents.

    Returns:
        Δ_1 … Δ_L, of shapes (…, n, w) … (…, n, k). Cost: about the forward pass without its first layer.
    """
    signals = [cotangent]
    for index in range(network.depth - 1, 0, -1):
        z = signals[-1] @ network.weights[index]
        if run.scales is not None:
            z = row_scale_transpose(run.inputs[index], run.scales[index - 1], z)
        signals.append(run.slopes[index - 1] * z)
    signals.reverse()
    return signals


def parameter_gradients(network: Network, run: Forward, signals: list[Tensor]) -> list[Tensor]:
    """Gradients of the mean over examples, in the order of :meth:`Network.parameters`.

    Args:
        network: The network that made the pass.
        run: Its forward pass.
        signals: δ_1 … δ_L of single examples (not divided by n), from :func:`backward_signals`.

    Returns:
        ∂f/∂W_l = δ_lᵀ a_{l−1}/n, then ∂f/∂b_l = Σ_i δ_{l,i}/n if there are biases.
    """
    n = run.output.shape[0]
    gradients = [(delta.T / n) @ a for delta, a in zip(signals, run.inputs, strict=True)]
    if network.biases is not None:
        gradients.extend(delta.sum(dim=0) / n for delta in signals)
    return gradients


def _affine(network: Network, index: int, a: Tensor) -> Tensor:
    if network.biases is None:
        return a @ network.weights[index].T
    return torch.addmm(network.biases[index], a, network.weights[index].T)


def _activate(activation: NormalizedActivation, h: Tensor) -> tuple[Tensor, Tensor]:
    """φ̄(h) and φ̄'(h)."""
    return _ACTIVATE[activation.name](activation, h)


def _relu(activation: NormalizedActivation, h: Tensor) -> tuple[Tensor, Tensor]:
    # The derivative at 0 is taken as 0, as torch does.
    return torch.relu(h) * activation.scale + activation.offset, (h > 0).to(h.dtype) * activation.scale


def _tanh(activation: NormalizedActivation, h: Tensor) -> tuple[Tensor, Tensor]:
    # Odd, so that there is no offset.
    t = torch.tanh(h)
    return t * activation.scale, (1.0 - t * t) * activation.scale


_ACTIVATE: dict[str, Callable[[NormalizedActivation, Tensor], tuple[Tensor, Tensor]]] = {
    "relu": _relu,
    "tanh": _tanh,
}


def activation_curvature(network: Network, run: Forward, layer: int) -> Tensor | None:
    """φ̄''(h_l) for the Hessian, or None where it vanishes almost everywhere (ReLU).

    Args:
        network: The network that made the pass.
        run: Its forward pass.
        layer: l, 1 … L−1.

    Returns:
        Shape (n, w): −2·tanh(h)·φ̄'(h) for tanh, recovered from the activation without keeping h.
    """
    if network.activation.name == "relu":
        return None
    slope = run.slopes[layer - 1]
    feature = run.inputs[layer]
    if run.scales is not None:
        scale = run.scales[layer - 1]
        feature = torch.where(scale > 0, feature / scale, torch.zeros_like(feature))
    t = feature / network.activation.scale  # tanh is odd: there is no offset
    return -2.0 * t * slope
