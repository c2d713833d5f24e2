"""The runs of :mod:`tests.closed_form.problems` through the trainer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import torch

from engine import RunConfig, Trainer
from engine.data import DataSet
from engine.measure.base import Measurement
from engine.measure.curvature import Curvature
from engine.measure.standard import standard
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


def trainer(of: Problem, measurements: Sequence[Measurement] | None = None, **changes: object) -> Trainer:
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
    config = RunConfig(**(options | changes))  # type: ignore[arg-type]  # RunConfig checks what it is given
    return Trainer(config, data_set(of), measurements=measurements)


def observe(of: Problem, *, converged: bool = False, **changes: object) -> Observed:
    """Run the trainer over the problem's learning rates.

    Args:
        of: The problem.
        converged: Whether iterations go on until rounding stops them, instead of until what a live row can afford.
        **changes: Options of the run.

    Returns:
        Its rows.
    """
    curvature = Curvature()
    if converged:
        curvature = Curvature(tolerance=1e-11, products=400)
    measure = str(changes.get("measure", "all"))
    products = [curvature] if measure == "all" else []
    running, found = trainer(of, standard(measure, *products), **changes), Observed()
    for k in range(len(of.rates) + 1):
        if k < len(of.rates):
            running.set_lr(of.rates[k])
        found.records.append(running.observe(final=k == len(of.rates)))
        found.vectors.append({} if curvature.eigenvector is None else {"hessian": curvature.eigenvector})
        if k < len(of.rates):
            running.advance()
    return found


@cache
def observed(case: str, *, converged: bool = False) -> Observed:
    return observe(CASES[case], converged=converged, measure="core" if case in WITHOUT_PRODUCTS else "all")
