"""The machine as torch finds it."""

from __future__ import annotations

from typing import Any

import torch

from engine.data.torchvision_import import torchvision_datasets
from engine.device.resolve import resolve_device
from engine.errors import WntError


def report() -> dict[str, Any]:
    """Versions, devices and whether torchvision's data sets can be imported, JSON-compatible."""
    try:
        device, problem = resolve_device("auto").label, None
    except WntError as error:
        device, problem = None, str(error)
    try:
        torchvision_datasets()
        torchvision_problem = None
    except (ImportError, RuntimeError, WntError) as error:
        torchvision_problem = str(error)
    return {
        "torch": torch.__version__,
        "cuda_build": torch.version.cuda,
        "device": device,
        "device_problem": problem,
        "devices": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "threads": torch.get_num_threads(),
        "torchvision_problem": torchvision_problem,
    }
