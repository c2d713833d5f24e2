"""Where numbers are at the edge of what they can say: precision, degenerate data, input that is no number."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pytest
import torch

from engine import RunConfig, Trainer
from engine.catalogue.certainty import resolved
from engine.data import DataSet
from engine.data.preprocess import prepare
from engine.measure.gram import feature_gram
from engine.measure.hidden_layers import dense_extremes, whole_spectrum
from engine.measure.layer_measures import spectrum
from engine.record import StepRecord
from engine.theory.conditioning import log10_condition
from engine.theory.gershgorin import gershgorin
from tests.closed_form.functions import LOSS_NAMES, NAMES
from tests.closed_form.problems import sphere
from tests.rounding import rounding

NETWORKS = list(itertools.product(NAMES, [False, True], LOSS_NAMES))


def data_set(x: np.ndarray, y: np.ndarray, *, classes: int = 3, tests: int = 4) -> DataSet:
    rng = np.random.default_rng(9)
    x_test = sphere(rng, tests, x.shape[1])
    return DataSet("made", x, y, x_test, rng.integers(0, classes, size=tests), classes, None, "")


def run(data: DataSet, **changes: object) -> list[StepRecord]:
    """All rows, without any warning."""
    options: dict[str, object] = {
        "width": 12,
        "depth": 4,
        "examples": len(data.x_train),
        "test_examples": len(data.x_test),
        "steps": 3,
        "lr": 0.05,
        "device": "cpu",
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return list(Trainer(RunConfig(**(options | changes)), data).run())  # type: ignore[arg-type]


def assert_defined(records: list[StepRecord]) -> None:
    """Values are finite or absent; layers are finite or NaN; nothing is negative that cannot be."""
    for record in records:
        for name, value in record.values.items():
            assert math.isfinite(value), (record.step, name, value)
        for name, column in record.layers.items():
            assert not np.isinf(column).any(), (record.step, name, column)
        for m, low in enumerate(record.layers["lambda_min"][:-1]):
            rho = record.layers["lambda_resolution"][m]
            if math.isfinite(rho):
                assert low >= -rho, (record.step, m)


def is_shown_as_lower_bound(record: StepRecord, m: int) -> bool:
    """Whether a row shows log10_cond as known from below only."""
    return not resolved("log10_cond", record.layers, 1)[m]


# Precision


@pytest.mark.parametrize(("common", "at_least"), [(0.0, 0.005), (30.0, 10.0)])
def test_near_n_equal_to_width_a_float32_gram_matrix_is_wrong_where_the_float64_one_of_the_same_features_is_right(
    common: float, at_least: float
) -> None:
    """In the third digit where the features are independent, many times over where they share a direction."""
    rng = np.random.default_rng(4)
    raw = rng.normal(size=(200, 200)) + common * rng.normal(size=200)
    features = torch.tensor(raw, dtype=torch.float32)
    exact = float(torch.linalg.svdvals(features.to(torch.float64))[-1]) ** 2 / 200
    gram = feature_gram(features)
    high = float(torch.linalg.eigvalsh(gram)[-1])
    found = dense_extremes(whole_spectrum(gram.numpy()), 0.0).smallest.value
    assert found == pytest.approx(exact, rel=1e-6, abs=rounding(200) * high)
    assert rounding(200) * high < 0.1 * exact, "float64 resolves it"
    # By how much it moves the eigenvalues, whichever of them it happens to move on a machine.
    single = (features @ features.T / 200).to(torch.float64)
    assert float(torch.linalg.matrix_norm(single - gram, 2)) > at_least * exact


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_trainer_measures_the_gram_matrices_of_its_features_in_float64_whatever_it_trains_in(dtype: str) -> None:
    data = data_set(sphere(np.random.default_rng(0), 12, 40), np.arange(12) % 3)
    trainer = Trainer(RunConfig(width=12, depth=3, examples=12, dtype=dtype, device="cpu", steps=0), data)  # type: ignore[arg-type]
    record = trainer.observe()
    for m, a in enumerate(trainer.model.forward(torch.as_tensor(data.x_train).to(trainer.model.dtype)).features):
        sigma = np.linalg.svd(a.double().numpy() / math.sqrt(a.shape[1]), compute_uv=False)
        slack = rounding(a.shape[1]) * sigma[0] ** 2
        assert record.layers["lambda_min"][m] == pytest.approx(sigma[-1] ** 2, rel=1e-9, abs=slack)


# Rank


@pytest.mark.parametrize(("activation", "renormalize", "loss"), NETWORKS)
def test_with_more_examples_than_neurons_lambda_min_is_exactly_zero_and_conditioning_a_lower_bound(
    activation: str, renormalize: bool, loss: str
) -> None:
    data = data_set(sphere(np.random.default_rng(1), 20, 30), np.arange(20) % 3)
    records = run(data, activation=activation, renormalize=renormalize, loss=loss)
    assert_defined(records)
    for record in records:
        assert record.layers["lambda_min"][0] > 0.0  # 30 inputs
        for m in (1, 2, 3):
            assert record.layers["lambda_min"][m] == 0
            assert is_shown_as_lower_bound(record, m)
            expected = -math.log10(20 * np.finfo(np.float64).eps)
            assert record.layers["log10_cond"][m] == pytest.approx(expected)


@pytest.mark.parametrize(("activation", "renormalize", "loss"), NETWORKS)
def test_duplicate_examples_give_a_lambda_min_below_the_resolution(
    activation: str, renormalize: bool, loss: str
) -> None:
    x, y = sphere(np.random.default_rng(2), 8, 30), np.arange(8) % 3
    x[5], y[5] = x[2], y[2]
    # In float64: products in float32 may round two equal rows differently.
    records = run(data_set(x, y), activation=activation, renormalize=renormalize, loss=loss, dtype="float64")
    assert_defined(records)
    for record in records:
        for m in range(4):
            assert is_shown_as_lower_bound(record, m)
            expected = -math.log10(16 * np.finfo(np.float64).eps)
            assert record.layers["log10_cond"][m] == pytest.approx(expected, abs=1e-9)
        # A bound that started at 0 cannot rise above what rounding leaves of it.
        for name in ("eq13_op", "eq13_fro", "eq13_features_op", "eq13_features", "eq13_weights"):
            assert np.nanmax(record.layers[name]) <= 1e-12
    np.testing.assert_array_equal(records[0].layers["infinite_lambda_min"][:4], 0.0)
    np.testing.assert_array_equal(records[0].layers["lemma12_lambda_min"][:4], 0.0)


@pytest.mark.parametrize(("activation", "renormalize", "loss"), NETWORKS)
def test_duplicates_with_different_labels_have_defined_results(activation: str, renormalize: bool, loss: str) -> None:
    x = np.repeat(sphere(np.random.default_rng(2), 1, 30), 3, axis=0)
    records = run(data_set(x, np.arange(3)), activation=activation, renormalize=renormalize, loss=loss)
    assert_defined(records)
    for record in records:
        np.testing.assert_allclose(
            record.layers["gersh_max_offdiag"][:4], record.layers["gersh_min_diag"][:4], rtol=1e-5
        )


# Degenerate data


@pytest.mark.parametrize(("activation", "renormalize", "loss"), NETWORKS)
def test_a_single_example_has_defined_results_and_no_generalization_bound(
    activation: str, renormalize: bool, loss: str
) -> None:
    data = data_set(sphere(np.random.default_rng(3), 1, 30), np.array([1]))
    records = run(data, activation=activation, renormalize=renormalize, loss=loss)
    assert_defined(records)
    for record in records:
        for name in ("stability_beta", "generalization_bound", "generalization_floor"):
            assert name not in record.values
        assert record.values["pl_samplewise"] == pytest.approx(record.values["pl"])  # Jensen with one term
        np.testing.assert_allclose(record.layers["log10_cond"][:4], 0.0, atol=1e-12)
        np.testing.assert_array_equal(record.layers["gersh_row_sum"][:4], 0.0)
        assert np.isnan(record.layers["gersh_max_offdiag"]).all()
        np.testing.assert_array_equal(record.layers["gersh_lower"][:4], record.layers["gersh_upper"][:4])


@pytest.mark.parametrize(("activation", "renormalize", "loss"), NETWORKS)
def test_data_of_one_class_have_defined_results(activation: str, renormalize: bool, loss: str) -> None:
    data = data_set(sphere(np.random.default_rng(5), 6, 30), np.full(6, 2))
    records = run(data, activation=activation, renormalize=renormalize, loss=loss, steps=12, lr=0.005)
    assert_defined(records)
    assert records[-1].values["loss"] < records[0].values["loss"]


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize(("activation", "renormalize", "loss"), NETWORKS)
def test_constant_images_have_defined_results(activation: str, renormalize: bool, loss: str, center: bool) -> None:
    """Centred they are rows of zeros, which have no direction; not centred, all the same row."""
    images = np.full((6, 4, 4, 3), 77, dtype=np.uint8)
    prepared = prepare(images, images, center=center)
    assert bool(prepared.notices) == center
    records = run(
        data_set(prepared.x_train, np.arange(6) % 3), activation=activation, renormalize=renormalize, loss=loss
    )
    assert_defined(records)
    if center:
        # G⁰ = 0: no conditioning and no infinite-width line, rather than a number.
        assert math.isnan(records[0].layers["log10_cond"][0])
        assert np.isnan(records[0].layers["infinite_lambda_min"]).all()
        assert records[0].layers["lambda_max"][0] == 0
    else:
        assert records[0].layers["gersh_max_offdiag"][0] == pytest.approx(1.0)


@pytest.mark.parametrize("loss", LOSS_NAMES)
@pytest.mark.parametrize("renormalize", [False, True])
@pytest.mark.parametrize("measure", ["core", "all"])
def test_a_gradient_of_exactly_zero_leaves_what_divides_by_it_undefined_and_everything_else_there(
    loss: str, renormalize: bool, measure: str
) -> None:
    """A tanh network whose weights are all 0 has features, outputs and gradient 0, and stays there."""
    data = data_set(sphere(np.random.default_rng(6), 5, 8), np.arange(5) % 3)
    trainer = Trainer(
        RunConfig(width=7, depth=3, examples=5, activation="tanh", loss=loss, renormalize=renormalize,  # type: ignore[arg-type]
                  measure=measure, steps=2, device="cpu"),  # type: ignore[arg-type]
        data,
    )  # fmt: skip
    for weight in trainer.model.weights:
        weight.zero_()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        records = list(trainer.run())
    assert len(records) == 3
    for record in records:
        assert record.values["grad_norm"] == 0
        assert record.values["sample_grad_norm_max"] == 0
        assert record.values["pl"] == 0
        assert not record.events
        for value in record.values.values():
            assert math.isfinite(value)
        # No loss left to compare with, nothing moved, nothing promised.
        for name in ("generalization_bound", "smoothness_step", "smoothness_secant", "predicted_descent"):
            assert name not in record.values
        for m in (1, 2):
            assert math.isnan(record.layers["log10_cond"][m])  # κ of the zero matrix
            assert record.layers["lambda_max"][m] == 0
        assert record.values["distance_init"] == 0
    assert records[1].values["ratio_null"] == 1


# Input that is no number


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("activation", "renormalize", "loss"), NETWORKS)
def test_an_input_that_is_no_number_ends_the_run_at_its_first_row_and_says_so(
    activation: str, renormalize: bool, loss: str, bad: float
) -> None:
    x = sphere(np.random.default_rng(7), 5, 8)
    x[1, 3] = bad
    records = run(data_set(x, np.arange(5) % 3), activation=activation, renormalize=renormalize, loss=loss)
    (record,) = records
    assert [event.kind for event in record.events] == ["diverged"]
    assert "lr" not in record.values
    assert not any(math.isnan(value) for value in record.values.values())


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_gram_matrix_that_is_not_finite_has_no_spectrum_instead_of_an_exception(bad: float) -> None:
    a = torch.ones(3, 4, dtype=torch.float64)
    a[1, 1] = bad
    gram = feature_gram(a)
    found = spectrum(dense_extremes(whole_spectrum(gram.numpy()), 0.0), 4)
    assert all(math.isnan(value) for value in found.values())
    assert not math.isfinite(gershgorin(gram).row_sum)
    assert math.isnan(log10_condition(math.nan, 1.0, 3))


@pytest.mark.parametrize(("activation", "renormalize", "loss"), NETWORKS)
def test_logits_that_overflow_end_the_run_with_a_diverged_row(activation: str, renormalize: bool, loss: str) -> None:
    data = data_set(sphere(np.random.default_rng(8), 6, 8), np.arange(6) % 3)
    records = run(data, activation=activation, renormalize=renormalize, loss=loss, lr=1e30, steps=6)
    for record in records:
        for name, value in record.values.items():
            assert not math.isnan(value), name
        diverged = [event for event in record.events if event.kind == "diverged"]
        assert bool(diverged) == (not math.isfinite(record.values.get("loss", math.nan))
                                  or not math.isfinite(record.values.get("grad_norm", math.nan)))  # fmt: skip
    assert all(not [e for e in record.events if e.kind == "diverged"] for record in records[:-1])
