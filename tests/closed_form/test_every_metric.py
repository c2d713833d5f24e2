"""Every metric of every row, through the trainer, against a run by brute force (:mod:`tests.closed_form.brute_force`).

The cases are all activations, losses, biases and renormalisations, learning rates that change from step to step and
exceed 2/L at times, infima other than 0, more examples than neurons, layers too wide for dense spectral norms, and
runs without a test set.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from engine.catalogue import CATALOGUE, LAYER_COLUMNS, STEP_COLUMNS
from engine.config import RunConfig
from engine.model.mlp import initialise
from engine.record import StepRecord
from tests.closed_form.brute_force import EPS, LAYER, STEP, BruteForce, Row
from tests.closed_form.cases import Observed, observe, observed
from tests.closed_form.problems import CASES, WITHOUT_PRODUCTS, brute_force

# Iterations that stop where a live row cannot afford more.
_RITZ_VALUES = ("smoothness_hessian", "smoothness_ggn", "ntk_lambda_max")
_ITERATED = {*_RITZ_VALUES, "ntk_lambda_min", "ntk_log10_cond"}
_OTHERWISE = {
    "smoothness_hessian_residual",
    "unstable_directions",
    "smoothness_step_resolution",
    "step_seconds",
    "measure_seconds",
    "layers_seconds",
    "curvature_seconds",
    "kernel_seconds",
}
_RELATIVE = 1e-9
_LOOSER = {
    # Differences of nearly equal numbers lose what the numbers have in common.
    "smoothness_step": 1e-7,
    "generalization_gap": 1e-8,
    "lemma12_lambda_min": 1e-8,
}


_WITH_PRODUCTS = [case for case in CASES if case not in WITHOUT_PRODUCTS]


def rows_of(case: str) -> Iterator[tuple[StepRecord, dict[str, torch.Tensor], Row]]:
    found = observed(case)
    return zip(found.records, found.vectors, brute_force(case).rows, strict=True)


def difference(name: str, where: object, value: float, expected: float, *, slack: float = 0.0) -> list[str]:
    """What is wrong with a value, in words; nothing if it is as expected."""
    if math.isnan(expected) and math.isnan(value):
        return []
    near = value == pytest.approx(expected, rel=_LOOSER.get(name, _RELATIVE), abs=slack)
    return [] if near else [f"{name} at {where}: {value}, but {expected} by brute force"]


def test_brute_force_knows_every_metric_except_those_with_a_test_of_their_own() -> None:
    ends = {name for name, entry in CATALOGUE.items() if entry.end_of}
    assert set(STEP) | _OTHERWISE == set(STEP_COLUMNS) - ends
    assert not set(STEP) & _OTHERWISE
    assert set(LAYER) == set(LAYER_COLUMNS) - ends


def _measured(case: str, name: str) -> bool:
    return case not in WITHOUT_PRODUCTS or CATALOGUE[name].measured_in != "all"


@pytest.mark.parametrize("case", CASES)
def test_every_row_holds_the_step_metrics_that_brute_force_gives(case: str) -> None:
    found, expected = observed(case), brute_force(case)
    expected.curvatures = [record.values.get("smoothness_hessian", math.nan) for record in found.records]
    wrong = []
    for name, by_definition in STEP.items():
        for k, record in enumerate(found.records if _measured(case, name) and name not in _ITERATED else []):
            slack = 0.0
            if name == "smoothness_step" and k:
                # What rounding of either side's losses leaves uncertain, in the metric's own words.
                slack = 16 * expected.step_rounding(k)
            wrong += difference(name, (k,), record.values.get(name, math.nan), by_definition(expected, k), slack=slack)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("case", CASES)
def test_every_row_holds_the_layer_metrics_that_brute_force_gives(case: str) -> None:
    found, expected = observed(case), brute_force(case)
    wrong = []
    for name, by_definition in LAYER.items():
        for k, record in enumerate(found.records if _measured(case, name) else []):
            if name not in record.layers:
                assert k > 0  # the lines of infinite width are drawn once
                continue
            column = record.layers[name]
            assert column.shape == (expected.problem.depth + 1,)
            for m, value in enumerate(column):
                slack = 0.0
                rounded = name.startswith(("lambda_m", "eq13", "gersh", "infinite"))
                if rounded and m < expected.problem.depth:
                    # Eigenvalues that nearly cancel are known to the rounding of the largest.
                    slack = 100 * EPS * max(1.0, float(expected.rows[k].sigma(m)[-1]) ** 2)
                wrong += difference(name, (k, m), float(value), by_definition(expected, k, m), slack=slack)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", sorted(_ITERATED))
def test_iterated_until_rounding_stops_it_an_estimate_is_the_dense_eigenvalue(name: str) -> None:
    for case in _WITH_PRODUCTS:
        for k, record in enumerate(observed(case, converged=True).records):
            rounding = 1e-11 * float(brute_force(case).rows[k].kernel_spectrum[-1])
            exact = STEP[name](brute_force(case), k)
            if name == "ntk_log10_cond" and STEP["ntk_lambda_min"](brute_force(case), k) <= 1e3 * rounding:
                continue  # a logarithm of rounding
            assert record.values[name] == pytest.approx(exact, rel=1e-7, abs=rounding), (case, k)


@pytest.mark.parametrize("name", _RITZ_VALUES)
def test_at_the_tolerance_of_a_live_row_largest_eigenvalues_are_never_exceeded_and_nearly_reached(name: str) -> None:
    shares = []
    for case in _WITH_PRODUCTS:
        for k, (record, _, _) in enumerate(rows_of(case)):
            value, exact = record.values[name], STEP[name](brute_force(case), k)
            assert value <= exact * (1 + 1e-10), (case, k)
            shares.append(value / exact)
    # A small residual says that an eigenvalue is near, not that it is the largest: where two are close, the other may
    # be found. These steps are so long that eigenvectors change places from row to row.
    assert np.median(shares) > 0.997
    assert np.quantile(shares, 0.05) > 0.95
    assert min(shares) > 0.8


def test_a_stored_residual_is_that_of_the_dense_matrix_and_an_eigenvalue_lies_within_it() -> None:
    for case in _WITH_PRODUCTS:
        for k, (record, vectors, row) in enumerate(rows_of(case)):
            dense, v = row.hessian, vectors["hessian"].numpy()
            theta, residual = (record.values[f"smoothness_hessian{of}"] for of in ("", "_residual"))
            scale = float(np.abs(dense).sum(axis=1).max())
            assert float(np.linalg.norm(v)) == pytest.approx(1.0), (case, k)
            assert theta == pytest.approx(float(v @ dense @ v), rel=1e-9, abs=1e-12 * scale), (case, k)
            true = float(np.linalg.norm(dense @ v - theta * v))
            assert residual == pytest.approx(true, rel=1e-6, abs=1e-11 * scale), (case, k)
            nearest = float(np.abs(np.linalg.eigvalsh(dense) - theta).min())
            assert nearest <= residual + 1e-12 * scale, (case, k)


def _known_to(run: BruteForce, k: int, m: int | None, name: str) -> float:
    """What rounding in float64 leaves uncertain of a number that brute force gives, and of a spectrum's extremes."""
    row = run.rows[k]
    if "log10_cond" in name:
        return 1e-8
    largest = row.kernel_spectrum[-1] if m is None else row.sigma(min(m, run.problem.depth - 1))[-1] ** 2
    return 1e-11 * max(1.0, float(largest))


@pytest.mark.parametrize("end", [name for name, entry in CATALOGUE.items() if entry.end_of])
def test_an_end_lies_on_its_side_of_the_value_and_of_what_brute_force_gives(end: str) -> None:
    name, sign = CATALOGUE[end].end_of, 1.0 if end.endswith("_high") else -1.0
    for case in CASES if CATALOGUE[end].scope == "layer" else _WITH_PRODUCTS:
        found, expected = observed(case), brute_force(case)
        for k, record in enumerate(found.records):
            if name in STEP:
                cells = [(None, record.values[end], record.values[name], STEP[name](expected, k))]
            else:
                columns = zip(record.layers[end], record.layers[name], strict=True)
                cells = [(m, *cell, LAYER[name](expected, k, m)) for m, cell in enumerate(columns)]
            for m, ending, value, exact in cells:
                if "log10_cond" in name and exact > 11.0:
                    continue  # a logarithm of rounding
                assert np.isnan(ending) == np.isnan(value) == np.isnan(exact), (case, k, m)
                assert not sign * (ending - exact) < -_known_to(expected, k, m, name), (case, k, m)
                assert not sign * (ending - value) < 0.0, (case, k, m)


def test_no_more_eigenvalues_of_the_hessian_are_counted_above_the_edge_of_stability_than_there_are() -> None:
    counted = []
    for case in _WITH_PRODUCTS:
        rates = CASES[case].rates
        for k, (record, _, row) in enumerate(rows_of(case)):
            if k < len(rates):
                above = int((np.linalg.eigvalsh(row.hessian) > 2.0 / rates[k]).sum())
                assert record.values["unstable_directions"] <= above, (case, k)
                counted.append((record.values["unstable_directions"], min(above, 3)))
    assert np.mean([found == exact for found, exact in counted]) > 0.9


def test_lemmas_1_and_10_predict_with_the_dense_hessian_of_the_row_before() -> None:
    for case in _WITH_PRODUCTS:
        found, expected = observed(case, converged=True), brute_force(case)
        expected.curvatures = None
        for k in range(1, len(found.records)):
            for name in ("predicted_lemma1", "predicted_lemma10"):
                assert found.records[k].values[name] == pytest.approx(STEP[name](expected, k), rel=1e-7), (case, k)


@pytest.mark.parametrize("case", ["relu-mse", "tanh-renormalize-bias-mse_logits"])
def test_a_network_starts_from_the_weights_that_the_definition_draws(case: str) -> None:
    problem = CASES[case]
    names = ("width", "depth", "activation", "renormalize", "bias", "seed")
    config = RunConfig(dtype="float64", **{name: getattr(problem, name) for name in names})
    model = initialise(config, problem.x.shape[1], problem.classes, torch.device("cpu"))
    flat = torch.cat([p.reshape(-1) for p in model.parameters.values()])
    torch.testing.assert_close(flat, problem.start, rtol=4 * EPS, atol=0.0)


def _sparse(case: str, every: int) -> Observed:
    return observe(CASES[case], every=every)


@pytest.mark.parametrize("case", ["tanh-bias-mse_logits", "relu-renormalize-cross_entropy"])
def test_rows_between_measured_ones_still_enter_what_is_accumulated(case: str) -> None:
    expected = brute_force(case)
    expected.curvatures = None
    free = (
        "smoothness_step",
        "smoothness_secant",
        "predicted_descent",
        "ratio_null",
        "decrease_ratio",
        "lemma13_bound",
        "distance_init",
        "radius_bound",
    )
    for every in (2, 3):
        records = _sparse(case, every).records
        for k, record in enumerate(records):
            measured = k % every == 0 or k == len(records) - 1
            # The row after a measured one has what belongs to the transition between them, too.
            follows = k % every == 1
            for name in free:
                there = measured or (follows and name != "distance_init")
                value = STEP[name](expected, k) if there else math.nan
                assert not difference(name, (every, k), record.values.get(name, math.nan), value, slack=1e-10)


@pytest.mark.parametrize("case", ["tanh-mse", "tanh-renormalize-cross_entropy", "tanh-mse_logits"])
def test_the_step_smoothness_is_the_mean_curvature_along_the_step(case: str) -> None:
    """L_step = 2∫(1−t) gᵀ∇²f(θ − tηg)g dt/‖g‖², by Gauss-Legendre quadrature over dense Hessians."""
    run = brute_force(case)
    nodes, weights = np.polynomial.legendre.leggauss(8)
    for k in (1, 3):
        before, eta = run.rows[k - 1], run.rate(k - 1)
        g, total = torch.tensor(before.gradient), 0.0
        for t, w in zip((nodes + 1) / 2, weights / 2, strict=True):
            theta = before.theta - float(t) * eta * g
            hessian = Row(run.problem, k, theta, before.x, before.y).hessian
            total += 2 * float(w) * (1 - float(t)) * float(g.numpy() @ hessian @ g.numpy()) / before.g**2
        assert observed(case).records[k].values["smoothness_step"] == pytest.approx(total, rel=1e-6, abs=1e-8)
