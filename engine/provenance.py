"""Where a run comes from: versions, device, data and command line, saved with every session."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch

import engine
from engine.paths import printable

SURROUNDINGS = ("wnt_tui_version", "python_version", "torch_version", "numpy_version", "platform", "device", "threads")
"""What of a run's provenance decides how its numbers are rounded."""

if TYPE_CHECKING:
    from engine.trainer import Trainer


def provenance(trainer: Trainer) -> dict[str, str]:
    """What a session's ``meta`` says of a run beside its configuration.

    Args:
        trainer: The run.

    Returns:
        Plain text by key.
    """
    data = trainer.data
    return {
        "wnt_tui_version": engine.__version__,
        "python_version": platform.python_version(),
        "torch_version": torch.__version__,
        "numpy_version": np.__version__,
        "platform": platform.platform(),
        "threads": str(torch.get_num_threads()),
        "device": trainer.resolved.label,
        "data": data.name,
        "data_fingerprint": data.fingerprint,
        "data_shape": "×".join(str(size) for size in data.image_shape or (data.inputs,)),
        "classes": str(data.classes),
        "command": printable(" ".join(["python -m engine", *sys.argv[1:]])),
    }


def differing(then: Mapping[str, str], now: Mapping[str, str]) -> str:
    """In what the surroundings of a run differ that decide how its numbers are rounded.

    Args:
        then: ``meta`` as it was recorded.
        now: What :func:`provenance` says here.

    Returns:
        ``threads 2 then, 4 now, …``, empty where nothing differs.
    """
    changed = [name for name in SURROUNDINGS if name in then and then[name] != now.get(name, "")]
    return ", ".join(f"{name.replace('_', ' ')} {then[name]} then, {now.get(name, 'unknown')} now" for name in changed)
