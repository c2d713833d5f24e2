"""Checkpoints as wnt-tui 0.2 stored them: a run goes on from them to the bit."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from engine import Trainer
from engine.history.checkpoint import put_back, take
from engine.history.encoding import decode, encode
from engine.session.rows import Tensor
from tests.history.recording import KINDS, small

CLOCKS = re.compile(r"_seconds$")


def as_stored_by_0_2(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same checkpoint: weight norms and violations beside all vectors, and names with one level less."""
    words = json.loads(tensors["carried"].data)
    old = {name: words[name] for name in ("trajectory", "before", "violations")}
    old["weight_norms"] = words["proved_bounds"].get("weight_norms") if "proved_bounds" in words else None
    text = json.dumps(old).encode()
    renamed = {re.sub(r"\.(low|high)\.", r".\1_", name): tensor for name, tensor in tensors.items()}
    renamed["carried"] = Tensor("U8", (len(text),), text)
    if "kernel" in words:
        exact = np.array([float(words["kernel"]["exact"])], "<f4")
        renamed["carried.kernel.exact"] = Tensor("F32", (1,), exact.tobytes())
    return renamed


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_goes_on_from_one_as_it_did(kind: str) -> None:
    trainer = Trainer(small(**KINDS[kind]))
    expected = {}
    while trainer.step < 9:
        expected[trainer.step] = trainer.observe()
        if trainer.step == 5:
            old = as_stored_by_0_2(encode(take(trainer), trainer))
        trainer.advance()
    put_back(trainer, decode(5, old, trainer))
    while trainer.step < 8:
        trainer.advance()
        found, then = trainer.observe(), expected[trainer.step]
        assert {name: value for name, value in found.values.items() if not CLOCKS.search(name)} == {
            name: value for name, value in then.values.items() if not CLOCKS.search(name)
        }
        assert found.layers.keys() == then.layers.keys()
        for name, column in found.layers.items():
            np.testing.assert_array_equal(column, then.layers[name], name)
