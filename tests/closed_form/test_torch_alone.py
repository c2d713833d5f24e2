"""Rows of torch's operations alone, as a GPU makes them, on the host: every metric by brute force once more."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.device.scheduling import torch_alone
from tests.closed_form.brute_force import EPS, LAYER, STEP
from tests.closed_form.cases import Observed, observe
from tests.closed_form.problems import CASES, WITHOUT_PRODUCTS, brute_force
from tests.closed_form.test_every_metric import _ITERATED, _measured, difference


@pytest.fixture(params=CASES)
def alone(request: pytest.FixtureRequest) -> tuple[str, Observed]:
    case: str = request.param
    with torch_alone():
        return case, observe(CASES[case], measure="core" if case in WITHOUT_PRODUCTS else "all")


def test_every_row_holds_what_brute_force_gives(alone: tuple[str, Observed]) -> None:
    case, found = alone
    expected, wrong = brute_force(case), []
    expected.curvatures = [record.values.get("smoothness_hessian", math.nan) for record in found.records]
    for name, by_definition in STEP.items():
        for k, record in enumerate(found.records if _measured(case, name) and name not in _ITERATED else []):
            slack = 0.0
            if name == "smoothness_step" and k:
                slack = 16 * expected.step_rounding(k)
            wrong += difference(name, (k,), record.values.get(name, math.nan), by_definition(expected, k), slack=slack)
    for name, layer_by_definition in LAYER.items():
        for k, record in enumerate(found.records if _measured(case, name) else []):
            for m, value in enumerate(record.layers.get(name, np.empty(0))):
                slack = 0.0
                if name.startswith(("lambda_m", "eq13", "gersh", "infinite")) and m < expected.problem.depth:
                    slack = 100 * EPS * max(1.0, float(expected.rows[k].sigma(m)[-1]) ** 2)
                wrong += difference(name, (k, m), float(value), layer_by_definition(expected, k, m), slack=slack)
    assert not wrong, "\n".join(wrong)
