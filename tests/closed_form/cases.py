"""The runs of :mod:`tests.closed_form.problems` through the trainer."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from unittest import mock

import torch

from engine import RunConfig, Trainer
from engine.data import DataSet
from engine.measure.kernel_spectrum import KernelSpectrum
from engine.record import StepRecord
from tests.closed_form.brute_force import Problem
from tests.closed_form.problems import CASES, WITHOUT_PRODUCTS


@dataclass
class Observed:
    """A run through the trainer, with the eigenvectors that the observer held after each row."""

    records: list[StepRecord] = field(default_factory=list)
    vectors: list[dict[str, torch.Tensor]] = field(default_factory=list)


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
    return Trainer(RunConfig(**(options | changes)), data_set(of))  # type: ignore[arg-type]  # RunConfig checks what it is given


def observe(of: Problem, *, converged: bool = False, **changes: object) -> Observed:
    """Run the trainer over the problem's learning rates.

    Args:
        of: The problem.
        converged: Whether iterations go on until rounding stops them, instead of until what a live row can afford.
        **changes: Options of the run.

    Returns:
        Its rows.
    """
    # Bounds on spectral norms may be a hundredth loose in a live row; what follows from them is compared to the digit.
    with (
        mock.patch("engine.measure.weight_norms.WEIGHTS_LOOSE", 1e-10),
        mock.patch("engine.measure.weight_norms.DISTANCES_LOOSE", 1e-10),
    ):
        if converged:
            with (
                mock.patch("engine.measure.curvature._TOLERANCE", 1e-11),
                mock.patch("engine.measure.curvature._WARM_PRODUCTS", 60),
            ):
                return _observe(of, tight=True, **changes)
        return _observe(of, tight=False, **changes)


def _observe(of: Problem, *, tight: bool, **changes: object) -> Observed:
    running, found = trainer(of, **changes), Observed()
    if tight:
        running._observer._kernel = KernelSpectrum(
            largest_tolerance=1e-12, smallest_tolerance=1e-10, products=100, warm_products=(100, 100)
        )
    for k in range(len(of.rates) + 1):
        if k < len(of.rates):
            running.set_lr(of.rates[k])
        found.records.append(running.observe(final=k == len(of.rates)))
        observer = running._observer
        vectors = observer._kernel.vectors()
        if "last" in observer._curvature.state():
            vectors["hessian"] = observer._curvature.state()["last"]
        found.vectors.append(vectors)
        if k < len(of.rates):
            running.advance()
    return found


@cache
def observed(case: str, *, converged: bool = False) -> Observed:
    return observe(CASES[case], converged=converged, measure="core" if case in WITHOUT_PRODUCTS else "all")
