"""What is computed and fetched otherwise where tensors live on a GPU, on tensors that do not: the same numbers."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from engine.device.scheduling import torch_alone
from engine.device.transfer import fetch, to_host
from engine.measure.gram import device_gram, host_gram
from engine.measure.layer_measures import LayerMeasures
from engine.measure.layer_threads import LayerThreads
from tests.closed_form.kernels import table_of
from tests.closed_form.row_contexts import begun, row_of, update
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


@pytest.mark.parametrize(("n", "classes"), [(7, 3), (400, 2), (90, 10)])
def test_k_is_the_same_however_it_is_scheduled(n, classes):
    run = small("tanh", True, True, n=n, classes=classes).training_pass().run
    table, traces = table_of(run)
    with torch_alone():
        other, others = table_of(run)
    slack = rounding(14, sums=3) * float(traces.sum())
    torch.testing.assert_close(other.matrix, table.matrix, rtol=0, atol=slack)
    torch.testing.assert_close(others, traces)
    for matrix in (table.matrix, other.matrix, table.compressed()):
        assert torch.equal(matrix, matrix.T)


@pytest.mark.parametrize(("threads", "items", "together"), [(1, 4, False), (2, 4, True), (2, 2, True), (3, 1, True)])
def test_layers_run_side_by_side_where_torch_has_threads(threads, items, together, monkeypatch):
    monkeypatch.setattr("torch.get_num_threads", lambda: threads)
    names = LayerThreads().map(lambda item: (item, threading.current_thread().name), range(items))
    assert [item for item, _ in names] == list(range(items))
    assert all(name.startswith("layer") == together for _, name in names)


@pytest.mark.parametrize("keep", [False, True])
def test_layers_that_are_queued_first_are_measured_as_layers_one_by_one(keep):
    case = small("tanh", True, True, n=9, depth=4)
    found = case.training_pass()
    measure = "all" if keep else "core"
    one_by_one, queued = (begun(LayerMeasures(), case, measure=measure) for _ in range(2))
    for _ in range(3):
        rows = row_of(found), row_of(found)
        expected = one_by_one.collect(rows[0])
        queued.launch(rows[1])
        table = queued.collect(rows[1])
        for name, column in expected.layers.items():
            np.testing.assert_allclose(table.layers[name], column, rtol=1e-10, atol=1e-12, equal_nan=True)
        assert table.values == pytest.approx(expected.values, rel=1e-12)
        assert len(rows[0].grams) == len(rows[1].grams) == (4 if keep else 0)
        for gram, other in zip(rows[0].grams, rows[1].grams, strict=True):
            torch.testing.assert_close(gram, other, rtol=0, atol=rounding(7) * float(other.max()))
        for measures, row in zip((one_by_one, queued), rows, strict=True):
            measures.after(row)
            measures.before_update(1.0)
        update(case, found, 1.0)
        found = case.training_pass()


def test_layers_large_enough_to_be_followed_together_have_moved_by_what_they_have():
    case = small("tanh", n=130, d=150, width=200, depth=4)
    case.x.add_(1.0)  # examples have something in common, as those of a data set
    measures, began = begun(LayerMeasures(), case), case.training_pass().run.features
    for row in range(3):
        found = case.training_pass()
        context = row_of(found)
        measures.launch(context)
        table = measures.collect(context).layers
        if row == 0:
            assert table["lambda_max_residual"][:4].tolist() == [0.0] * 4  # dense: nothing is followed yet
        for m in (1, 2, 3) if row else ():
            now, then = found.run.features[m].numpy(), began[m].numpy()
            change, features = host_gram(now) - host_gram(then), (now - then) / 200**0.5
            sigma = np.linalg.svd(then / 200**0.5, compute_uv=False)[-1]
            # The bounds solved for what they take off; spectral norms are found to a hundredth of their squares.
            gram_op, gram_fro = sigma**2 - table["eq13_op"][m], sigma**2 - table["eq13_fro"][m]
            assert gram_fro == pytest.approx(np.linalg.norm(change), rel=1e-9)
            assert 1 - 1e-9 <= gram_op / np.linalg.norm(change, 2) <= 1.006
            features_op = sigma - np.sqrt(table["eq13_features_op"][m])
            features_fro = sigma - np.sqrt(table["eq13_features"][m])
            assert features_fro == pytest.approx(np.linalg.norm(features), rel=1e-9)
            assert 1 - 1e-9 <= features_op / np.linalg.norm(features, 2) <= 1.006
        measures.after(context)
        measures.before_update(1e-3)
        update(case, found, 1e-3)
