"""Words and short numbers for headers, footers and listings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from engine.config import RunConfig


def short_number(value: float) -> str:
    """A number in few characters, without a leading zero: ``.01``, ``2.5``, ``1e-05``."""
    if not math.isfinite(value):
        return str(value)
    text = f"{value:.4g}"
    return text[1:] if text.startswith("0.") else text


def duration(seconds: float) -> str:
    """A span of time as a clock shows it: ``0:10``, ``12:05``, ``3:07:00``, ``2 d 03:00``."""
    if not math.isfinite(seconds) or seconds < 0:
        return "–"
    whole = round(seconds)
    days, rest = divmod(whole, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, left = divmod(rest, 60)
    if days:
        return f"{days} d {hours:02}:{minutes:02}"
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def rate(steps_per_second: float) -> str:
    """Steps per second, or seconds per step where that reads better."""
    if not math.isfinite(steps_per_second) or steps_per_second <= 0:
        return ""
    if steps_per_second >= 0.95:
        digits = 0 if steps_per_second >= 99.5 else 1
        return f"{steps_per_second:.{digits}f}/s"
    seconds = 1 / steps_per_second
    return f"{seconds:.3g} s/step" if seconds < 100 else f"{duration(seconds)} a step"


def file_size(count: int) -> str:
    """Bytes for people: ``812 B``, ``3.4 MiB``."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return ""


def branch_phrase(meta: Mapping[str, str]) -> str:
    """Where a branch comes from, ``from NAME at 12``; empty for a run that is no branch."""
    parent, step = meta.get("parent", ""), meta.get("parent_step", "")
    return f"from {Path(parent).stem} at {step}" if parent and step.isdigit() else ""


def run_summary(config: RunConfig, lr: float | None = None) -> str:
    """A configuration in one phrase: ``relu · 500×9 · n 250 · mse · η .01``, or ``relu · 500×9 · η .01→.02 · …``."""
    # A rate in use other than the configured one stands before what a narrow screen leaves out first.
    parts = [config.activation, f"{config.width}×{config.depth}", f"n {config.examples}", config.loss]
    if lr is None or lr == config.lr:
        parts.append(f"η {short_number(config.lr)}")
    else:
        parts.insert(2, f"η {short_number(config.lr)}→{short_number(lr)}")
    parts += ["renormalised"] if config.renormalize else []
    parts += ["bias"] if config.bias else []
    return " · ".join(parts)
