"""The empirical neural tangent kernel K = JJᵀ of the outputs, never formed: products, compression, traces.

K_{(i,c),(j,d)} = Σ_l ⟨a_{l−1,i}, a_{l−1,j}⟩⟨b_{l,ic}, b_{l,jd}⟩ with b_l = ∂o/∂h_l (Eq. 11). A product Kv needs one
backward recursion, Gram products and one forward recursion; no parameter-sized vector is formed:

    Δ_L = v,  Δ_l = φ̄'(h_l) ⊙ D(Δ_{l+1}W_{l+1});   t_1 = G̃_0Δ_1,  t_l = D(φ̄'(h_{l−1}) ⊙ t_{l−1})W_lᵀ + G̃_{l−1}Δ_l

with G̃ = AAᵀ, or AAᵀ + 1 with biases, and Kv = t_L. Argument shapes: v (n, k).

Products are made in the precision of v: in float32 at less than half the price, with a rounding of about 4·10⁻⁷‖K‖.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.device.transfer import to_device, to_host
from engine.measure.gram import host_gram
from engine.measure.layer_threads import LayerThreads
from engine.model.mlp import Forward, Network, backward_signals, row_scale_transpose


@dataclass(frozen=True, slots=True)
class _Twin:
    """Network, pass and Gram matrices in one precision."""

    network: Network
    run: Forward
    grams: list[Tensor]


class TangentKernel:
    """K at the parameters of one pass.

    Args:
        network: The network.
        run: Its forward pass.
        grams: A_mA_mᵀ/width_m of m = 0 … L−1, (n, n), float64, as the conditioning measures them.
    """

    def __init__(self, network: Network, run: Forward, grams: list[Tensor]) -> None:
        self._network, self._run, self._features = network, run, grams
        self._twins: dict[torch.dtype, _Twin] = {}

    @property
    def shape(self) -> tuple[int, int]:
        """(n, k): K has order n·k."""
        n, k = self._run.output.shape
        return int(n), int(k)

    @property
    def is_singular(self) -> bool:
        """Whether K has the eigenvalue 0 whatever the parameters: its rank is below its order.

        Row (i, c) of K_(l)'s factor is b_{l,ic} ⊗ a_{l−1,i}, with biases b ⊗ (a, 1): the rank of K_(l) is at most
        fan_out·min(n, fan_in), and that of K at most the sum.
        """
        n, k = self.shape
        extra = 0 if self._network.biases is None else 1
        rank = sum(w.shape[0] * min(n, w.shape[1] + extra) for w in self._network.weights)
        return rank < n * k

    @property
    def precision(self) -> torch.dtype:
        """The training precision, in which nothing has to be converted."""
        return self._run.output.dtype

    def __call__(self, v: Tensor) -> Tensor:
        """Multiply.

        Args:
            v: A cotangent of the outputs, (n, k).

        Returns:
            Kv, (n, k), in the precision of v. Cost: about 0.66 gradient steps at n = width; twice that in float64.
        """
        twin = self._in(v.dtype)
        run, network = twin.run, twin.network
        signals = backward_signals(network, run, v)
        t = twin.grams[0] @ signals[0]
        for m in range(1, network.depth):
            through = run.slopes[m - 1] * t
            if run.scales is not None:
                through = row_scale_transpose(run.inputs[m], run.scales[m - 1], through)
            t = through @ network.weights[m].T + twin.grams[m] @ signals[m]
        return t

    def compressed(self, threads: LayerThreads | None = None) -> Tensor:
        """The pNTK: K seen through the one cotangent 1/√k of every example.

        Args:
            threads: To form the layers' terms side by side on the host.

        Returns:
            (1/k) Σ_{c,d} K_{(i,c),(j,d)} = Σ_l G̃_{l−1} ⊙ B_lB_lᵀ, (n, n), float64, from signals in the training
            precision. It is a compression of K by an isometry, so λ_min(K) ≤ λ_min(pNTK) ≤ λ_max(pNTK) ≤ λ_max(K)
            (Cauchy). Cost: a backward pass, and n² flops for each neuron.
        """
        n, k = self.shape
        cotangent = torch.full((n, k), k**-0.5, dtype=self.precision, device=self._run.output.device)
        signals = backward_signals(self._network, self._run, cotangent)
        grams = self._shifted(torch.float64)
        if cotangent.device.type != "cpu":
            return sum_of_products(grams, signals)
        pairs = list(zip(to_host(grams), to_host(signals), strict=True))
        terms = (threads or LayerThreads()).map(lambda pair: pair[0] * (host_gram(pair[1]) * pair[1].shape[1]), pairs)
        return torch.from_numpy(sum(terms[1:], start=terms[0]))

    def layer_traces(self, signs: Tensor | None = None) -> Tensor:
        """Traces of K_(l), each layer's weights, l = 1 … L: Σ_{i,c} ‖a_{l−1,i}‖²‖b_{l,ic}‖² (with bias ‖a‖² + 1).

        Args:
            signs: Independent random signs, (n, k), for an estimate from one cotangent instead of k: Hutchinson's,
                with ‖Σ_c s_{ic}b_{l,ic}‖² in the place of Σ_c‖b_{l,ic}‖², which is its mean over signs.

        Returns:
            Shape (L,), float64; exactly, they add up to tr K. Cost: k backward passes, one class at a time; one with
            signs.
        """
        rows = [gram.diagonal() for gram in self._shifted(torch.float64)]
        traces = torch.zeros(len(rows), dtype=torch.float64, device=self._run.output.device)
        cotangents = [to_device(signs.numpy(), self._run.output)] if signs is not None else self._one_class_each()
        for cotangent in cotangents:
            signals = backward_signals(self._network, self._run, cotangent)
            squares = [torch.linalg.vector_norm(signal, dim=1).to(torch.float64).square() for signal in signals]
            traces += torch.stack([(r * s).sum() for r, s in zip(rows, squares, strict=True)])
        return traces

    def _one_class_each(self) -> list[Tensor]:
        cotangents = []
        for c in range(self.shape[1]):
            cotangent = torch.zeros_like(self._run.output)
            cotangent[:, c] = 1.0
            cotangents.append(cotangent)
        return cotangents

    def _shifted(self, dtype: torch.dtype) -> list[Tensor]:
        """G̃ of every layer."""
        shift = 0.0 if self._network.biases is None else 1.0
        return [(gram * a.shape[1] + shift).to(dtype) for gram, a in zip(self._features, self._run.inputs, strict=True)]

    def _in(self, dtype: torch.dtype) -> _Twin:
        if dtype not in self._twins:
            network, run = self._network, self._run
            self._twins[dtype] = _Twin(
                Network([w.to(dtype) for w in network.weights], None, network.activation, network.renormalize),
                Forward(
                    [a.to(dtype) for a in run.inputs],
                    [slope.to(dtype) for slope in run.slopes],
                    None if run.scales is None else [scale.to(dtype) for scale in run.scales],
                    run.output,
                ),
                self._shifted(dtype),
            )
        return self._twins[dtype]

    def dense(self) -> Tensor:
        """K itself, for small n·k: the order of its rows is (example, class).

        Returns:
            Shape (nk, nk). Cost: k backward passes and (nk)²·(number of neurons) flops.
        """
        n, k = self.shape
        total = torch.zeros(n, k, n, k, dtype=torch.float64, device=self._run.output.device)
        cotangents = torch.eye(k, dtype=torch.float64, device=total.device)[:, None, :].expand(k, n, k)
        twin = self._in(torch.float64)
        signals = backward_signals(twin.network, twin.run, cotangents)
        for gram, signal in zip(twin.grams, signals, strict=True):
            total += gram[:, None, :, None] * torch.einsum("ciw,djw->icjd", signal, signal)
        return total.reshape(n * k, n * k)


def sum_of_products(grams: list[Tensor], signals: list[Tensor]) -> Tensor:
    """Σ_l G̃_l ⊙ B_lB_lᵀ by torch, on any device.

    Args:
        grams: G̃ of every layer, (n, n), float64, symmetric.
        signals: B_l, (n, fan_out).

    Returns:
        Shape (n, n), float64, symmetric to the bit.
    """
    wide = [signal.to(torch.float64) for signal in signals]
    total = functools.reduce(torch.add, (gram * (b @ b.T) for gram, b in zip(grams, wide, strict=True)))
    return (total + total.T) / 2
