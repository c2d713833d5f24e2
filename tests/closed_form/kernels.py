"""The tangent kernel of a pass, as the engine forms and measures it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from engine.measure.base import Findings, RowContext
from engine.measure.gram import feature_gram
from engine.measure.kernel_spectrum import KernelSpectrum
from engine.measure.kernel_table import KernelTable, identity_cotangents
from engine.model.base import Pass
from engine.model.training_pass import TrainingPass
from tests.closed_form.row_contexts import begun, row_of
from tests.closed_form.small_networks import Small


def grams_of(run: Pass) -> list[Tensor]:
    """G of every site."""
    return [feature_gram(a) for a in run.features]


def table_of(run: Pass, dtype: torch.dtype = torch.float64) -> tuple[KernelTable, Tensor]:
    """K formed in a precision, and the traces of its sites."""
    n, k = run.logits.shape
    table = KernelTable(identity_cotangents(n, k, dtype, run.logits.device))
    return table, table.form(run, grams_of(run))


def by_example(matrix: Tensor, n: int, k: int) -> Tensor:
    """A table with its rows in the order (example, class), which is that of a Jacobian's rows."""
    return matrix.view(k, n, k, n).permute(1, 0, 3, 2).reshape(n * k, n * k)


def kernel_of(run: Pass) -> Tensor:
    """K in float64, rows in the order (example, class)."""
    return by_example(table_of(run)[0].matrix, *run.logits.shape)


def row_measured(measurement: KernelSpectrum, found: TrainingPass) -> tuple[Findings, RowContext]:
    """What a measurement that has begun finds at a pass, and the row."""
    row = row_of(found)
    row.grams = grams_of(found.run)
    measurement.prepare(row)
    row.launched["kernel"] = measurement.launch(row)
    return measurement.collect(row), row


def kernel_values(case: Small, found: TrainingPass, **options: object) -> Mapping[str, float]:
    """The values at a pass, of a run that begins there."""
    return row_measured(begun(KernelSpectrum(), case, **options), found)[0].values
