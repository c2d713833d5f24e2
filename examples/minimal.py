"""The whole method in one file: train a wide network and hold it against the theory, step by step.

    python examples/minimal.py

Nothing here is clever: gradients by autograd, eigenvalues by dense solvers, the tangent kernel from its Jacobian. The
engine computes the same numbers for wide networks without forming any of it; a test holds the two against each other.
Equation numbers are those of Balboni & Bacciu, An Empirical Verification of Wide Networks Theory (BMVC 2022).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

# φ̄ = (φ − Eφ(z))/sd φ(z), z ~ N(0, 1): zero mean and unit variance, so that weights N(0, 1/fan_in) preserve both.
ACTIVATIONS = {
    "relu": lambda h: (torch.relu(h) - 1 / math.sqrt(2 * math.pi)) * math.sqrt(2 * math.pi / (math.pi - 1)),
    "tanh": lambda h: torch.tanh(h) / math.sqrt(0.3942944903978412),
    "gelu": lambda h: (torch.nn.functional.gelu(h) - 0.28209479177387814) / math.sqrt(0.345644011024351),
}


def on_the_sphere(n: int, d: int, classes: int, seed: int) -> tuple[Tensor, Tensor]:
    """Gaussian inputs scaled to ‖x_i‖ = √d, labelled by a random linear teacher."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d))
    labels = np.argmax(x @ rng.standard_normal((d, classes)), axis=1)
    x *= math.sqrt(d) / np.linalg.norm(x, axis=1, keepdims=True)
    return torch.from_numpy(x), torch.from_numpy(labels)


def initialise(sizes: list[int], seed: int) -> list[Tensor]:
    """W_l ~ N(0, 1/fan_in), drawn in float32 so that every precision starts from the same network."""
    generator = torch.Generator().manual_seed(seed)
    weights = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        w = torch.randn(fan_out, fan_in, generator=generator, dtype=torch.float32).double() / math.sqrt(fan_in)
        weights.append(w.requires_grad_())
    return weights


def forward(weights: list[Tensor], x: Tensor, activation: str) -> tuple[Tensor, list[Tensor]]:
    """Logits, and the features A_0 = x, A_1, … that W_1, W_2, … multiply."""
    features = [x]
    for w in weights[:-1]:
        features.append(ACTIVATIONS[activation](features[-1] @ w.T))
    return features[-1] @ weights[-1].T, features


def mean_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """½‖softmax(o) − y‖², the paper's MSE, averaged over the examples."""
    target = torch.nn.functional.one_hot(labels, logits.shape[1])
    return 0.5 * (torch.softmax(logits, dim=1) - target).square().sum(dim=1).mean()


def gram_numbers(a: Tensor) -> dict[str, float]:
    """The spectrum of G = AAᵀ/width and Gershgorin's enclosure of it (Section 5)."""
    g = (a @ a.T / a.shape[1]).detach()
    n, diagonal = len(g), g.diagonal()
    eigenvalues = torch.linalg.eigvalsh(g)
    low = float(eigenvalues[0]) if n <= a.shape[1] else 0.0  # rank
    high = float(eigenvalues[-1])
    radii = g.abs().sum(dim=1) - diagonal.abs()  # R_i = Σ_{j≠i} |G_ij|
    return {
        "lambda_min": low,
        "lambda_max": high,
        "log10_cond": math.log10(high / max(low, max(n, 16) * 2.0**-52 * high)),
        "gersh_row_sum": float(radii.max()),
        "gersh_lower": float((diagonal - radii).min()),  # ≤ λ_min
        "gersh_upper": float((diagonal + radii).max()),  # ≥ λ_max
    }


def tangent_kernel(weights: list[Tensor], x: Tensor, activation: str) -> Tensor:
    """K = JJᵀ, J the Jacobian of all n·k outputs in all parameters (Eq. 11); dense, for small n only."""
    outputs = forward(weights, x, activation)[0].reshape(-1)
    rows = [torch.autograd.grad(o, weights, retain_graph=True) for o in outputs]
    jacobian = torch.stack([torch.cat([part.reshape(-1) for part in row]) for row in rows])
    return jacobian @ jacobian.T


def train(
    x: Tensor, labels: Tensor, weights: list[Tensor], activation: str, lr: float, steps: int
) -> Iterator[dict[str, Any]]:
    """Full-batch gradient descent; row k describes θ_k before its update, transitions k−1 → k are in row k."""
    first_grams: list[Tensor] = []
    f, g2, L = [], [], [math.nan]  # f_k, ‖∇f(θ_k)‖² and L_step of the step to θ_k
    for k in range(steps + 1):
        logits, features = forward(weights, x, activation)
        loss = mean_loss(logits, labels)
        gradients = torch.autograd.grad(loss, weights)
        f.append(loss.item())
        g2.append(sum(g.square().sum().item() for g in gradients))
        row = {"loss": f[k], "grad_norm": math.sqrt(g2[k]), "pl": g2[k] / (2 * f[k])}  # μ: Eq. 46, with f* = 0

        # The L that would have made the descent lemma exact on the last step, and what the one before promised.
        if k >= 1:
            L.append(2 * (f[k] - f[k - 1] + lr * g2[k - 1]) / (lr**2 * g2[k - 1]))
            row |= {"smoothness_step": L[k], "ratio_null": f[k] / f[k - 1]}
        if k >= 2:
            row["predicted_descent"] = f[k - 1] - lr * (1 - lr * L[k - 1] / 2) * g2[k - 1]
            row["ratio_descent"] = f[k] / row["predicted_descent"]

        # Layer by layer: conditioning, Gershgorin, and Eq. 13's bound λ_min(G_t) ≥ λ_min(G_0) − ‖G_t − G_0‖₂.
        grams = [(a @ a.T / a.shape[1]).detach() for a in features]
        first_grams = first_grams or grams
        layers = [gram_numbers(a) for a in features]
        for layer, now, then in zip(layers, grams, first_grams, strict=True):
            moved = torch.linalg.matrix_norm(now - then, 2)
            layer["eq13_op"] = float(torch.linalg.eigvalsh(then)[0] - moved)
        row |= {name: [layer[name] for layer in layers] for name in layers[0]}

        spectrum = torch.linalg.eigvalsh(tangent_kernel(weights, x, activation))
        row |= {"ntk_lambda_min": float(spectrum[0]), "ntk_lambda_max": float(spectrum[-1])}
        yield row

        with torch.no_grad():
            for w, g in zip(weights, gradients, strict=True):
                w -= lr * g


def main() -> None:
    """Train a small network and print what the theory says of each step."""
    x, labels = on_the_sphere(n=30, d=20, classes=4, seed=0)
    weights = initialise([20, 100, 100, 100, 4], seed=0)
    print("step     loss        μ   L_step  f/f̂_desc  log₁₀κ by layer          Eq. 13 of the last  λ(K)")
    for k, row in enumerate(train(x, labels, weights, "tanh", lr=0.05, steps=20)):
        cond = " ".join(f"{value:5.2f}" for value in row["log10_cond"])
        eq13 = f"{row['eq13_op'][-1]:7.4f} ≤ {row['lambda_min'][-1]:.4f}"
        kernel = f"{row['ntk_lambda_min']:.3g} … {row['ntk_lambda_max']:.4g}"
        L, ratio = row.get("smoothness_step", math.nan), row.get("ratio_descent", math.nan)
        print(f"{k:4d} {row['loss']:8.5f} {row['pl']:8.4f} {L:8.3f} {ratio:10.6f}  {cond}   {eq13}    {kernel}")


if __name__ == "__main__":
    main()
