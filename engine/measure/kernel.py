"""The empirical neural tangent kernel K = JJᵀ of the logits: products, compression, traces, and K itself.

K_{(i,c),(j,d)} = Σ_l ⟨a_{l−1,i}, a_{l−1,j}⟩⟨b_{l,ic}, b_{l,jd}⟩ with b_l = ∂o/∂h_l (Eq. 11), l over the model's sites.
With G̃ = AAᵀ, or AAᵀ + 1 where a site has a bias, K = Σ_l G̃_{l−1} ⊙ B_lB_lᵀ. Argument shapes: v (n, k).
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from engine.device.transfer import to_device, to_host
from engine.measure.gram import host_gram
from engine.measure.layer_threads import LayerThreads
from engine.model.base import Pass


class TangentKernel:
    """K at the parameters of one pass.

    Args:
        run: The forward pass.
        grams: A_mA_mᵀ/width_m of m = 0 … L−1, (n, n), float64, as the conditioning measures them.
    """

    def __init__(self, run: Pass, grams: list[Tensor]) -> None:
        self._run, self._grams = run, grams
        self._product = run.kernel_product(grams)

    @property
    def shape(self) -> tuple[int, int]:
        """(n, k): K has order n·k."""
        n, k = self._run.logits.shape
        return int(n), int(k)

    @property
    def is_singular(self) -> bool:
        """Whether K has the eigenvalue 0 whatever the parameters: its rank is below its order.

        Row (i, c) of K_(l)'s factor is b_{l,ic} ⊗ a_{l−1,i}, with biases b ⊗ (a, 1): the rank of K_(l) is at most
        fan_out·min(n, fan_in), and that of K at most the sum.
        """
        n, k = self.shape
        model = self._run.model
        pairs = zip(model.weights, model.sites, strict=True)
        return sum(w.shape[0] * min(n, w.shape[1] + (site.bias is not None)) for w, site in pairs) < n * k

    @property
    def precision(self) -> torch.dtype:
        """The training precision, in which nothing has to be converted."""
        return self._run.logits.dtype

    def __call__(self, v: Tensor) -> Tensor:
        """Kv, (n, k), in the precision of v. Cost: see :meth:`engine.model.base.Pass.kernel_product`."""
        return self._product(v)

    def compressed(self, threads: LayerThreads | None = None) -> Tensor:
        """The pNTK: (1/k) Σ_{c,d} K_{(i,c),(j,d)}, K seen through the one cotangent 1/√k of every example.

        Returns:
            Shape (n, n), float64, from signals in the training precision. It is a compression of K by an isometry, so
            λ_min(K) ≤ λ_min(pNTK) ≤ λ_max(pNTK) ≤ λ_max(K) (Cauchy). Cost: a backward pass, and n² flops a neuron.
        """
        n, k = self.shape
        cotangent = torch.full((n, k), k**-0.5, dtype=self.precision, device=self._run.logits.device)
        signals = self._run.backward(cotangent)
        if cotangent.device.type != "cpu":
            return sum_of_products(self._shifted(), signals)
        pairs = list(zip(to_host(self._shifted()), to_host(signals), strict=True))
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
        rows = [gram.diagonal() for gram in self._shifted()]
        traces = torch.zeros(len(rows), dtype=torch.float64, device=self._run.logits.device)
        cotangents = [to_device(signs.numpy(), self._run.logits)] if signs is not None else self._one_class_each()
        for cotangent in cotangents:
            norms = [torch.linalg.vector_norm(signal, dim=1) for signal in self._run.backward(cotangent)]
            squares = [norm.to(torch.float64).square() for norm in norms]
            traces += torch.stack([(r * s).sum() for r, s in zip(rows, squares, strict=True)])
        return traces

    def _one_class_each(self) -> list[Tensor]:
        cotangents = []
        for c in range(self.shape[1]):
            cotangent = torch.zeros_like(self._run.logits)
            cotangent[:, c] = 1.0
            cotangents.append(cotangent)
        return cotangents

    def _shifted(self) -> list[Tensor]:
        """G̃ of every site."""
        parts = zip(self._grams, self._run.features, self._run.model.sites, strict=True)
        return [gram * a.shape[1] + float(site.bias is not None) for gram, a, site in parts]

    def dense(self) -> Tensor:
        """K itself, for small n·k: the order of its rows is (example, class).

        Returns:
            Shape (nk, nk), float64. Cost: k backward passes and (nk)²·(number of neurons) flops.
        """
        n, k = self.shape
        total = torch.zeros(n, k, n, k, dtype=torch.float64, device=self._run.logits.device)
        cotangents = torch.eye(k, dtype=torch.float64, device=total.device)[:, None, :].expand(k, n, k)
        for gram, signal in zip(self._shifted(), self._run.backward(cotangents), strict=True):
            total += gram[:, None, :, None] * torch.einsum("ciw,djw->icjd", signal, signal)
        return total.reshape(n * k, n * k)


def sum_of_products(grams: list[Tensor], signals: list[Tensor]) -> Tensor:
    """Σ_l G̃_l ⊙ B_lB_lᵀ by torch, on any device: (n, n), float64, symmetric to the bit."""
    wide = [signal.to(torch.float64) for signal in signals]
    total = functools.reduce(torch.add, (gram * (b @ b.T) for gram, b in zip(grams, wide, strict=True)))
    return (total + total.T) / 2
