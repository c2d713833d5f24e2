"""What is computed and fetched otherwise where tensors live on a GPU, on tensors that do not: the same numbers."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from engine.device.transfer import Transfer, fetch, to_host
from engine.measure.gram import device_gram, feature_gram, host_gram
from engine.measure.kernel import TangentKernel, sum_of_products
from engine.measure.layer_measures import LayerMeasures
from engine.measure.layer_threads import LayerThreads
from engine.measure.row_norms import row_norms
from tests.closed_form.small_networks import small
from tests.rounding import rounding


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_gram_matrix_of_a_device_is_that_of_the_host_and_symmetric_to_the_bit(dtype):
    a = torch.randn(30, 50, generator=torch.Generator().manual_seed(0)).to(dtype)
    gram = device_gram(a)
    assert gram.dtype == torch.float64
    assert torch.equal(gram, gram.T)
    expected = host_gram(a.numpy())
    np.testing.assert_allclose(gram.numpy(), expected, rtol=0, atol=rounding(a.shape[1]) * expected.max())


def test_tensors_of_any_shape_and_type_arrive_as_they_were():
    generator = torch.Generator().manual_seed(0)
    tensors = [
        torch.randn(3, 5, generator=generator),
        torch.randn(4, generator=generator, dtype=torch.float64),
        torch.randn(2, 3, 4, generator=generator, dtype=torch.float64).transpose(0, 2),
        torch.empty(0, 7),
        torch.randn(6, 2, generator=generator)[::2],
        torch.tensor(2.5),
    ]
    for arrays in (fetch(tensors), to_host(tensors)):
        for tensor, array in zip(tensors, arrays, strict=True):
            assert array.shape == tuple(tensor.shape)
            assert torch.from_numpy(np.array(array)).dtype == tensor.dtype
            assert np.array_equal(array, tensor.numpy())
    assert to_host([]) == []


@pytest.mark.parametrize("renormalize", [False, True])
def test_the_compressed_kernel_is_the_same_sum_over_layers(renormalize):
    case = small("tanh", renormalize, True)
    found = case.training_pass()
    kernel = TangentKernel(found.run, [feature_gram(a) for a in found.run.features])
    rng = np.random.default_rng(0)
    symmetric = [a + a.T for a in rng.normal(size=(3, 6, 6))]
    signals = list(rng.normal(size=(3, 6, 4)))
    expected = sum(g * (b @ b.T) for g, b in zip(symmetric, signals, strict=True))
    total = sum_of_products([torch.tensor(g) for g in symmetric], [torch.tensor(b) for b in signals])
    np.testing.assert_allclose(total.numpy(), expected, rtol=0, atol=rounding(12) * np.abs(expected).max())
    assert torch.equal(total, total.T)
    assert torch.equal(kernel.compressed(), kernel.compressed().T)


@pytest.mark.parametrize(("threads", "items", "together"), [(1, 4, False), (2, 4, True), (2, 2, True), (3, 1, False)])
def test_layers_run_side_by_side_where_torch_has_threads_and_there_is_more_than_one(
    threads, items, together, monkeypatch
):
    monkeypatch.setattr("torch.get_num_threads", lambda: threads)
    names = LayerThreads().map(lambda item: (item, threading.current_thread().name), range(items))
    assert [item for item, _ in names] == list(range(items))
    assert all(name.startswith("layer") == together for _, name in names)


@pytest.mark.parametrize("keep", [False, True])
def test_layers_that_are_queued_first_are_measured_as_layers_one_by_one(keep):
    case = small("tanh", True, True, n=9, depth=4)
    found = case.training_pass()
    norms = row_norms(found.run, found.signals)
    one_by_one, queued = (LayerMeasures(case.model, keep_grams=keep) for _ in range(2))
    for _ in range(3):
        expected = one_by_one.measure(found.run, norms)
        transfer = Transfer()
        queued.launch(found.run, transfer)
        table = queued.measure(found.run, norms)
        for name, column in expected.items():
            np.testing.assert_allclose(table[name], column, rtol=1e-10, atol=1e-12, equal_nan=True)
        assert queued.parameter_distance() == pytest.approx(one_by_one.parameter_distance(), rel=1e-12)
        assert len(queued.grams) == len(one_by_one.grams) == (4 if keep else 0)
        for gram, other in zip(queued.grams, one_by_one.grams, strict=True):
            torch.testing.assert_close(gram, other, rtol=0, atol=rounding(7) * float(other.max()))
        for measures in (one_by_one, queued):
            measures.before_update(list(found.gradient_norms.values())[:4])
        for parameter, gradient in zip(case.model.parameters.values(), found.gradients.values(), strict=True):
            parameter.sub_(gradient)
        found = case.training_pass()
        norms = row_norms(found.run, found.signals)


def test_layers_large_enough_to_be_followed_together_have_moved_by_what_they_have():
    case = small("tanh", n=130, d=150, width=200, depth=4)
    case.x.add_(1.0)  # examples have something in common, as those of a data set
    measures, began = LayerMeasures(case.model), case.training_pass().run.features
    for row in range(3):
        found = case.training_pass()
        measures.launch(found.run, Transfer())
        table = measures.measure(found.run, row_norms(found.run, found.signals))
        if row == 0:
            assert table["lambda_max_residual"][:4].tolist() == [0.0] * 4  # dense: no layer has a past, nor another's
        for m in (1, 2, 3) if row else ():
            assert measures._stack.moved()[m - 1] is not None
            now, then = found.run.features[m].numpy(), began[m].numpy()
            change, features = host_gram(now) - host_gram(then), (now - then) / 200**0.5
            sigma = np.linalg.svd(then / 200**0.5, compute_uv=False)[-1]
            # The rungs solved for what they take off; spectral norms are found to a hundredth of their squares.
            gram_op, gram_fro = sigma**2 - table["eq13_op"][m], sigma**2 - table["eq13_fro"][m]
            assert gram_fro == pytest.approx(np.linalg.norm(change), rel=1e-9)
            assert 1 - 1e-9 <= gram_op / np.linalg.norm(change, 2) <= 1.006
            features_op = sigma - np.sqrt(table["eq13_features_op"][m])
            features_fro = sigma - np.sqrt(table["eq13_features"][m])
            assert features_fro == pytest.approx(np.linalg.norm(features), rel=1e-9)
            assert 1 - 1e-9 <= features_op / np.linalg.norm(features, 2) <= 1.006
        measures.before_update([1e-3 * norm for norm in found.gradient_norms.values()])
        for parameter, gradient in zip(case.model.parameters.values(), found.gradients.values(), strict=True):
            parameter.sub_(1e-3 * gradient)
