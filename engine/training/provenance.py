"""The provenance of a run: versions, processor, threads, data and command line, saved with every session."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import scipy
import torch

import engine
from engine.device.threads import blas_builds, recorded_threads, threads

if TYPE_CHECKING:
    from engine.training.trainer import Trainer

SURROUNDINGS = {
    "wnt_tui_version": "wnt-tui version",
    "python_version": "Python version",
    "torch_version": "torch version",
    "numpy_version": "numpy version",
    "scipy_version": "scipy version",
    "blas": "BLAS",
    "platform": "platform",
    "processor": "processor",
    "instructions": "torch's vector instructions",
    "cores": "cores to run on",
    "device": "device",
    "deterministic": "deterministic kernels and full float32 products",
}
"""The part of a provenance that decides, beside threads, how numbers are rounded, with names for people."""


def provenance(trainer: Trainer) -> dict[str, str]:
    """Plain text by key: what a session's ``meta`` says of a run beside its configuration."""
    data = trainer.data
    return {
        "wnt_tui_version": engine.__version__,
        "python_version": platform.python_version(),
        "torch_version": torch.__version__,
        "numpy_version": np.__version__,
        "scipy_version": scipy.__version__,
        "blas": blas_builds(),
        "platform": platform.platform(),
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": str(_cores()),
        "deterministic": _deterministic(),
        **threads().as_meta(),
        "device": trainer.resolved.label,
        "data": data.name,
        "data_fingerprint": data.fingerprint,
        "data_shape": "×".join(str(size) for size in data.image_shape or (data.inputs,)),
        "classes": str(data.classes),
        "command": shlex.join(["python", "-m", "engine", *sys.argv[1:]]),
    }


def differing(then: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Differences that decide how numbers are rounded: ``torch version 2.9 then, 2.10 now``; may be empty."""
    counts = recorded_threads(then), recorded_threads(now)
    found = []
    if "threads" in then and counts[0] != counts[1]:
        found.append(f"recorded with {counts[0] or then['threads'] + ' threads'}, run again with {counts[1]}")
    for key, name in SURROUNDINGS.items():
        before, here = _without_threads(then.get(key)), _without_threads(now.get(key, "unknown"))
        if before is not None and before != here:
            found.append(f"{name} {before} then, {here} now")
    return "; ".join(found)


def unrecorded(then: Mapping[str, str]) -> str:
    """Names, with commas, of what an older ``meta`` does not say of how numbers were rounded; empty if nothing."""
    names = {"threads": "threads", "blas_threads": "threads of numpy's BLAS"} | SURROUNDINGS
    return ", ".join(name for key, name in names.items() if key not in then)


def _without_threads(label: str | None) -> str | None:
    """A device's label without its threads, which are compared apart from it."""
    return None if label is None else label.partition(" · ")[0]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    found = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(found, platform.processor() or platform.machine())


def _cores() -> int:
    """The number of cores that the process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _deterministic() -> str:
    kernels = torch.are_deterministic_algorithms_enabled()
    return "yes" if kernels and torch.get_float32_matmul_precision() == "highest" else "no"
