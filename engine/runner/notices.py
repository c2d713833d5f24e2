"""Notices at a run's beginning: about its data, its device, its threads, and options without effect."""

from __future__ import annotations

from dataclasses import fields

from engine.config import RunConfig, option_flag
from engine.device.threads import Threads, threads
from engine.history.measured_otherwise import measured_otherwise
from engine.record import Event
from engine.training.trainer import Trainer

_OF_MEASUREMENTS = ("every", "budget", "kernel", "spectra_every", "f_star", "delta")


def notices(trainer: Trainer) -> list[Event]:
    """Events of a run's first step about its data, device and options, usually none."""
    texts = (trainer.resolved.notice, trainer.data.notice, " ".join(without_effect(trainer.config)))
    return [Event(trainer.step, "notice", text) for text in texts if text]


def thread_notices(step: int, own: Threads) -> list[Event]:
    """An event where a recorded run's threads are in use and not those that this process would take by itself."""
    used = threads()
    return [Event(step, "notice", f"Trains with {used}, as recorded: here it would be {own}.")] * (used != own)


def anew_notices(recorded_by: str, last: int) -> list[Event]:
    """An event where a session goes on that a version recorded which measured otherwise, up to a step."""
    by = f"wnt-tui {recorded_by}" if recorded_by else "an earlier version"
    sentence = (
        f"Recorded by {by} up to step {last}. Training goes on to the bit; what is measured otherwise now begins anew"
        f" at step {last + 1} (`wnt-tui verify` names it)."
    )
    return [Event(last, "notice", sentence)] * bool(measured_otherwise(recorded_by))


def without_effect(config: RunConfig) -> list[str]:
    """A sentence for each option whose value is not the default and changes nothing beside the others."""
    defaults = {spec.name: spec.default for spec in fields(RunConfig)}
    found = []
    idle = [name for name in _OF_MEASUREMENTS if getattr(config, name) != defaults[name]]
    if config.measure == "none" and idle:
        have = "have" if len(idle) > 1 else "has"
        flags = ", ".join(map(option_flag, idle))
        found.append(f"{flags} {have} no effect with --measure none: nothing is measured.")
    elif config.measure != "none" and config.every > max(config.steps, 1):
        found.append(f"--every {config.every} is more than --steps {config.steps}: nothing between is measured.")
    if config.measure == "core" and config.kernel != defaults["kernel"]:
        found.append("--kernel has no effect with --measure core, which has no K.")
    if config.measure != "none" and (config.spectra_every or 0) > max(config.steps, 1):
        found.append(f"--spectra-every {config.spectra_every} has no effect: it is more than --steps {config.steps}.")
    if config.data_dir is not None and config.data not in {"auto", "cifar10"}:
        found.append(f"--data-dir has no effect with --data {config.data}: it says where CIFAR-10 lies.")
    if config.on_break != defaults["on_break"] and not config.breakpoints:
        found.append(f"--on-break {config.on_break} has no effect before a breakpoint is set: none is.")
    if config.checkpoint_every is not None and config.checkpoint_every > config.steps:
        found.append(
            f"--checkpoint-every {config.checkpoint_every} has no effect: it is more than --steps {config.steps}."
        )
    return found
