"""Rows that are recorded take torch's operations alone, and a GPU's numbers come by one copy: the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.device.scheduling import torch_alone
from engine.device.transfer import fetch, to_host
from engine.measure.gram import disc_numbers, feature_gram
from engine.measure.layer_measures import LayerMeasures
from engine.theory.gershgorin import gershgorin
from tests.closed_form.kernels import table_of
from tests.closed_form.row_contexts import begun, measured, row_of, update
from tests.closed_form.small_networks import small
from tests.rounding import rounding


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("width", [50, 2100])
def test_the_gram_matrix_of_a_device_is_that_of_the_host_and_symmetric_to_the_bit(dtype, width):
    a = torch.randn(30, width, generator=torch.Generator().manual_seed(0)).to(dtype)
    here = feature_gram(a)
    with torch_alone():
        there = feature_gram(a)
    for gram in (here, there):
        assert gram.dtype == torch.float64
        assert torch.equal(gram, gram.T)
        expected = a.double() @ a.double().T / width
        torch.testing.assert_close(gram, expected, rtol=0, atol=rounding(width) * float(expected.max()))


@pytest.mark.parametrize("n", [1, 2, 30])
def test_discs_of_many_matrices_are_those_of_each(n):
    a = torch.randn(3, n, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    grams = a @ a.mT - 0.5
    before = grams.clone()
    for numbers, gram in zip(disc_numbers(grams).tolist(), before.numpy(), strict=True):
        discs = gershgorin(gram)
        expected = [getattr(discs, name) for name in discs.__slots__]
        assert numbers[:6] == pytest.approx(expected, rel=1e-12, nan_ok=True)
        assert numbers[6] == pytest.approx(float(gram.trace()), rel=1e-12)
    assert torch.equal(grams, before)


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


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("n", [9, 140])
def test_layers_are_measured_alike_by_threads_and_by_operations_that_can_be_recorded(keep, n):
    case = small("tanh", True, True, n=n, width=100 if n > 100 else 7, depth=4)
    found = case.training_pass()
    measure = "all" if keep else "core"
    here, there = (begun(LayerMeasures(), case, measure=measure) for _ in range(2))
    for _ in range(3):
        rows = row_of(found), row_of(found)
        expected = measured(here, rows[0])
        with torch_alone():
            table = measured(there, rows[1])
        for name, column in expected.layers.items():
            np.testing.assert_allclose(table.layers[name], column, rtol=1e-6, atol=1e-9, equal_nan=True, err_msg=name)
        assert table.values == pytest.approx(expected.values, rel=1e-12)
        assert len(rows[0].grams) == len(rows[1].grams) == (4 if keep else 0)
        for gram, other in zip(rows[0].grams, rows[1].grams, strict=True):
            torch.testing.assert_close(gram, other, rtol=0, atol=rounding(100) * float(other.max()))
        for measures, row in zip((here, there), rows, strict=True):
            measures.after(row)
            measures.before_update(1.0)
        update(case, found, 1.0)
        found = case.training_pass()
