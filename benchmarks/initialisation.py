"""What measuring all layers at initialisation adds to the forward pass, in time and in memory (experiment E1).

``python -m benchmarks.initialisation`` takes the paper's largest: 30 layers, width 5000, n = 1000 (3 GB of weights).
Data are Gaussian: nothing here depends on them.
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import time

os.environ.setdefault("GOMP_SPINCOUNT", "2000")  # as the engine process sets it

import torch

from engine.config import RunConfig
from engine.device.transfer import Transfer
from engine.measure.hidden_layers import HiddenLayers
from engine.measure.layer_threads import LayerThreads
from engine.measure.weight_norms import WeightNorms
from engine.model.mlp import initialise
from engine.theory.activation import ACTIVATIONS


def peak() -> int:
    """Largest resident memory so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Time the forward pass and the measurements of one network, and print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=5000)
    parser.add_argument("--depth", type=int, default=31, help="weight matrices: one more than Gram matrices")
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--activation", default="relu", choices=list(ACTIVATIONS))
    arguments = parser.parse_args()
    n, w, depth = arguments.examples, arguments.width, arguments.depth
    model = initialise(RunConfig(width=w, depth=depth, activation=arguments.activation), 3072, 10, torch.device("cpu"))
    x = torch.randn(n, 3072, generator=torch.Generator().manual_seed(1))
    model.forward(x[:8])
    began = time.perf_counter()
    run = model.forward(x)
    passing = time.perf_counter() - began
    kept = sum(t.numel() * t.element_size() for t in (*model.weights, *run.features, *run.slopes))
    before = peak()
    threads = LayerThreads()
    began = time.perf_counter()
    layers, transfer = HiddenLayers(threads), Transfer()
    rows = layers.collect(layers.launch(run.features[1:], transfer, whole=False), run.features[1:])
    spectra = time.perf_counter() - began
    began = time.perf_counter()
    norms, transfer = WeightNorms(model.weights, threads), Transfer()
    found = norms.collect(norms.launch(None, transfer)).norms
    weights = time.perf_counter() - began
    grams = len(run.features) * n * n * 8
    print(f"{depth} layers, {w} wide, n = {n}, {torch.get_num_threads()} threads")
    print(f"forward pass                        {passing:8.2f} s")
    print(f"Gram matrices, spectra, discs       {spectra:8.2f} s  {spectra / passing:5.2f}×")
    print(f"spectral norms of the weights       {weights:8.2f} s  {weights / passing:5.2f}×")
    print(f"weights and pass {kept / 1e9:.2f} GB; peak {before / 1e9:.2f} GB before, {peak() / 1e9:.2f} GB after")
    print(f"measuring added {(peak() - before) / 1e6:.0f} MB to the peak; all Gram matrices are {grams / 1e6:.0f} MB")
    last = rows.extremes[-1]
    print(f"log10 of the conditioning at the last layer: {math.log10(last.largest.value / last.smallest.value):.2f}")
    print(f"high ends of weight norms are at most {(found.high / found.value).max() - 1:.1%} above their values")


if __name__ == "__main__":
    main()
