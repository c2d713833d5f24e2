"""Inequalities and invariances that must hold for any network, searched for counterexamples through the trainer."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.measure.gram import feature_gram
from engine.theory.generalization import risk_floor
from tests.closed_form.brute_force import EPS, Problem
from tests.closed_form.cases import observe
from tests.closed_form.functions import LOSS_NAMES, NAMES
from tests.closed_form.problems import problem
from tests.closed_form.small_networks import dense_jacobian, small
from tests.rounding import rounding

_FLAGS = {
    "activation": st.sampled_from(NAMES),
    "renormalize": st.booleans(),
    "bias": st.booleans(),
}


@st.composite
def problems(draw: st.DrawFn, **fixed: object) -> Problem:
    options: dict[str, object] = {
        "loss": draw(st.sampled_from(LOSS_NAMES)),
        "n": draw(st.integers(2, 9)),
        "width": draw(st.integers(3, 9)),
        "depth": draw(st.integers(2, 5)),
        "d": draw(st.integers(2, 9)),
        "seed": draw(st.integers(0, 10**6)),
        "rates": tuple(draw(st.lists(st.floats(1e-3, 0.3), min_size=2, max_size=2))),
    }
    options |= {name: draw(strategy) for name, strategy in _FLAGS.items()}
    return problem(**(options | fixed))  # type: ignore[arg-type]


@settings(max_examples=40)
@given(problems())
def test_no_row_breaks_an_inequality_between_its_own_numbers(of: Problem) -> None:
    n = len(of.x)
    for record in observe(of).records:
        if any(event.kind == "diverged" for event in record.events):
            return
        table, values = record.layers, record.values
        for m in range(of.depth):
            low, high = float(table["lambda_min"][m]), float(table["lambda_max"][m])
            if not math.isfinite(high):
                continue
            slack = 50 * n * EPS * max(high, 1.0)
            # Gershgorin encloses; G is positive semidefinite; n > width leaves rank for nothing else.
            assert table["gersh_lower"][m] - slack <= low <= high <= table["gersh_upper"][m] + slack
            assert low >= -slack
            if n > (of.x.shape[1] if m == 0 else of.width):
                assert low == 0
            # Every bound of Eq. 13 is at most λ_min, in their guaranteed order.
            op, fro = table["eq13_op"][m], table["eq13_fro"][m]
            f_op, f_fro, w = table["eq13_features_op"][m], table["eq13_features"][m], table["eq13_weights"][m]
            assert fro <= op + slack
            assert op <= low + slack
            # Square roots of λ_min carry the root of its rounding.
            root = 4 * math.sqrt(slack * max(high, 1.0))
            assert f_op <= low + root
            assert f_fro <= f_op + root
            if math.isfinite(w):
                assert w <= f_fro + root
        # Ritz values and compression.
        spectrum = 1e-9 * values["ntk_lambda_max"] + 1e-12
        assert values["pntk_lambda_min"] <= values["pntk_lambda_max"]
        assert values["ntk_lambda_min"] <= values["ntk_lambda_max"] + spectrum
        # Jensen, and proved constants.
        assert values["pl_samplewise"] >= values["pl"] * (1 - 1e-12)
        assert values["grad_norm"] <= values["sample_grad_norm_max"] * (1 + 1e-12)
        if "lipschitz_bound" in values:
            assert values["sample_grad_norm_max"] <= values["lipschitz_bound"] * (1 + 1e-12)
        if "smoothness_bound" in values:
            assert values["smoothness_hessian"] <= values["smoothness_bound"] * (1 + 1e-12)
        # Bound ≥ floor ≥ √(24MR/δ).
        if "generalization_bound" in values:
            assert values["generalization_bound"] >= values["generalization_floor"] * (1 - 1e-12)
            floor = risk_floor(values["loss"], values["loss_bound"], of.delta)
            assert values["generalization_floor"] >= floor * (1 - 1e-12)


@settings(max_examples=25)
@given(problems(activation="tanh"))
def test_the_segment_bound_makes_the_descent_lemma_a_theorem_at_any_learning_rate(of: Problem) -> None:
    records = observe(of, measure="core").records
    for k in (1, 2):
        if "smoothness_segment" not in records[k].values or "loss" not in records[k].values:
            continue
        f, g = records[k - 1].values["loss"], records[k - 1].values["grad_norm"]
        eta, L = of.rates[k - 1], records[k].values["smoothness_segment"]
        rounding = 1e-12 * (abs(f) + 1)
        promised = f - eta * (1 - eta * L / 2) * g**2
        assert records[k].values["loss"] <= promised + rounding
        if eta <= 2 / L:
            assert records[k].values["loss"] <= f + rounding
        # And no second derivative along the step exceeds it.
        assert records[k].values["smoothness_step"] <= L * (1 + 1e-9) + 1e-9
        assert records[k].values["smoothness_secant"] <= L * (1 + 1e-9) + 1e-9


@settings(max_examples=25)
@given(problems(loss="mse_logits"))
def test_the_mu_chain_holds_at_every_row_of_a_run(of: Problem) -> None:
    n = len(of.x)
    for record in observe(of, converged=True).records:
        if any(event.kind == "diverged" for event in record.events):
            return
        values, slack = record.values, 1e-9 * record.values["ntk_lambda_max"] + 1e-12
        last = float(record.layers["lambda_min"][of.depth - 1])
        assert of.width * last <= values["ntk_lambda_min"] + slack
        assert values["ntk_lambda_min"] <= n * values["pl"] + slack
        assert n * values["pl"] <= values["ntk_lambda_max"] + slack
        assert values["ntk_lambda_min"] <= values["pntk_lambda_min"] + slack
        assert values["pntk_lambda_max"] <= values["ntk_lambda_max"] + slack


@settings(max_examples=20)
@given(problems(n=6), st.permutations(range(6)), st.permutations(range(5)))
def test_permuting_examples_changes_nothing(of: Problem, order: list[int], test_order: list[int]) -> None:
    permuted = replace(of, x=of.x[order], y=of.y[order], x_test=of.x_test[test_order], y_test=of.y_test[test_order])
    for first, second in zip(
        observe(of, converged=True).records, observe(permuted, converged=True).records, strict=True
    ):
        assert set(first.values) == set(second.values)
        rounding = 1e-9 * max(first.values.get("ntk_lambda_max", 1.0), 1.0)
        for name, value in first.values.items():
            if name.endswith(("seconds", "residual", "resolution")) or name.startswith("ntk_log10_cond"):
                continue
            # What is left after cancellation is compared with what cancelled.
            slack = {"smoothness_step": 50 * first.values.get("smoothness_step_resolution", 0.0) + 1e-9}.get(
                name, 1e-11
            )
            if name.startswith(("predicted_descent", "ratio", "decrease", "lemma13", "radius")):
                slack = 1e-6 * max(1.0, abs(value))
            if name.startswith(("ntk", "pntk")):
                slack = rounding
            assert second.values[name] == pytest.approx(value, rel=1e-6, abs=slack), name
        for name, column in first.layers.items():
            if name == "log10_cond":
                continue
            scale = np.nanmax(np.abs(first.layers["lambda_max"]))
            np.testing.assert_allclose(
                second.layers[name], column, rtol=1e-6, atol=1e-6 * max(1.0, scale), err_msg=name
            )


@given(seed=st.integers(0, 10**6), n=st.integers(1, 12), width=st.integers(1, 12), scale=st.floats(1e-6, 1e6))
def test_a_gram_matrix_is_symmetric_to_the_bit_positive_semidefinite_and_of_rank_at_most_the_width(
    seed: int, n: int, width: int, scale: float
) -> None:
    features = torch.tensor(scale * np.random.default_rng(seed).normal(size=(n, width)))
    gram = feature_gram(features)
    assert torch.equal(gram, gram.T)
    eigenvalues = torch.linalg.eigvalsh(gram)
    rounding = 20 * max(n, 16) * EPS * float(eigenvalues[-1])
    assert float(eigenvalues[0]) >= -rounding
    assert int((eigenvalues > rounding).sum()) <= min(n, width)


@given(seed=st.integers(0, 10**6), **_FLAGS)
def test_renormalised_features_have_a_unit_diagonal_at_every_layer(
    seed: int, activation: str, renormalize: bool, bias: bool
) -> None:
    case = small(activation, renormalize, bias, seed=seed)
    for a in case.training_pass().run.features[1:]:
        diagonal = feature_gram(a).diagonal()
        # A row dead to every neuron of ReLU has u = offset ≠ 0, so each row has a direction.
        if renormalize:
            torch.testing.assert_close(diagonal, torch.ones_like(diagonal), rtol=rounding(a.shape[1]), atol=0.0)


@given(seed=st.integers(0, 10**6), n=st.integers(1, 8), scale=st.floats(1e-3, 1e3))
def test_weyl_eigenvalues_move_no_further_than_the_norm_of_the_change(seed: int, n: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    before, change = (feature_gram(torch.tensor(rng.normal(size=(n, 6)))) for _ in range(2))
    after = before + scale * change
    moved = (torch.linalg.eigvalsh(after) - torch.linalg.eigvalsh(before)).abs().max()
    slack = rounding(max(n, 6)) * float(torch.linalg.matrix_norm(after))
    assert float(moved) <= scale * float(torch.linalg.matrix_norm(change, 2)) + slack


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), **_FLAGS)
def test_leaving_out_an_example_interlaces_both_kernels(
    seed: int, activation: str, renormalize: bool, bias: bool
) -> None:
    case = small(activation, renormalize, bias, seed=seed, n=5)
    gram = feature_gram(case.training_pass().run.features[-1])
    jacobian = dense_jacobian(case)
    for whole, without in ((gram, gram[1:, 1:]), (jacobian @ jacobian.T, jacobian[1:] @ jacobian[1:].T)):
        outer, inner = torch.linalg.eigvalsh(whole), torch.linalg.eigvalsh(without)
        slack = rounding(jacobian.shape[1]) * float(outer[-1])
        assert bool((outer[:-1] <= inner + slack).all())
        assert bool((inner <= outer[1:] + slack).all())


def test_a_linear_layers_gram_matrix_is_that_of_its_weights() -> None:
    """G = XWᵀWXᵀ/width, near the Gram matrix of the input when wide."""
    rng, width = np.random.default_rng(0), 300
    x = rng.normal(size=(5, 8))
    w = rng.normal(size=(width, 8)) / math.sqrt(8)
    found = feature_gram(torch.tensor(x @ w.T)).numpy()
    slack = rounding(width) * np.linalg.norm(x) ** 2 * np.linalg.norm(w, 2) ** 2 / width
    np.testing.assert_allclose(found, x @ (w.T @ w) @ x.T / width, rtol=0, atol=slack)
    np.testing.assert_allclose(found, x @ x.T / 8, atol=12 / math.sqrt(width))
