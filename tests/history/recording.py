"""Real runs recorded as the engine records them, with every θ kept aside to compare with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from torch import Tensor

from engine import RunConfig, Trainer
from engine.history.checkpoint import parameters_of, take
from engine.history.encoding import encode
from engine.session.writer import SessionWriter
from engine.training.provenance import provenance

SMALL = {"width": 20, "depth": 3, "examples": 16, "data": "gaussian", "device": "cpu", "steps": 12, "lr": 0.05}

KINDS = {
    "mse relu": {},
    "cross-entropy tanh, renormalised, biased, every third row": {
        "activation": "tanh",
        "loss": "cross_entropy",
        "renormalize": True,
        "bias": True,
        "every": 3,
    },
    "mse on logits, core, float64": {"loss": "mse_logits", "lr": 0.002, "measure": "core", "dtype": "float64"},
    "large enough for extremes to be followed and not found anew": {"width": 140, "examples": 130, "data": "digits"},
    "nothing measured": {"measure": "none"},
}
"""Runs that carry different things from row to row."""


def small(**changes: object) -> RunConfig:
    return RunConfig(**(SMALL | changes))  # type: ignore[arg-type]


def record_run(
    path: Path,
    config: RunConfig,
    *,
    checkpoints: Collection[int] = (),
    rates: Mapping[int, float] | None = None,
) -> list[tuple[Tensor, ...]]:
    """Train, record, and return θ of every step; ``rates`` are learning rates that rows are left with."""
    trainer = Trainer(config)
    weights = []
    with SessionWriter.create(path, config, provenance(trainer)) as writer:
        while True:
            final = trainer.step >= config.steps
            writer.put(trainer.observe(final=final))
            weights.append(parameters_of(trainer))
            if trainer.step in checkpoints:
                writer.put_checkpoint(trainer.step, encode(take(trainer), trainer))
            if final or trainer.diverged:
                writer.set_engine(state="diverged" if trainer.diverged else "finished")
                return weights
            trainer.advance()
            if rates and trainer.step in rates:
                trainer.set_lr(rates[trainer.step])
