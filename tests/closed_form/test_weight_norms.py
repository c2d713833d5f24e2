"""Spectral norms of weights from above, without looking at the weights at every step."""

from __future__ import annotations

import math

import pytest
import torch

from engine.measure import weight_norms
from engine.measure.weight_norms import DISTANCES_LOOSE, WEIGHTS_LOOSE, WeightNorms


def exact(matrix: torch.Tensor) -> float:
    return float(torch.linalg.svdvals(matrix.double())[0])


def drawn(seed: int, dtype: torch.dtype) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = [(90, 120), (90, 90), (7, 90)]
    return [
        torch.randn(*shape, generator=generator, dtype=torch.float32).to(dtype) / shape[1] ** 0.5 for shape in shapes
    ]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("step", [1e-4, 1e-2])
def test_bounds_on_norms_hold_along_a_run_and_are_as_tight_as_they_say(
    dtype: torch.dtype, step: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[tuple[int, ...]] = []
    original = weight_norms.spectral_norm_upper

    def counted(matrix: torch.Tensor, *args: object, **kwargs: object) -> object:
        looks.append(tuple(matrix.shape))
        return original(matrix, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(weight_norms, "spectral_norm_upper", counted)
    weights, along = drawn(0, dtype), drawn(1, dtype)
    initial = [w.clone() for w in weights]
    norms = WeightNorms(weights)
    norms.norms()
    for k in range(12):
        move = [step * (1 + 0.2 * math.sin(k + i)) * g for i, g in enumerate(along)]
        norms.moved([float(g.double().norm()) for g in move])
        for w, g in zip(weights, move, strict=True):
            w.add_(g)
        for w, bound in zip(weights, norms.norms(), strict=True):
            assert exact(w) <= bound * (1 + 1e-12) <= exact(w) * (1 + WEIGHTS_LOOSE) * (1 + 1e-4)
        distances, squares = norms.distances(initial)
        for w, then, distance, square in zip(weights, initial, distances, squares, strict=True):
            change = w.double() - then.double()
            # A float32 difference of weights is itself rounded; and where two eigenvalues are nearly equal, as at
            # the edge of a random matrix, a residual cannot tell which of them was found.
            slack = 1e-3
            assert exact(change) * (1 - slack) <= distance <= exact(change) * (1 + DISTANCES_LOOSE + slack)
            assert square == pytest.approx(float(change.square().sum()), rel=1e-9 if dtype == torch.float64 else 1e-2)
    if step == 1e-4:
        # The distance grows from nothing and is looked at at every row; the norm hardly ever.
        assert 12 < looks.count((90, 90)) < 12 + 4


def test_what_is_carried_is_all_that_is_needed() -> None:
    weights, along = drawn(0, torch.float64), drawn(1, torch.float64)
    initial = [w.clone() for w in weights]
    norms, again = WeightNorms(weights), WeightNorms(weights)
    norms.norms()

    def step(of: list[WeightNorms]) -> None:
        for each in of:
            each.moved([1e-3 * float(g.norm()) for g in along])
        for w, g in zip(weights, along, strict=True):
            w.add_(g, alpha=1e-3)

    step([norms])
    norms.norms()
    norms.distances(initial)
    again.restore({name: held.clone() for name, held in norms.state().items()})
    for _ in range(3):
        step([norms, again])
        assert again.norms() == norms.norms()
        assert again.distances(initial) == norms.distances(initial)
