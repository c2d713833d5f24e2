"""Names of ``--device``, and whether there is a driver for them. Needs no torch."""

from __future__ import annotations

import re
from pathlib import Path

from engine.errors import DeviceError

_DRIVERS = ("/proc/driver/nvidia/version", "/dev/nvidia0", "/dev/nvhost-gpu", "/dev/dxg", "/dev/kfd")
"""Of Nvidia's cards, its boards, Windows's subsystem for Linux, and AMD's cards, which torch calls cuda too."""


def device_number(name: str) -> int | None:
    """The number of a CUDA device, 0 for ``cuda``; None for ``auto`` and ``cpu``; DeviceError for any other name."""
    if name in {"auto", "cpu"}:
        return None
    found = re.fullmatch(r"cuda(?::([0-9]{1,4}))?", name)
    if found is None:
        raise DeviceError(f"--device {name} is not known.", "Choose auto, cpu, cuda or cuda:N.")
    return int(found[1] or 0)


def require_driver(name: str) -> None:
    """Raise DeviceError for an unknown name, or a GPU without a driver: in microseconds, where torch takes seconds."""
    if device_number(name) is not None and not any(Path(driver).exists() for driver in _DRIVERS):
        raise DeviceError(
            f"--device {name} cannot be used: no driver of a GPU is loaded here.", "Use --device cpu or auto."
        )
