"""Which options a branch may change, and what becomes of the rest. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.config import RunConfig, option_flag
from engine.errors import UsageError
from engine.history.recorded import RecordedRun

GOES_ON = frozenset(
    {"lr", "steps", "measure", "every", "budget", "device", "data_dir", "checkpoint_every", "checkpoint_limit"}
    | {"breakpoints", "on_break"}
)
"""Options that leave every number of a row its meaning: a branch that changes only these goes on from the parent's."""

SHAPES = ("width", "depth", "bias")
"""Options that decide which weights there are."""


def changed_config(recorded: RecordedRun, step: int, changes: Mapping[str, Any]) -> RunConfig:
    """The parent's configuration with other options; the learning rate is that of the step unless it is changed.

    Args:
        recorded: The parent.
        step: A step that it has recorded.
        changes: Options that are to be otherwise, by name.

    Returns:
        The branch's configuration. It has as many steps ahead as the parent's where the parent's lie behind it.

    Raises:
        UsageError: An option makes no sense, or the weights of the step would not fit the network.
    """
    parent = recorded.config
    given = {"lr": recorded.lr_leaving(step), **changes}
    config = RunConfig.from_mapping(parent.to_dict() | given)
    for name in SHAPES if step > 0 else ():
        if getattr(parent, name) != getattr(config, name):
            raise UsageError(
                f"{option_flag(name)} cannot change at step {step}: the weights would not fit.",
                "Branch from --step 0, or start a new run.",
            )
    if config.steps > step:
        return config
    if "steps" in changes:
        raise UsageError(f"--steps {config.steps} lies before the branch, which begins at step {step}.")
    return replace(config, steps=step + max(1, parent.steps))
