"""The runs that every metric is checked on, through the trainer and by brute force."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from functools import cache
from unittest import mock

import numpy as np
import torch

from engine import RunConfig, Trainer
from engine.data import DataSet
from engine.measure.kernel_spectrum import KernelSpectrum
from engine.record import StepRecord
from tests.closed_form.brute_force import BruteForce, Problem

CLASSES = 3


@dataclass
class Observed:
    """A run through the trainer, with the eigenvectors that the observer held after each row."""

    records: list[StepRecord] = field(default_factory=list)
    vectors: list[dict[str, torch.Tensor]] = field(default_factory=list)


def sphere(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    x = rng.normal(size=(n, d))
    return x * np.sqrt(d) / np.linalg.norm(x, axis=1, keepdims=True)


def problem(
    activation: str,
    renormalize: bool,
    bias: bool,
    loss: str,
    *,
    n: int = 6,
    n_test: int = 5,
    width: int = 7,
    d: int = 5,
    depth: int = 4,
    rates: tuple[float, ...] = (0.02, 0.05, 0.03, 0.04),
    f_star: float = 0.0,
    delta: float = 0.05,
    seed: int = 3,
) -> Problem:
    rng = np.random.default_rng(seed)
    return Problem(
        activation=activation,
        renormalize=renormalize,
        bias=bias,
        loss=loss,
        x=sphere(rng, n, d),
        y=rng.integers(0, CLASSES, size=n),
        x_test=sphere(rng, n_test, d),
        y_test=rng.integers(0, CLASSES, size=n_test),
        classes=CLASSES,
        width=width,
        depth=depth,
        seed=seed,
        rates=rates,
        f_star=f_star,
        delta=delta,
    )


def data_set(of: Problem) -> DataSet:
    return DataSet("made", of.x, of.y, of.x_test, of.y_test, of.classes, None, "")


def trainer(of: Problem, **changes: object) -> Trainer:
    options: dict[str, object] = {
        "width": of.width,
        "depth": of.depth,
        "examples": len(of.x),
        "test_examples": len(of.x_test),
        "activation": of.activation,
        "loss": of.loss,
        "lr": of.rates[0] if of.rates else 0.1,
        "steps": len(of.rates),
        "seed": of.seed,
        "renormalize": of.renormalize,
        "bias": of.bias,
        "dtype": "float64",
        "device": "cpu",
        "f_star": of.f_star,
        "delta": of.delta,
    }
    return Trainer(RunConfig(**(options | changes)), data_set(of))  # type: ignore[arg-type]


def observe(of: Problem, *, converged: bool = False, **changes: object) -> Observed:
    """Run the trainer over the problem's learning rates.

    Args:
        of: The problem.
        converged: Whether iterations go on until rounding stops them, instead of until what a live row can afford.
        **changes: Options of the run.

    Returns:
        Its rows.
    """
    if converged:
        with mock.patch("engine.measure.curvature._TOLERANCE", 1e-11):
            return _observe(of, tight=True, **changes)
    return _observe(of, tight=False, **changes)


def _observe(of: Problem, *, tight: bool, **changes: object) -> Observed:
    running, found = trainer(of, **changes), Observed()
    if tight:
        running._observer._kernel = KernelSpectrum(
            largest_tolerance=1e-12, smallest_tolerance=1e-10, products=100, warm_products=100
        )
    for k in range(len(of.rates) + 1):
        if k < len(of.rates):
            running.set_lr(of.rates[k])
        found.records.append(running.observe(final=k == len(of.rates)))
        observer = running._observer
        vectors = dict(observer._kernel._starts)
        if observer._curvature._vector is not None:
            vectors["hessian"] = observer._curvature._vector
        found.vectors.append(vectors)
        if k < len(of.rates):
            running.advance()
    return found


# Small infima, and learning rates beyond 2/L at times, so that nothing hides behind 0 or monotony.
_INFIMUM = {"mse": 0.02, "mse_logits": 0.0, "cross_entropy": -0.1}

CASES: dict[str, Problem] = {
    "-".join([activation, *(["renormalize"] if renormalize else []), *(["bias"] if bias else []), loss]): problem(
        activation,
        renormalize,
        bias,
        loss,
        f_star=_INFIMUM[loss],
        delta=0.05 if bias else 0.2,
        n_test=0 if renormalize and bias else 5,
        rates=(0.05, 0.15, 0.1, 0.2) if bias else (0.004, 0.01, 0.006, 0.008),
    )
    for (activation, renormalize, bias), loss in itertools.product(
        itertools.product(["relu", "tanh"], [False, True], [False, True]), ["mse", "mse_logits", "cross_entropy"]
    )
}
# More examples than neurons (rank), fewer neurons than inputs; and layers too wide for dense spectral norms.
CASES["more examples than neurons"] = problem("tanh", False, False, "mse_logits", n=9, width=5, d=11)
CASES["wide"] = problem("tanh", True, True, "cross_entropy", n=5, width=70, d=4, depth=3, rates=(0.05, 0.1))
# Its dense Hessian would have 3·10⁷ entries.
WITHOUT_PRODUCTS = {"wide"}


@cache
def brute_force(case: str) -> BruteForce:
    return BruteForce(CASES[case])


@cache
def observed(case: str, *, converged: bool = False) -> Observed:
    return observe(CASES[case], converged=converged, measure="core" if case in WITHOUT_PRODUCTS else "all")
