"""Spectral norms of weights from above, without a product at every step."""

from __future__ import annotations

import math

import pytest
import torch

from engine import RunConfig, Trainer
from engine.device.transfer import Transfer
from engine.measure.base import tensors_of
from engine.measure.lanczos import extreme_eigenpair
from engine.measure.norm_bound import NormBound, queue_norms
from engine.measure.weight_norms import WeightNorms
from tests.rounding import rounding


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
@pytest.mark.parametrize("queued", [False, True])
def test_bounds_on_norms_hold_along_a_run_and_are_as_tight_as_they_say(
    dtype: torch.dtype, step: float, queued: bool
) -> None:
    weights, along = drawn(0, dtype), drawn(1, dtype)
    initial = [w.clone() for w in weights]
    norms = WeightNorms(weights)
    norms.norms()
    for k in range(12):
        move = [step * (1 + 0.2 * math.sin(k + i)) * g for i, g in enumerate(along)]
        norms.moved([float(g.double().norm()) for g in move])
        for w, g in zip(weights, move, strict=True):
            w.add_(g)
        if queued:
            norms.launch(initial, Transfer())
        for w, bound in zip(weights, norms.norms(), strict=True):
            assert exact(w) <= bound * (1 + 1e-12) <= exact(w) * 1.01 * (1 + 1e-4)
        distances, squares = norms.distances(initial)
        for w, then, distance, square in zip(weights, initial, distances, squares, strict=True):
            change = w.double() - then.double()
            # A float32 difference of weights is itself rounded; and where two eigenvalues are nearly equal, as at
            # the edge of a random matrix, a residual does not show which of them was found.
            slack = 1e-3
            assert exact(change) * (1 - slack) <= distance <= exact(change) * (1.05 + slack)
            assert square == pytest.approx(float(change.square().sum()), rel=1e-9 if dtype == torch.float64 else 1e-2)


def matrix(rows: int, columns: int) -> torch.Tensor:
    """Random, with one singular value well above the others, so that a residual shows which was found."""
    m = torch.randn(rows, columns, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    m[:, 0] *= 3
    return m


@pytest.mark.parametrize("shape", [(90, 70), (90, 40)])
def test_a_norm_lies_between_a_lower_estimate_and_a_bound(shape: tuple[int, int]) -> None:
    m, bound = matrix(*shape), NormBound(0.04)
    assert bound.measure(m) == bound.upper
    upper, lower = bound.state()["bounds"].tolist()
    assert lower <= exact(m) <= upper * (1 + rounding(sum(shape)))
    assert upper <= exact(m) * 1.01


def test_a_bound_grows_by_what_the_matrix_moves_until_it_is_too_loose_and_is_found_anew() -> None:
    m, bound = matrix(90, 70), NormBound(0.04)
    first = bound.measure(m)
    bound.move(1e-3 * first)
    assert bound.measure(m) == pytest.approx(1.001 * first, rel=1e-14)
    bound.move(0.1 * first)
    assert bound.is_loose(m)
    assert bound.measure(m) == pytest.approx(first, rel=0.01)


def test_a_small_matrix_is_found_exactly_at_every_row() -> None:
    m, bound = matrix(7, 90), NormBound(0.04)
    for _ in range(3):
        m[0, 0] += 1e-6
        bound.move(1e-6)
        assert bound.measure(m) == pytest.approx(exact(m), rel=rounding(7 + 90))


def test_norms_are_loose_by_at_most_a_hundredth_and_distances_by_a_twentieth() -> None:
    # Weights that shrink where they are longest: bounds grow by what the norm falls.
    m = matrix(90, 70)
    u, _, v = torch.linalg.svd(m, full_matrices=False)
    top = exact(m) * torch.outer(u[:, 0], v[0])
    weights, initial = [m + top], [torch.zeros(90, 70, dtype=torch.float64)]
    norms, off = WeightNorms(weights), []
    for _ in range(60):
        size = exact(weights[0])
        off.append([norms.norms()[0] / size - 1, norms.distances(initial)[0][0] / size - 1])
        norms.moved([float((2e-3 * top).norm())])
        weights[0] -= 2e-3 * top
    assert off[0][0] <= 0.015  # found from nothing
    for promised, worst in zip((0.01, 0.05), map(max, *off[1:]), strict=True):
        assert 0.7 * promised < worst <= promised


def test_a_matrix_has_moved_by_its_update_and_the_rounding_of_the_weights() -> None:
    eps = torch.finfo(torch.float32).eps
    weights = [matrix(*shape).float() for shape in ((90, 120), (80, 90), (70, 80))]
    norms = WeightNorms(weights)
    norms.norms()
    norms.distances([0.5 * w for w in weights])

    def bounds() -> dict[str, list[float]]:
        return {path: held.tolist() for path, held in tensors_of(norms.state()).items() if path.endswith("bounds")}

    before, lengths = bounds(), [1e-4, 2e-4, 4e-4]
    norms.moved(lengths)
    for index, (length, order) in enumerate(zip(lengths, (90, 80, 70), strict=True)):
        # A rounded sum is off by at most eps of what it comes to, and ‖W‖_F ≤ √order·‖W‖₂.
        upper = before[f"norm.{index}.bounds"][0]
        moved = length + eps * (upper * math.sqrt(order) + length)
        for kind in ("norm", "distance"):
            then, now = before[f"{kind}.{index}.bounds"], bounds()[f"{kind}.{index}.bounds"]
            assert [now[0] - then[0], then[1] - now[1]] == pytest.approx([moved, moved], rel=1e-9)


def test_along_a_run_a_bound_grows_by_just_what_the_update_has_moved_the_weights_by() -> None:
    config = RunConfig(
        data="gaussian", width=70, depth=3, examples=6, lr=0.03, dtype="float64", device="cpu", measure="core"
    )
    trainer = Trainer(config)
    trainer.observe()
    before = [weight.clone() for weight in trainer.model.weights]

    def uppers() -> list[float]:
        carried = tensors_of(trainer.carried())
        return [float(carried[f"layers.weights.norm.{index}.bounds"][0]) for index in range(3)]

    then = uppers()
    trainer.advance()
    lengths = [float((now - was).norm()) for now, was in zip(trainer.model.weights, before, strict=True)]
    assert [now - was for now, was in zip(uppers(), then, strict=True)] == pytest.approx(lengths, rel=1e-9)


def test_a_length_beside_which_the_weights_are_nothing_is_rounded_as_well() -> None:
    weights = [torch.zeros(90, 70)]
    norms = WeightNorms(weights)
    norms.norms()
    norms.moved([8.0])
    assert float(tensors_of(norms.state())["norm.0.bounds"][0]) == pytest.approx(8.0 * (1 + 2.0**-23), rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_distance_of_rank_one_is_its_frobenius_norm_up_to_rounding(dtype: torch.dtype) -> None:
    m = matrix(90, 71).to(dtype)
    weights, initial = [m.clone()], [m]
    weights[0] += torch.outer(m[:, 0], torch.arange(71, dtype=dtype))
    ((distance,), _) = WeightNorms(weights).distances(initial)
    change = weights[0].double() - initial[0].double()
    eps = torch.finfo(dtype).eps
    # The norm of the norms of 90 rows; that it is one from above is for it to see to, up to a rounding or two.
    assert 1 - 2 * eps <= distance / float(change.norm()) <= 1 + 4 * 90 * eps


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
    again.restore(norms.state())
    for _ in range(3):
        step([norms, again])
        assert again.norms() == norms.norms()
        assert again.distances(initial) == norms.distances(initial)


@pytest.mark.parametrize("seed", range(5))
def test_from_nothing_a_norm_is_found_less_closely_but_within_what_it_may_be_loose_by(seed: int) -> None:
    # A square random matrix: at the edge of its spectrum there is always another singular value near the largest.
    m = torch.randn(300, 300, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    bound = NormBound(0.01)
    assert exact(m) <= bound.measure(m) <= exact(m) * (1 + 1.5 * 0.01)
    bound.measure(m)  # it may be looser than is allowed, so it is found anew, from where it was left
    upper, lower = bound.state()["bounds"].tolist()
    assert exact(m) <= upper <= lower * 1.01


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_norms_that_are_queued_are_those_that_are_found_at_once(dtype: torch.dtype) -> None:
    weights, along = drawn(0, dtype), drawn(1, dtype)
    along[1] += 20 * torch.outer(along[1][:, 0], along[1][0])  # most of the motion goes one way, as in training
    initial = [w.clone() for w in weights]
    norms = WeightNorms(weights)
    for k in range(8):
        transfer = Transfer()
        norms.launch(None if k == 0 else initial, transfer)
        found = norms.norms()
        for w, bound in zip(weights, found, strict=True):
            assert exact(w) * (1 - 1e-6) <= bound <= exact(w) * (1.011 if k else 1.015)
        if k:
            distances, squares = norms.distances(initial)
            for w, then, distance, square in zip(weights, initial, distances, squares, strict=True):
                change = w.double() - then.double()
                assert exact(change) * (1 - 1e-3) <= distance <= exact(change) * 1.051
                assert square == pytest.approx(float(change.square().sum()), rel=1e-2)
        norms.moved([float((1e-3 * g).double().norm()) for g in along])
        for w, g in zip(weights, along, strict=True):
            w.add_(g, alpha=1e-3)


def resolved(bounds: list[NormBound], matrices: list[torch.Tensor]) -> list[int]:
    """The bounds that products queued for all of them have found anew."""
    pending = queue_norms(bounds, list(range(len(bounds))), torch.stack(matrices), Transfer())
    return [] if pending is None else pending.resolve(bounds)


@pytest.mark.parametrize("transposed", [False, True])
def test_a_queued_norm_is_that_of_four_products_widened_by_their_residual(transposed: bool) -> None:
    tall = [torch.randn(120, 90, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    for m in tall:
        m[:, 0] *= 3
    matrices, bounds = [m.T if transposed else m for m in tall], [NormBound(0.04), NormBound(0.04)]
    assert resolved(bounds, matrices) == []  # how many products it takes from nothing cannot be foreseen
    for bound, m in zip(bounds, matrices, strict=True):
        bound.measure(m)
    assert resolved(bounds, matrices) == []  # they are not loose
    starts = []
    for bound, m in zip(bounds, tall, strict=True):
        assert bound.vector is not None
        starts.append(bound.vector)
        m += 0.1 * m.flip(0)
        bound.move(5.0)
    assert resolved(bounds, matrices) == [0, 1]
    for bound, m, start in zip(bounds, tall, starts, strict=True):
        # In the precision of the weights, and so are the products here.
        pair = extreme_eigenpair(lambda v, m=m: m.T @ (m @ v), start, "largest", tolerance=0.0, max_products=4)
        norm, slack = math.sqrt(pair.value + pair.residual), rounding(120 + 90, dtype="float32")
        assert bound.upper == pytest.approx(norm * math.sqrt(1.01), rel=slack)
        assert bound.state()["bounds"][1].item() == pytest.approx(norm / math.sqrt(1.01), rel=slack)
        assert bound.vector is not None
        assert abs(float(bound.vector @ pair.vector)) == pytest.approx(1.0, rel=slack)


def test_a_queued_norm_whose_products_do_not_suffice_is_not_taken() -> None:
    m = torch.randn(120, 90, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    start = torch.randn(90, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    pair = extreme_eigenpair(lambda v: m.T @ (m @ v), start, "largest", tolerance=0.0, max_products=4)
    for share in (0.7, 1.1):
        bound = NormBound(4.0 * share * pair.residual / pair.value)  # a quarter of which is required
        bound.vector = start
        assert resolved([bound], [m]) == ([0] if share > 1.0 else [])


def test_a_queued_iteration_that_breaks_down_leaves_those_beside_it_alone() -> None:
    m = matrix(120, 90)
    bounds = [NormBound(0.04), NormBound(0.04)]
    for bound in bounds:
        bound.measure(m)
        bound.move(5.0)
    bounds[0].vector = torch.eye(90, dtype=torch.float64)[0]
    assert resolved(bounds, [torch.eye(120, 90, dtype=torch.float64), m]) == [1]


@pytest.mark.parametrize("shape", [(7, 90), (90, 7), (64, 64)])
def test_a_queued_norm_of_a_small_matrix_is_dense(shape: tuple[int, int]) -> None:
    matrices, bounds = [matrix(*shape), 2.0 * matrix(*shape)], [NormBound(0.04), NormBound(0.04)]
    assert resolved(bounds, matrices) == [0, 1]
    for bound, m in zip(bounds, matrices, strict=True):
        assert bound.upper == pytest.approx(exact(m), rel=rounding(sum(shape)))
    matrices[0][3, 4] = math.nan
    assert resolved(bounds, matrices) == [0, 1]
    assert math.isnan(bounds[0].upper)
    assert resolved([bounds[0]], [torch.zeros(shape, dtype=torch.float64)]) == [0]
    assert bounds[0].upper == 0.0


@pytest.mark.parametrize("queued", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_norm_that_was_found_exceeds_the_frobenius_norm(dtype: torch.dtype, queued: bool) -> None:
    # Nearly of rank 1: both norms are nearly the same, and what products find is widened beyond.
    generator = torch.Generator().manual_seed(5)
    column, row = (torch.randn(order, generator=generator, dtype=dtype) for order in (80, 90))
    m = torch.outer(column, row) + 0.01 * torch.randn(80, 90, generator=generator, dtype=dtype)
    bound, frobenius = NormBound(0.04), float(m.double().norm())
    bound.measure(m)
    if queued:
        bound.move(frobenius)
        assert resolved([bound], [m]) == [0]
    assert exact(m) * (1 - 1e-6) <= bound.upper <= frobenius * (1 + 1e-5)
