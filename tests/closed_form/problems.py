"""The runs that every metric is checked on, and their references by brute force; nothing here imports the engine."""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np

from tests.closed_form.brute_force import BruteForce, Problem
from tests.closed_form.functions import LOSS, LOSS_NAMES, NAMES

CLASSES = 3


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


# The cases with most in them come first. Small infima, and learning rates beyond 2/L at times, so that nothing hides
# behind 0 or monotony.
CASES: dict[str, Problem] = {
    "-".join([activation, *(["renormalize"] if renormalize else []), *(["bias"] if bias else []), loss]): problem(
        activation,
        renormalize,
        bias,
        loss,
        f_star=LOSS[loss].infimum,
        delta=0.05 if bias else 0.2,
        n_test=0 if renormalize and bias else 5,
        rates=(0.05, 0.15, 0.1, 0.2) if bias else (0.004, 0.01, 0.006, 0.008),
    )
    for (activation, renormalize, bias), loss in itertools.product(
        itertools.product(NAMES, [True, False], [True, False]), LOSS_NAMES
    )
}
# More examples than neurons (rank), fewer neurons than inputs; and layers too wide for dense spectral norms.
CASES["more examples than neurons"] = problem("tanh", False, False, "mse_logits", n=9, width=5, d=11)
CASES["wide"] = problem("tanh", True, True, "cross_entropy", n=5, width=70, d=4, depth=3, rates=(0.05, 0.1))
# Steps so small that no bound of Eq. 13 is vacuous at any layer.
for _activation, _bias in itertools.product(NAMES, [True, False]):
    for _renormalize in (True, False):
        CASES[f"small steps, {_activation}, {_bias}, {_renormalize}"] = problem(
            _activation, _renormalize, _bias, "mse", n=4, width=12, d=8, rates=(2e-3, 3e-3)
        )
# Its dense Hessian would have 3·10⁷ entries.
WITHOUT_PRODUCTS = {"wide"}


@cache
def brute_force(case: str) -> BruteForce:
    return BruteForce(CASES[case])
