"""The options that a branch may change, and what becomes of the rest."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.breakpoints import MOST_BREAKPOINTS, active_breakpoints, parse
from engine.config import RunConfig, option_flag
from engine.errors import UsageError
from engine.session.recorded import RecordedRun

GOES_ON = frozenset(
    {"lr", "steps", "measure", "every", "budget", "kernel", "spectra_every", "device", "data_dir"}
    | {"checkpoint_every", "checkpoint_limit", "breakpoints", "on_break"}
)
"""Options that leave every number of a row its meaning: a branch that changes only these goes on from the parent's."""

SHAPES = ("width", "depth", "bias")
"""Options that decide which weights there are."""


def changed_config(recorded: RecordedRun, step: int, changes: Mapping[str, Any]) -> RunConfig:
    """The parent's configuration with other options.

    Unless they are changed, the learning rate is that of the step, and breakpoints are those that are set in the parent
    now: somebody who sets one and goes back to try something else wants it to hold there too.

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
    if "breakpoints" not in changes:
        given["breakpoints"] = _breakpoints_of(recorded)
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


def _breakpoints_of(recorded: RecordedRun) -> tuple[str, ...]:
    """The breakpoints that are set in a run; what makes no sense in an untrusted file is passed over."""
    config, found = recorded.config, []
    for point in active_breakpoints(config.breakpoints, (row.event for row in recorded.reader.all_events())):
        with contextlib.suppress(UsageError):
            condition = parse(point.text)
            condition.check(depth=config.depth, measure=config.measure)
            found.append(condition.text)
    return tuple(found[:MOST_BREAKPOINTS])
