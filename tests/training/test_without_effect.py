"""Options that change nothing beside the others are said to, and no others."""

import pytest

from engine.config import RunConfig
from engine.runner.notices import notices, without_effect
from engine.training.trainer import Trainer


@pytest.mark.parametrize(
    ("changes", "sentence_part"),
    [
        ({"measure": "none", "budget": 0.5}, "--budget has no effect with --measure none"),
        ({"measure": "none", "every": 2, "delta": 0.1}, "--every, --delta have no effect with --measure none"),
        ({"measure": "none", "f_star": 0.1}, "--f-star has no effect"),
        ({"measure": "none", "kernel": "dense", "spectra_every": 2}, "--kernel, --spectra-every have no effect with"),
        ({"measure": "core", "kernel": "dense"}, "--kernel has no effect with --measure core"),
        ({"spectra_every": 100, "steps": 80}, "--spectra-every 100 has no effect"),
        ({"every": 100, "steps": 80}, "--every 100 is more than --steps 80"),
        ({"data": "digits", "data_dir": "/data"}, "--data-dir has no effect with --data digits"),
        ({"data": "/mine.npz", "data_dir": "/data"}, "--data-dir has no effect"),
        ({"on_break": "stop"}, "--on-break stop has no effect before a breakpoint is set"),
        ({"checkpoint_every": 100, "steps": 80}, "--checkpoint-every 100 has no effect"),
    ],
)
def test_an_option_without_effect_is_reported(changes, sentence_part):
    (sentence,) = without_effect(RunConfig(**changes))
    assert sentence_part in sentence


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"measure": "none"},
        {"measure": "core", "budget": 0.5, "delta": 0.1, "f_star": 0.1, "every": 3},
        {"measure": "core", "spectra_every": 5},
        {"kernel": "products", "spectra_every": 5},
        {"steps": 0},
        {"data": "auto", "data_dir": "/data"},
        {"data": "cifar10", "data_dir": "/data"},
        {"on_break": "stop", "breakpoints": ("pl < 1e-4",)},
        {"checkpoint_every": 80},
    ],
)
def test_an_option_with_an_effect_is_not_remarked_on(changes):
    assert without_effect(RunConfig(**changes)) == []


def test_it_is_an_event_of_the_first_step():
    small = {"width": 4, "depth": 2, "examples": 3, "data": "digits", "data_dir": "/data"}
    (event,) = notices(Trainer(RunConfig(**small, measure="none", budget=1.0)))
    assert (event.step, event.kind) == (0, "notice")
    assert "--budget has no effect" in event.message
    assert "--data-dir has no effect" in event.message
