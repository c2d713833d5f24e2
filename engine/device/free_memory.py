"""Memory that is still free, of the processor or the device."""

from __future__ import annotations

from pathlib import Path

import torch


def free_memory(device: torch.device) -> float:
    """Bytes that may still be taken, of the processor's memory or the device's; ∞ where that cannot be found out."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(float(line.split()[1]) * 1024.0 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return float("inf")
