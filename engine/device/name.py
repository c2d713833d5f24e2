"""What ``--device`` may say, and whether there is a driver for it. Needs no torch."""

from __future__ import annotations

import re
from pathlib import Path

from engine.errors import DeviceError

_DRIVERS = ("/proc/driver/nvidia/version", "/dev/nvidia0", "/dev/nvhost-gpu", "/dev/dxg", "/dev/kfd")
"""Of Nvidia's cards, its boards, Windows's subsystem for Linux, and AMD's cards, which torch calls cuda too."""


def device_number(name: str) -> int | None:
    """The number of a CUDA device.

    Args:
        name: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Returns:
        N, 0 for ``cuda``; None for the others.

    Raises:
        DeviceError: The name is none of these.
    """
    if name in {"auto", "cpu"}:
        return None
    found = re.fullmatch(r"cuda(?::([0-9]{1,4}))?", name)
    if found is None:
        raise DeviceError(f"--device {name} is not known.", "Choose auto, cpu, cuda or cuda:N.")
    return int(found[1] or 0)


def require_driver(name: str) -> None:
    """Refuse a device that cannot be there: a question of microseconds, where torch takes seconds to answer.

    Args:
        name: What ``--device`` says.

    Raises:
        DeviceError: The name is not known, or a GPU is asked for where no driver of one is loaded.
    """
    if device_number(name) is not None and not any(Path(driver).exists() for driver in _DRIVERS):
        raise DeviceError(
            f"--device {name} cannot be used: no driver of a GPU is loaded here.", "Use --device cpu or auto."
        )
