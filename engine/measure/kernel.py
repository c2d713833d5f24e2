"""The empirical neural tangent kernel K = JJᵀ of the outputs, never formed: products, compression, traces.

K_{(i,c),(j,d)} = Σ_l ⟨a_{l−1,i}, a_{l−1,j}⟩⟨b_{l,ic}, b_{l,jd}⟩ with b_l = ∂o/∂h_l (Eq. 11). A product Kv needs one
backward recursion, Gram products and one forward recursion; no parameter-sized vector is formed:

    Δ_L = v,  Δ_l = φ̄'(h_l) ⊙ D(Δ_{l+1}W_{l+1});   t_1 = G̃_0Δ_1,  t_l = D(φ̄'(h_{l−1}) ⊙ t_{l−1})W_lᵀ + G̃_{l−1}Δ_l

with G̃ = AAᵀ, or AAᵀ + 1 with biases, and Kv = t_L. Argument shapes: v (n, k); everything in float64.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.network import Forward, Network, backward_signals, row_scale_transpose


class TangentKernel:
    """K at the parameters of one pass.

    Args:
        network: The network.
        run: Its forward pass.
        grams: A_mA_mᵀ/width_m of m = 0 … L−1, (n, n), float64, as the conditioning measures them.
    """

    def __init__(self, network: Network, run: Forward, grams: list[Tensor]) -> None:
        self._bias = network.biases is not None
        # Spectra are float64 throughout; for a float64 run nothing is copied.
        self._network = Network(
            [weight.to(torch.float64) for weight in network.weights], None, network.activation, network.renormalize
        )
        self._run = Forward(
            [a.to(torch.float64) for a in run.inputs],
            [slope.to(torch.float64) for slope in run.slopes],
            None if run.scales is None else [scale.to(torch.float64) for scale in run.scales],
            run.output,
        )
        shift = 1.0 if self._bias else 0.0
        self._grams = [gram * a.shape[1] + shift for gram, a in zip(grams, run.inputs, strict=True)]

    @property
    def shape(self) -> tuple[int, int]:
        """(n, k): K has order n·k."""
        n, k = self._run.output.shape
        return int(n), int(k)

    def __call__(self, v: Tensor) -> Tensor:
        """Multiply.

        Args:
            v: A cotangent of the outputs, (n, k).

        Returns:
            Kv, (n, k). Cost: about 0.66 gradient steps at n = width, in float64.
        """
        run, network = self._run, self._network
        signals = backward_signals(network, run, v)
        t = self._grams[0] @ signals[0]
        for m in range(1, network.depth):
            through = run.slopes[m - 1] * t
            if run.scales is not None:
                through = row_scale_transpose(run.inputs[m], run.scales[m - 1], through)
            t = through @ network.weights[m].T + self._grams[m] @ signals[m]
        return t

    def compressed(self) -> Tensor:
        """The pNTK: K seen through the one cotangent 1/√k of every example.

        Returns:
            (1/k) Σ_{c,d} K_{(i,c),(j,d)} = Σ_l G̃_{l−1} ⊙ B_lB_lᵀ, (n, n). It is a compression of K by an isometry, so
            λ_min(K) ≤ λ_min(pNTK) ≤ λ_max(pNTK) ≤ λ_max(K) (Cauchy). Cost: 0.33 gradient steps at n = width.
        """
        n, k = self.shape
        cotangent = torch.full((n, k), k**-0.5, dtype=torch.float64, device=self._run.output.device)
        signals = backward_signals(self._network, self._run, cotangent)
        total = torch.zeros(n, n, dtype=torch.float64, device=cotangent.device)
        for gram, signal in zip(self._grams, signals, strict=True):
            total += gram * (signal @ signal.T)
        return (total + total.T) / 2

    def layer_traces(self) -> Tensor:
        """Traces of K_(l), each layer's weights, l = 1 … L: Σ_{i,c} ‖a_{l−1,i}‖²‖b_{l,ic}‖² (with bias ‖a‖² + 1).

        Returns:
            Shape (L,), float64; they add up to tr K. Cost: k backward passes, one class at a time.
        """
        n, k = self.shape
        rows = [gram.diagonal() for gram in self._grams]
        traces = torch.zeros(len(rows), dtype=torch.float64, device=self._run.output.device)
        for c in range(k):
            cotangent = torch.zeros(n, k, dtype=torch.float64, device=traces.device)
            cotangent[:, c] = 1.0
            signals = backward_signals(self._network, self._run, cotangent)
            traces += torch.stack([(r * s.square().sum(dim=1)).sum() for r, s in zip(rows, signals, strict=True)])
        return traces

    def dense(self) -> Tensor:
        """K itself, for small n·k: the order of its rows is (example, class).

        Returns:
            Shape (nk, nk). Cost: k backward passes and (nk)²·(number of neurons) flops.
        """
        n, k = self.shape
        total = torch.zeros(n, k, n, k, dtype=torch.float64, device=self._run.output.device)
        cotangents = torch.eye(k, dtype=torch.float64, device=total.device)[:, None, :].expand(k, n, k)
        signals = backward_signals(self._network, self._run, cotangents)
        for gram, signal in zip(self._grams, signals, strict=True):
            total += gram[:, None, :, None] * torch.einsum("ciw,djw->icjd", signal, signal)
        return total.reshape(n * k, n * k)
