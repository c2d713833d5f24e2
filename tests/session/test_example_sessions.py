"""The recorded examples that come with the project."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.session.reader import SessionReader

EXAMPLES = sorted((Path(__file__).parents[2] / "sessions").glob("example-*.wnt"))


def test_there_are_examples():
    assert EXAMPLES


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_opens_and_is_whole(path):
    with SessionReader(path) as reader:
        config = reader.config()
        steps, columns = reader.steps()
        assert reader.engine().state == "finished"
        assert steps.tolist() == list(range(config.steps + 1))
        assert np.isfinite(columns["ntk_lambda_min"]).all()
        layers = reader.layers_at(config.steps)
    assert np.isfinite(layers["log10_cond"][: config.depth]).all()
    assert not [p for p in path.parent.iterdir() if p.name.startswith(path.name + "-")]
