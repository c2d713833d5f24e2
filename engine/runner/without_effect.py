"""Options that were given and change nothing beside the others: said once, at the beginning of a run."""

from __future__ import annotations

from dataclasses import fields

from engine.config import RunConfig, option_flag

_OF_MEASUREMENTS = ("every", "budget", "f_star", "delta")


def without_effect(config: RunConfig) -> list[str]:
    """Options whose value is not the default and has no effect in this combination.

    Args:
        config: A run.

    Returns:
        A sentence each, usually none.
    """
    defaults = {spec.name: spec.default for spec in fields(RunConfig)}
    found = []
    idle = [name for name in _OF_MEASUREMENTS if getattr(config, name) != defaults[name]]
    if config.measure == "none" and idle:
        have = "have" if len(idle) > 1 else "has"
        flags = ", ".join(map(option_flag, idle))
        found.append(f"{flags} {have} no effect with --measure none: nothing is measured.")
    elif config.measure != "none" and config.every > max(config.steps, 1):
        found.append(f"--every {config.every} is more than --steps {config.steps}: nothing between is measured.")
    if config.data_dir is not None and config.data not in {"auto", "cifar10"}:
        found.append(f"--data-dir has no effect with --data {config.data}: it says where CIFAR-10 lies.")
    if config.on_break != defaults["on_break"] and not config.breakpoints:
        found.append(f"--on-break {config.on_break} has no effect before a breakpoint is set: none is.")
    if config.checkpoint_every is not None and config.checkpoint_every > config.steps:
        found.append(
            f"--checkpoint-every {config.checkpoint_every} has no effect: it is more than --steps {config.steps}."
        )
    return found
