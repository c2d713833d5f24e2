"""Where a run comes from: versions, device, data and command line, saved with every session."""

from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING

import numpy as np
import torch

import engine

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
        "command": " ".join(["python -m engine", *sys.argv[1:]]),
    }
